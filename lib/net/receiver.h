#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "core/config.h"
#include "core/time.h"
#include "net/http.h"

namespace usaged::net {

// The result of one attempt, and whether another makes sense.
struct DeliveryResult {
  bool delivered = false;
  bool retry = false;
  std::optional<std::chrono::seconds> retry_after;  // the receiver's wish
  std::string error;
  std::string answer;  // what came back, for people: "HTTP 200: ok"
};

// One message for one receiver, with the secrets that it takes.
struct Message {
  const core::Receiver& receiver;
  std::string url;
  std::string secret;  // empty: none
  std::string id;      // the same in every attempt
  std::string body;    // net/payload.h
  core::Time now;
};

// The headers webhook-id, webhook-timestamp and webhook-signature of Standard Webhooks:
// "v1," and base64(HMAC-SHA256(secret, id.timestamp.body)). The secret is "whsec_" and base64, or
// the bytes themselves.
Headers webhook_headers(const std::string& id, const std::string& body, const std::string& secret,
                        core::Time now);

// Sends once, to whatever is reached by HTTP. 2xx is delivered; network errors, 408, 425, 429 and
// 5xx are worth another attempt. Redirects are not followed, and addresses of the link (instance
// metadata among them) are refused.
DeliveryResult post_message(HttpClient& http, const Message& message);

// A GET of a ping's address, with "/fail" and the reason as the body of a POST where it is bad.
DeliveryResult ping(HttpClient& http, const std::string& url, const std::string& ca_file,
                    const std::string& failure);

// The wait before the next attempt after `attempts` of them: 10 s, doubled up to an hour.
std::chrono::seconds delivery_backoff(int attempts);

// Attempts go on for this long; then the notification is dead.
inline constexpr std::chrono::hours kDeliveryPatience{24};

}  // namespace usaged::net
