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

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
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

// What the answer says, but for how old it is by now.
std::string etag_of(Json json, const std::string& format) {
  if (json["completeness"].is_object()) json["completeness"].erase("age_seconds");
  return "W/\"" + core::hex(core::sha256(format + to_text(json))).substr(0, 32) + "\"";
}

constexpr char kCsvType[] = "text/csv; charset=utf-8; header=present";
constexpr char kNdjsonType[] = "application/x-ndjson";

// A question of the API: `reply` with a Reader, as JSON, CSV or NDJSON.
template <typename Reply>
Response api(const RouteContext& context, Reply reply) {
  const std::string format = take_format(context, {"json", "csv", "ndjson"});
  const auto lease = context.readers.borrow(kDeadline);
  const Json json = reply(Asking{*lease, context.query, context.now});
  Response response{200, "application/json", ""};
  if (format == "json") {
    response.body = to_text(json);
  } else if (format == "csv") {
    response.content_type = kCsvType;
    response.body = to_csv(to_table(json["data"]));
  } else {
    response.content_type = kNdjsonType;
    response.body = to_ndjson(to_table(json["data"]));
  }
  response.etag = etag_of(json, format);
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
  if (format == "json" || part) return api(context, history_reply);
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
  return api(context, [&](Asking asking) { return alert_reply(asking, context.parameter); });
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

template <const char* kName, const char* kType>
Response asset(const RouteContext& /*context*/) {
  for (const assets::Asset& asset : assets::kAssets) {
    if (asset.name != kName) continue;
    Response response{200, kType, std::string(asset.text)};
    response.etag = "W/\"" + core::hex(core::sha256(asset.text)).substr(0, 32) + "\"";
    return response;
  }
  throw Error(ErrorCode::kInternal, "{} is not built in", kName);
}

constexpr char kIndex[] = "index.html";
constexpr char kScript[] = "app.js";
constexpr char kStyle[] = "style.css";
constexpr char kIcon[] = "icon.svg";
constexpr char kOpenApi[] = "openapi.yaml";
constexpr char kHtml[] = "text/html; charset=utf-8";
constexpr char kJavaScript[] = "text/javascript; charset=utf-8";
constexpr char kCss[] = "text/css; charset=utf-8";
constexpr char kSvg[] = "image/svg+xml";
constexpr char kYaml[] = "application/yaml";

template <Json (*kReply)(Asking)>
Response api_of(const RouteContext& context) {
  return api(context, kReply);
}

constexpr std::array kRoutes{
    Route{"/api/v1/status", api_of<status_reply>, true},
    Route{"/api/v1/accounts", api_of<accounts_reply>, true},
    Route{"/api/v1/polls", api_of<polls_reply>, true},
    Route{"/api/v1/usage/latest", api_of<latest_reply>, true},
    Route{"/api/v1/usage/history", history, true},
    Route{"/api/v1/usage/daily", api_of<daily_reply>, true},
    Route{"/api/v1/usage/forecast", api_of<forecast_reply>, true},
    Route{"/api/v1/usage/showback", api_of<showback_reply>, true},
    Route{"/api/v1/usage/echo", api_of<echo_reply>, true},
    Route{"/api/v1/usage/deltas", api_of<deltas_reply>, true},
    Route{"/api/v1/alerts", api_of<alerts_reply>, true},
    Route{"/api/v1/alerts/{id}", alert, true},
    Route{"/api/v1/notifications", api_of<notifications_reply>, true},
    Route{"/api/v1/export", export_all, true},
    Route{"/metrics", metrics, true},
    Route{"/-/healthy", healthy, false},
    Route{"/-/ready", ready, false},
    Route{"/healthz", healthy, false},
    Route{"/openapi.yaml", asset<kOpenApi, kYaml>, false},
    Route{"/", asset<kIndex, kHtml>, false},
    Route{"/app.js", asset<kScript, kJavaScript>, false},
    Route{"/style.css", asset<kStyle, kCss>, false},
    Route{"/icon.svg", asset<kIcon, kSvg>, false},
};

}  // namespace

std::span<const Route> routes() { return kRoutes; }

const Route* find_route(std::string_view path, std::string& parameter) {
  constexpr std::string_view kParameter = "{id}";
  for (const Route& route : kRoutes) {
    if (route.path == path) return &route;
    if (!route.path.ends_with(kParameter)) continue;
    const std::string_view prefix = route.path.substr(0, route.path.size() - kParameter.size());
    if (path.starts_with(prefix) && path.size() > prefix.size() &&
        path.find('/', prefix.size()) == std::string_view::npos) {
      parameter = std::string(path.substr(prefix.size()));
      return &route;
    }
  }
  return nullptr;
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
