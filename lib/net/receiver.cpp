#include "net/receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "net/payload.h"

namespace usaged::net {
namespace {

using json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds kTimeout{15000};
constexpr std::chrono::hours kLongestWait{24};
constexpr std::size_t kMostReply = 1U << 20U;
constexpr std::size_t kMostAnswer = 500;

std::string secret_bytes(const std::string& secret) {
  constexpr std::string_view kPrefix = "whsec_";
  return secret.starts_with(kPrefix) ? core::base64_decode(secret.substr(kPrefix.size())) : secret;
}

HttpRequest post_to(const std::string& url) {
  HttpRequest post;
  post.method = "POST";
  post.url = url;
  post.headers = {{"Content-Type", "application/json"}};
  post.timeout = kTimeout;
  post.most_reply_bytes = kMostReply;
  post.refuse_link = true;
  return post;
}

std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return std::string(core::trim(text.substr(0, kMostAnswer)));
}

// What Retry-After asks for, up to a day: seconds, or a date by the clock that set the reply's Date
// (RFC 9110, 10.2.3).
std::optional<std::chrono::seconds> retry_after(const HttpReply& reply) {
  std::chrono::seconds wait{0};
  if (const auto seconds = reply.number("retry-after")) {
    wait = std::chrono::seconds{*seconds};
  } else {
    const auto date = reply.date("retry-after");
    const auto now = reply.date("date");
    if (!date || !now) return std::nullopt;
    wait = *date - *now;
  }
  if (wait < std::chrono::seconds{0}) return std::nullopt;
  return std::min<std::chrono::seconds>(wait, kLongestWait);
}

DeliveryResult result_of(const HttpReply& reply) {
  DeliveryResult result;
  if (reply.failure) {
    // A receiver whose answer is too long has got the message all the same, but said nothing of it.
    result.retry =
        *reply.failure != TransportFailure::kBadUrl && *reply.failure != TransportFailure::kRefused;
    result.error = reply.failure_text;
    result.answer = reply.failure_text;
    return result;
  }
  result.answer = fmt::format("HTTP {}", reply.status);
  if (const std::string body = printable(reply.body); !body.empty()) result.answer += ": " + body;
  if (reply.status >= 200 && reply.status < 300) {
    result.delivered = true;
    return result;
  }
  result.error = fmt::format("HTTP {}", reply.status);
  if (reply.status >= 300 && reply.status < 400) result.error += ", a redirect, is not followed";
  result.retry =
      reply.status == 408 || reply.status == 425 || reply.status == 429 || reply.status >= 500;
  result.retry_after = retry_after(reply);
  return result;
}

// Alerts without an end are said to end after a while, as of now.
std::string with_ends(const std::string& body, core::Time now) {
  json alerts = json::parse(body);
  for (json& alert : alerts) {
    if (!alert.contains("endsAt")) alert["endsAt"] = core::format_time(now + kAlertmanagerHold);
  }
  return alerts.dump();
}

}  // namespace

Headers webhook_headers(const std::string& id, const std::string& body, const std::string& secret,
                        core::Time now) {
  const std::string timestamp = std::to_string(core::unix_seconds(now));
  Headers headers{{"webhook-id", id}, {"webhook-timestamp", timestamp}};
  if (!secret.empty()) {
    const std::string mac =
        core::hmac_sha256(secret_bytes(secret), id + "." + timestamp + "." + body);
    headers.emplace_back("webhook-signature", "v1," + core::base64(mac));
  }
  return headers;
}

DeliveryResult post_message(HttpClient& http, const Message& message) {
  HttpRequest post = post_to(message.url);
  post.ca_file = message.receiver.ca_file;
  post.body = message.body;
  switch (message.receiver.kind) {
    case core::ReceiverKind::kWebhook:
      for (auto& header : webhook_headers(message.id, message.body, message.secret, message.now)) {
        post.headers.push_back(std::move(header));
      }
      break;
    case core::ReceiverKind::kAlertmanager: {
      while (post.url.ends_with('/')) post.url.pop_back();
      post.url += "/api/v2/alerts";
      post.body = with_ends(message.body, message.now);
      if (!message.secret.empty()) {
        post.headers.emplace_back("Authorization", "Bearer " + message.secret);
      }
      break;
    }
    case core::ReceiverKind::kPagerDuty: {
      json event = json::parse(message.body);
      event["routing_key"] = message.secret;
      post.body = event.dump();
      break;
    }
    case core::ReceiverKind::kSlack:
    case core::ReceiverKind::kTeams:
    case core::ReceiverKind::kEmail:
    case core::ReceiverKind::kSns:
    case core::ReceiverKind::kPing:
      break;
  }
  return result_of(http.send(post));
}

DeliveryResult ping(HttpClient& http, const std::string& url, const std::string& ca_file,
                    const std::string& failure) {
  HttpRequest request = post_to(url);
  request.ca_file = ca_file;
  if (failure.empty()) {
    request.method = "GET";
    request.headers.clear();
    return result_of(http.send(request));
  }
  const std::size_t query = request.url.find('?');
  std::string path = request.url.substr(0, query);
  while (path.ends_with('/')) path.pop_back();
  request.url = path + "/fail" + (query == std::string::npos ? "" : request.url.substr(query));
  request.headers = {{"Content-Type", "text/plain; charset=utf-8"}};
  request.body = failure;
  return result_of(http.send(request));
}

std::chrono::seconds delivery_backoff(int attempts) {
  const int doublings = std::clamp(attempts - 1, 0, 9);
  return std::min(std::chrono::seconds{10} * (1 << doublings), std::chrono::seconds{3600});
}

}  // namespace usaged::net
