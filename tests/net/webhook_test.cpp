#include "net/webhook.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/fake_http.h"

namespace usaged::net {
namespace {

using support::FakeHttp;

const core::Time kStart = core::from_unix(1772366400);

core::Alert alert(const std::string& account) {
  core::Alert a;
  a.fingerprint = "f" + account;
  a.rule = "cost-increase";
  a.severity = "warning";
  a.labels = {{"account_id", account}};
  a.currency = "USD";
  a.state = core::AlertState::kFiring;
  a.starts_at = kStart;
  a.before = 10;
  a.after = 25;
  return a;
}

TEST(Webhook, TheBodyIsAlertmanagersVersion4) {
  core::Alert resolved = alert("222222222222");
  resolved.state = core::AlertState::kResolved;
  resolved.ends_at = kStart + core::kHour;
  const auto body = nlohmann::json::parse(webhook_body(
      {"hook", "http://127.0.0.1:10330", "cost-increase", {alert("111111111111"), resolved}}));
  EXPECT_EQ(body["version"], "4");
  EXPECT_EQ(body["status"], "firing");
  EXPECT_EQ(body["receiver"], "hook");
  EXPECT_EQ(body["groupKey"], "{}:{alertname=\"cost-increase\"}");
  EXPECT_EQ(body["groupLabels"], (nlohmann::json{{"alertname", "cost-increase"}}));
  EXPECT_EQ(body["commonLabels"],
            (nlohmann::json{
                {"alertname", "cost-increase"}, {"severity", "warning"}, {"currency", "USD"}}));
  ASSERT_EQ(body["alerts"].size(), 2U);
  EXPECT_EQ(body["alerts"][0]["startsAt"], "2026-03-01T12:00:00Z");
  EXPECT_EQ(body["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
  EXPECT_EQ(body["alerts"][1]["status"], "resolved");
  EXPECT_EQ(body["alerts"][1]["endsAt"], "2026-03-01T13:00:00Z");
  EXPECT_EQ(body["alerts"][1]["annotations"]["duration"], "1h");
  for (const char* key : {"labels", "annotations", "generatorURL", "fingerprint"}) {
    EXPECT_TRUE(body["alerts"][0].contains(key)) << key;
  }
}

std::string header(const Headers& headers, const std::string& wanted) {
  for (const auto& [name, value] : headers) {
    if (name == wanted) return value;
  }
  return "";
}

TEST(Webhook, IsSignedAsStandardWebhooksHasIt) {
  // The example of the Standard Webhooks specification's reference libraries.
  const WebhookRequest request{"http://x", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                               "msg_p5jXN8AQM9LWM0D4loKWxJek", R"({"test": 2432232314})",
                               core::from_unix(1614265330)};
  const Headers headers = webhook_headers(request);
  EXPECT_EQ(header(headers, "webhook-id"), "msg_p5jXN8AQM9LWM0D4loKWxJek");
  EXPECT_EQ(header(headers, "webhook-timestamp"), "1614265330");
  EXPECT_EQ(header(headers, "webhook-signature"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  WebhookRequest unsigned_request = request;
  unsigned_request.secret.clear();
  EXPECT_EQ(header(webhook_headers(unsigned_request), "webhook-signature"), "");
}

TEST(Webhook, KnowsWhatIsWorthAnotherAttempt) {
  const auto result = [](const HttpReply& reply) {
    FakeHttp http;
    http.replies = {reply};
    return send_webhook(http, {"http://x", "", "id", "{}", kStart});
  };
  for (const int status : {200, 204, 299}) {
    EXPECT_TRUE(result(FakeHttp::answer(status, "")).delivered);
  }
  for (const int status : {408, 425, 429, 500, 502, 503}) {
    EXPECT_FALSE(result(FakeHttp::answer(status, "")).delivered);
    EXPECT_TRUE(result(FakeHttp::answer(status, "")).retry) << status;
  }
  for (const int status : {301, 307, 400, 401, 404, 410}) {
    EXPECT_FALSE(result(FakeHttp::answer(status, "")).retry) << status;
  }
  EXPECT_TRUE(result(FakeHttp::broken(TransportFailure::kNetwork)).retry);
  EXPECT_FALSE(result(FakeHttp::broken(TransportFailure::kBadUrl)).retry);
  EXPECT_EQ(result(FakeHttp::answer(429, "", {{"retry-after", "120"}})).retry_after,
            std::chrono::seconds{120});
  EXPECT_FALSE(result(FakeHttp::answer(503, "", {{"retry-after", "soon"}})).retry_after);
}

TEST(Webhook, WaitsLongerEachTimeUpToAnHour) {
  EXPECT_EQ(delivery_backoff(1), std::chrono::seconds{10});
  EXPECT_EQ(delivery_backoff(2), std::chrono::seconds{20});
  EXPECT_EQ(delivery_backoff(100), std::chrono::hours{1});
}

}  // namespace
}  // namespace usaged::net
