#include "web/routes.h"

#include <array>
#include <chrono>

#include "embedded_assets.h"
#include "web/replies.h"
#include "web/table.h"

namespace usaged::web {
namespace {

using core::Error;
using core::ErrorCode;

constexpr std::chrono::milliseconds kDeadline{20000};

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

// A question of the API: `reply` with a Reader, as JSON or CSV.
template <typename Reply>
Response api(const RouteContext& context, Reply reply) {
  const std::string format = context.accepts_csv ? context.query.choice("format", {"csv", "json"})
                                                 : context.query.choice("format", {"json", "csv"});
  const auto lease = context.readers.borrow(kDeadline);
  const Json json = reply(Asking{*lease, context.query, context.now});
  if (format == "csv") return {200, "text/csv; charset=utf-8", to_csv(to_table(json["data"]))};
  return {200, "application/json", to_text(json)};
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
    if (asset.name == kName) return {200, kType, std::string(asset.text)};
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
    Route{"/api/v1/usage/history", api_of<history_reply>, true},
    Route{"/api/v1/usage/daily", api_of<daily_reply>, true},
    Route{"/api/v1/usage/forecast", api_of<forecast_reply>, true},
    Route{"/api/v1/usage/deltas", api_of<deltas_reply>, true},
    Route{"/api/v1/alerts", api_of<alerts_reply>, true},
    Route{"/api/v1/alerts/{id}", alert, true},
    Route{"/api/v1/notifications", api_of<notifications_reply>, true},
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

Response answer(const Route& route, const RouteContext& context) {
  try {
    return route.handle(context);
  } catch (const Error& e) {
    return problem(status_of(e.code()), e.what());
  } catch (const std::exception& e) {
    return problem(500, e.what());
  }
}

}  // namespace usaged::web
