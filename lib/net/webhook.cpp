#include "net/webhook.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/text.h"

namespace usaged::net {
namespace {

using json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds kTimeout{15000};
constexpr std::size_t kMostReply = 1U << 20U;
// What Alertmanager sends where an alert has not ended.
constexpr const char* kNoEnd = "0001-01-01T00:00:00Z";

std::string amount(const std::optional<double>& value, const std::string& currency) {
  if (!value) return "unknown";
  return currency.empty() ? fmt::format("{:.6g}", *value)
                          : fmt::format("{:.2f} {}", *value, currency);
}

core::Labels labels_of(const core::Alert& alert) {
  core::Labels labels = alert.labels;
  labels["alertname"] = alert.rule;
  labels["severity"] = alert.severity;
  if (!alert.currency.empty()) labels["currency"] = alert.currency;
  return labels;
}

core::Labels annotations_of(const core::Alert& alert) {
  std::vector<std::string> group;
  for (const auto& [name, value] : alert.labels) group.push_back(name + " " + value);
  const std::string where = group.empty() ? "the whole organization" : core::join(group, ", ");
  const bool firing = alert.state == core::AlertState::kFiring;
  core::Labels annotations;
  const json details = alert.details.empty() ? json::object() : json::parse(alert.details);
  const auto number = [&](const char* name) {
    const auto found = details.find(name);
    const bool known = found != details.end() && found->is_number();
    return amount(known ? std::optional(found->get<double>()) : std::nullopt, alert.currency);
  };
  const char* calm = firing ? "" : ", calm again";
  if (details.contains("deviations")) {  // a spike
    annotations["summary"] = fmt::format("{}: {} in a day, where {} is usual, for {}{}", alert.rule,
                                         number("value"), number("expected"), where, calm);
    annotations["reason"] = fmt::format(
        "{:.1f} deviations above the usual (a spike from {} on; confidence {}). It adds {} to the "
        "sum of 30 days, until {}.",
        details.value("deviations", 0.0), number("threshold"), details.value("confidence", ""),
        number("adds"), details.value("leaves_until", ""));
    std::vector<std::string> causes;
    for (const json& cause : details.value("contributors", json::array())) {
      causes.push_back(fmt::format("{} {} {} {:+.2f}", cause.value("account_id", ""),
                                   cause.value("region", ""), cause.value("usage_type", ""),
                                   cause.value("change", 0.0)));
    }
    if (!causes.empty()) annotations["contributors"] = core::join(causes, "; ");
  } else if (details.contains("budget")) {
    annotations["summary"] =
        fmt::format("{}: the month has {} so far and is projected to have {}, for {}{}", alert.rule,
                    number("spent"), number("projected"), where, calm);
    annotations["reason"] = fmt::format("The budget is {}.", number("budget"));
  } else if (details.contains("ends")) {  // a free trial
    annotations["summary"] =
        fmt::format("{}: a free trial ends at {}, and then costs {} a month, for {}{}", alert.rule,
                    details.value("ends", ""), number("monthly_cost_after"), where, calm);
  } else if (details.contains("last_success")) {  // a region that is not collected
    annotations["summary"] =
        fmt::format("{}: no good poll since {}, for {}{}", alert.rule,
                    details["last_success"].is_string() ? details["last_success"].get<std::string>()
                                                        : "the first",
                    where, calm);
    annotations["reason"] =
        fmt::format("{} failures in a row; the last one: {} {}", details.value("failures", 0),
                    details.value("outcome", ""), details.value("error", ""));
  } else {
    annotations["summary"] = fmt::format(
        "{}: {} {} to {} for {}", alert.rule, firing ? "went from" : "is calm again, from",
        amount(alert.before, alert.currency), amount(alert.after, alert.currency), where);
  }
  if (!firing && alert.starts_at && alert.ends_at) {
    annotations["duration"] = core::format_duration(*alert.ends_at - *alert.starts_at);
  }
  return annotations;
}

json alert_json(const core::Alert& alert, const std::string& external_url) {
  const bool firing = alert.state == core::AlertState::kFiring;
  return {{"status", firing ? "firing" : "resolved"},
          {"labels", labels_of(alert)},
          {"annotations", annotations_of(alert)},
          {"startsAt", core::format_time(alert.starts_at.value_or(alert.pending_since))},
          {"endsAt", alert.ends_at ? core::format_time(*alert.ends_at) : kNoEnd},
          {"generatorURL", fmt::format("{}/#alerts", external_url)},
          {"fingerprint", alert.fingerprint}};
}

// What all of them have in common.
void keep_common(core::Labels& common, const core::Labels& other) {
  std::erase_if(common, [&other](const auto& entry) {
    const auto found = other.find(entry.first);
    return found == other.end() || found->second != entry.second;
  });
}

std::string secret_bytes(const std::string& secret) {
  constexpr std::string_view kPrefix = "whsec_";
  return secret.starts_with(kPrefix) ? core::base64_decode(secret.substr(kPrefix.size())) : secret;
}

}  // namespace

std::string webhook_body(const WebhookMessage& message) {
  json alerts = json::array();
  core::Labels common_labels = labels_of(message.alerts.front());
  core::Labels common_annotations = annotations_of(message.alerts.front());
  bool firing = false;
  for (const core::Alert& alert : message.alerts) {
    alerts.push_back(alert_json(alert, message.external_url));
    keep_common(common_labels, labels_of(alert));
    keep_common(common_annotations, annotations_of(alert));
    firing = firing || alert.state == core::AlertState::kFiring;
  }
  const json body{{"version", "4"},
                  {"groupKey", fmt::format("{{}}:{{alertname=\"{}\"}}", message.rule)},
                  {"truncatedAlerts", 0},
                  {"status", firing ? "firing" : "resolved"},
                  {"receiver", message.receiver},
                  {"groupLabels", {{"alertname", message.rule}}},
                  {"commonLabels", common_labels},
                  {"commonAnnotations", common_annotations},
                  {"externalURL", message.external_url},
                  {"alerts", alerts}};
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

Headers webhook_headers(const WebhookRequest& request) {
  const std::string timestamp = std::to_string(core::unix_seconds(request.now));
  Headers headers{{"Content-Type", "application/json"},
                  {"webhook-id", request.id},
                  {"webhook-timestamp", timestamp}};
  if (!request.secret.empty()) {
    const std::string text = request.id + "." + timestamp + "." + request.body;
    headers.emplace_back("webhook-signature", "v1," + core::base64(core::hmac_sha256(
                                                          secret_bytes(request.secret), text)));
  }
  return headers;
}

DeliveryResult send_webhook(HttpClient& http, const WebhookRequest& request) {
  HttpRequest post;
  post.method = "POST";
  post.url = request.url;
  post.headers = webhook_headers(request);
  post.body = request.body;
  post.timeout = kTimeout;
  post.most_reply_bytes = kMostReply;
  const HttpReply reply = http.send(post);
  DeliveryResult result;
  if (reply.failure) {
    // A receiver whose answer is too long has got the message all the same, but said nothing of it.
    result.retry = *reply.failure != TransportFailure::kBadUrl;
    result.error = reply.failure_text;
    return result;
  }
  if (reply.status >= 200 && reply.status < 300) {
    result.delivered = true;
    return result;
  }
  result.error = fmt::format("HTTP {}", reply.status);
  result.retry =
      reply.status == 408 || reply.status == 425 || reply.status == 429 || reply.status >= 500;
  const std::string hint = reply.header("retry-after");
  int seconds = 0;
  const auto [end, error] = std::from_chars(hint.data(), hint.data() + hint.size(), seconds);
  if (!hint.empty() && error == std::errc{} && end == hint.data() + hint.size() && seconds >= 0) {
    result.retry_after = std::chrono::seconds{std::min(seconds, 86400)};
  }
  return result;
}

std::chrono::seconds delivery_backoff(int attempts) {
  const int doublings = std::clamp(attempts - 1, 0, 9);
  return std::min(std::chrono::seconds{10} * (1 << doublings), std::chrono::seconds{3600});
}

}  // namespace usaged::net
