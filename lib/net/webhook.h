#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/alert.h"
#include "core/time.h"
#include "net/http.h"

namespace usaged::net {

// Alertmanager's webhook body, version 4, for alerts of one rule.
struct WebhookMessage {
  std::string receiver;
  std::string external_url;
  std::string rule;
  std::vector<core::Alert> alerts;  // each firing or resolved
};

std::string webhook_body(const WebhookMessage& message);

// The result of one attempt, and whether another makes sense.
struct DeliveryResult {
  bool delivered = false;
  bool retry = false;
  std::optional<std::chrono::seconds> retry_after;  // the receiver's wish
  std::string error;
};

struct WebhookRequest {
  std::string url;
  std::string secret;  // empty: not signed. "whsec_" and base64, or the bytes themselves
  std::string id;      // the same in every attempt
  std::string body;
  core::Time now;
};

// The headers webhook-id, webhook-timestamp and webhook-signature of Standard Webhooks:
// "v1," and base64(HMAC-SHA256(secret, id.timestamp.body)).
Headers webhook_headers(const WebhookRequest& request);

// Sends once. 2xx is delivered; network errors, 408, 425, 429 and 5xx are worth another attempt.
DeliveryResult send_webhook(HttpClient& http, const WebhookRequest& request);

// The wait before the next attempt after `attempts` of them: 10 s, doubled up to an hour.
std::chrono::seconds delivery_backoff(int attempts);

// Attempts go on for this long; then the notification is dead.
inline constexpr std::chrono::hours kDeliveryPatience{24};

}  // namespace usaged::net
