#include "web/routes.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "core/text.h"
#include "embedded_assets.h"
#include "web/replies.h"
#include "web/table.h"

namespace usaged::web {
namespace {

using core::Error;
using core::ErrorCode;

constexpr std::chrono::milliseconds kDeadline{20000};
constexpr std::chrono::milliseconds kStreamDeadline{600000};
constexpr int kDefaultLimit = 1000;

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

// The format that a request asks for: by its parameter, else by its Accept header.
std::string take_format(const RouteContext& context, std::vector<std::string> formats) {
  const auto prefer = [&](const char* type, const char* format) {
    const auto found = std::ranges::find(formats, format);
    if (found != formats.end() && context.accept.find(type) != std::string::npos) {
      std::rotate(formats.begin(), found, found + 1);
    }
  };
  prefer("application/x-ndjson", "ndjson");
  prefer("text/csv", "csv");
  return context.query.choice("format", formats);
}

// The address of the next page.
std::string next_link(const RouteContext& context, const Json& cursor) {
  if (cursor.is_null()) return "";
  const std::size_t mark = context.target.find('?');
  std::string link = context.target.substr(0, mark) + "?";
  if (mark != std::string::npos) {
    for (const std::string& parameter : core::split(context.target.substr(mark + 1), '&')) {
      if (!parameter.starts_with("cursor=")) link += parameter + "&";
    }
  }
  link += "cursor=" + core::percent_encode(cursor.get<std::string>());
  return "<" + core::percent_encode(link, "%/?&=:+,*'()!$;@") + ">; rel=\"next\"";
}

std::string etag_of(const std::string& what) {
  return "W/\"" + core::hex(core::sha256(what)).substr(0, 32) + "\"";
}

constexpr std::size_t kRest = 4096;  // about as long as what is said beside the data

// The text of an answer, each part of it made once; `known` is what it says but for how old it is
// by now. `data`: its data, if that is a text already.
std::string text_of(const Json& json, const std::string& data, std::string& known) {
  std::string text = "{";
  text.reserve(data.size() + kRest);
  for (const auto& [name, part] : json.items()) {
    if (text.size() > 1) text += ',';
    const std::size_t from = text.size();
    text += to_text(name) + ":";
    if (name == "data" && !data.empty()) {
      text += data;
    } else {
      text += to_text(part);
    }
    if (name == "completeness" && part.is_object()) {
      Json whenever = part;
      whenever.erase("age_seconds");
      known += to_text(whenever);
    } else {
      known += core::sha256(std::string_view(text).substr(from));
    }
  }
  text += '}';
  return text;
}

constexpr char kCsvType[] = "text/csv; charset=utf-8; header=present";
constexpr char kNdjsonType[] = "application/x-ndjson";

// A question of the API: `reply` with a Reader, as JSON, CSV or NDJSON. It may put its data into
// `data` as JSON text, where JSON is all that it can be asked for.
template <typename Reply>
Response api(const RouteContext& context, Reply reply, const std::string& data = "") {
  const std::string format = take_format(context, {"json", "csv", "ndjson"});
  const auto lease = context.readers.borrow(kDeadline);
  const store::Moment moment(lease->db());  // all of it is as of now
  const Json json = reply(Asking{*lease, context.query, context.now, kDefaultLimit, context.rules(),
                                 &context.counters});
  Response response{200, "application/json", ""};
  std::string known = format;
  std::string text = text_of(json, data, known);
  if (format == "json") {
    response.body = std::move(text);
  } else if (format == "csv") {
    response.content_type = kCsvType;
    response.body = to_csv(to_table(json["data"]));
  } else {
    response.content_type = kNdjsonType;
    response.body = to_ndjson(to_table(json["data"]));
  }
  response.etag = etag_of(known);
  response.link = next_link(context, json["next_cursor"]);
  return response;
}

Response streamed(const RouteContext& context, const char* type, Stream stream) {
  auto lease = std::make_shared<store::ReaderPool::Lease>(context.readers.borrow(kStreamDeadline));
  Response response{200, type, ""};
  response.stream = [lease, stream = std::move(stream)](const Sink& sink) {
    stream(**lease, sink);
  };
  return response;
}

// A history in rows is streamed whole, unless only a part is asked for.
Response history(const RouteContext& context) {
  const std::string format = take_format(context, {"json", "csv", "ndjson"});
  const bool part =
      context.query.has("top") || context.query.has("limit") || context.query.has("cursor");
  if (format == "json") {
    std::string data;
    const auto reply = [&data](const Asking& asking) { return history_text_reply(asking, data); };
    return api(context, reply, data);
  }
  if (part) return api(context, history_reply);
  const bool csv = format == "csv";
  return streamed(
      context, csv ? kCsvType : kNdjsonType,
      history_stream(context.query, context.now, csv ? RowFormat::kCsv : RowFormat::kNdjson));
}

Response export_all(const RouteContext& context) {
  const std::string format = take_format(context, {"csv", "ndjson", "focus"});
  const RowFormat rows = format == "csv"      ? RowFormat::kCsv
                         : format == "ndjson" ? RowFormat::kNdjson
                                              : RowFormat::kFocus;
  return streamed(context, rows == RowFormat::kNdjson ? kNdjsonType : kCsvType,
                  export_stream(context.query, context.now, rows));
}

Response alert(const RouteContext& context) {
  return api(context, [&](const Asking& asking) { return alert_reply(asking, context.parameter); });
}

Response metrics(const RouteContext& context) {
  context.query.finish();
  const auto lease = context.readers.borrow(kDeadline);
  return {200, "text/plain; version=0.0.4; charset=utf-8",
          metrics_text(*lease, context.counters, context.now)};
}

Response healthy(const RouteContext& /*context*/) { return {200, "text/plain", "healthy\n"}; }

Response ready(const RouteContext& context) {
  if (!context.not_ready.empty()) return problem(503, context.not_ready);
  return {200, "text/plain", "ready\n"};
}

// By the end of its name.
constexpr std::array<std::pair<std::string_view, const char*>, 5> kAssetTypes{{
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".yaml", "application/yaml"},
}};

Response embedded(std::string_view name) {
  for (const core::Asset& asset : assets::kAssets) {
    if (asset.name != name) continue;
    for (const auto& [end, type] : kAssetTypes) {
      if (!name.ends_with(end)) continue;
      Response response{200, type, std::string(asset.text)};
      response.etag = etag_of(std::string(asset.text));
      return response;
    }
  }
  throw Error(ErrorCode::kNotFound, "there is no {}", name);
}

Response dashboard(const RouteContext& /*context*/) { return embedded("index.html"); }
Response openapi(const RouteContext& /*context*/) { return embedded("openapi.yaml"); }
Response asset(const RouteContext& context) { return embedded(context.parameter); }

template <auto kReply>
Response api_of(const RouteContext& context) {
  return api(context, kReply);
}

Response written(const RouteContext& context, int status, const Json& json) {
  context.query.finish();
  return {status, "application/json", to_text(json)};
}

Response post_poll(const RouteContext& context) {
  return written(context, 202, poll_now(context.actors, context.body));
}

Response post_ack(const RouteContext& context) {
  return written(context, 200,
                 acknowledge(context.actors, context.parameter, context.body, context.now));
}

Response post_silence(const RouteContext& context) {
  return written(context, 201, add_silence(context.actors, context.body, context.now));
}

Response delete_silence(const RouteContext& context) {
  return written(context, 200, end_silence(context.actors, context.parameter, context.now));
}

Response post_reload(const RouteContext& context) {
  return written(context, 200, reload(context.actors, context.body));
}

Response post_redrive(const RouteContext& context) {
  return written(context, 200, redrive(context.actors, context.body, context.now));
}

constexpr std::array kRoutes{
    Route{"GET", "/api/v1/status", api_of<status_reply>, true},
    Route{"GET", "/api/v1/targets", api_of<targets_reply>, true},
    Route{"GET", "/api/v1/accounts", api_of<accounts_reply>, true},
    Route{"GET", "/api/v1/polls", api_of<polls_reply>, true},
    Route{"GET", "/api/v1/polls/daily", api_of<collection_reply>, true},
    Route{"GET", "/api/v1/usage/latest", api_of<latest_reply>, true},
    Route{"GET", "/api/v1/usage/history", history, true},
    Route{"GET", "/api/v1/usage/daily", api_of<daily_reply>, true},
    Route{"GET", "/api/v1/usage/forecast", api_of<forecast_reply>, true},
    Route{"GET", "/api/v1/usage/showback", api_of<showback_reply>, true},
    Route{"GET", "/api/v1/usage/echo", api_of<echo_reply>, true},
    Route{"GET", "/api/v1/usage/deltas", api_of<deltas_reply>, true},
    Route{"GET", "/api/v1/alerts", api_of<alerts_reply>, true},
    Route{"GET", "/api/v1/alerts/{id}", alert, true},
    Route{"GET", "/api/v1/notifications", api_of<notifications_reply>, true},
    Route{"GET", "/api/v1/silences", api_of<silences_reply>, true},
    Route{"GET", "/api/v1/rules", api_of<rules_reply>, true},
    Route{"GET", "/api/v1/export", export_all, true},
    Route{"POST", "/api/v1/polls", post_poll, true},
    Route{"POST", "/api/v1/alerts/{id}/ack", post_ack, true},
    Route{"POST", "/api/v1/silences", post_silence, true},
    Route{"DELETE", "/api/v1/silences/{id}", delete_silence, true},
    Route{"POST", "/api/v1/notifications/redrive", post_redrive, true},
    Route{"GET", "/metrics", metrics, true},
    Route{"GET", "/-/healthy", healthy, false},
    Route{"GET", "/-/ready", ready, false},
    Route{"GET", "/healthz", healthy, false},
    Route{"POST", "/-/reload", post_reload, false},
    Route{"GET", "/openapi.yaml", openapi, false},
    Route{"GET", "/", dashboard, false},
    Route{"GET", "/assets/{name}", asset, false},
};

}  // namespace

std::span<const Route> routes() { return kRoutes; }

core::Access needed_access(const Route& route) {
  if (route.method != "GET") return core::Access::kWrite;
  return route.limited ? core::Access::kRead : core::Access::kNone;
}

Found find_route(std::string_view method, std::string_view path) {
  Found found;
  for (const Route& route : kRoutes) {
    std::string parameter;
    const std::size_t place = route.path.find('{');
    if (place == std::string_view::npos) {
      if (route.path != path) continue;
    } else {
      const std::string_view before = route.path.substr(0, place);
      const std::string_view after = route.path.substr(route.path.find('}') + 1);
      if (path.size() <= before.size() + after.size() || !path.starts_with(before) ||
          !path.ends_with(after)) {
        continue;
      }
      parameter = path.substr(before.size(), path.size() - before.size() - after.size());
      if (parameter.find('/') != std::string::npos) continue;
    }
    found.allowed += (found.allowed.empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET") found.allowed += ", HEAD";
    if (found.route != nullptr || route.method != (method == "HEAD" ? "GET" : method)) continue;
    found.route = &route;
    found.parameter = parameter;
  }
  return found;
}

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kConfig:
    case ErrorCode::kInvalid:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
      return 409;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kStorage:
    case ErrorCode::kRemote:
    case ErrorCode::kInternal:
      break;
  }
  return 500;
}

Response problem(int status, std::string_view detail) {
  const Json body{
      {"type", "about:blank"}, {"title", title_of(status)}, {"status", status}, {"detail", detail}};
  return {status, "application/problem+json", to_text(body)};
}

Response problem_of_exception() {
  try {
    throw;
  } catch (const Error& e) {
    return problem(status_of(e.code()), e.what());
  } catch (const std::exception& e) {
    return problem(500, e.what());
  }
}

Response answer(const Route& route, const RouteContext& context) {
  try {
    return route.handle(context);
  } catch (...) {
    return problem_of_exception();
  }
}

}  // namespace usaged::web
