#include "net/receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/notice.h"
#include "net/mail.h"
#include "net/payload.h"
#include "support/fake_http.h"

namespace usaged::net {
namespace {

using core::ReceiverKind;
using support::FakeHttp;
using ::testing::HasSubstr;
using ::testing::Not;
using json = nlohmann::json;

const core::Time kReceiverStart = core::from_unix(1772366400);  // 2026-03-01T12:00:00Z

core::Alert alert(const std::string& account, bool firing = true) {
  core::Alert a;
  a.fingerprint = "f" + account;
  a.rule = "cost-increase";
  a.severity = "warning";
  a.labels = {{"account_id", account}};
  a.currency = "USD";
  a.state = firing ? core::AlertState::kFiring : core::AlertState::kResolved;
  a.starts_at = kReceiverStart;
  if (!firing) a.ends_at = kReceiverStart + core::kHour;
  a.before = 10;
  a.after = 25;
  a.peak = 30;
  return a;
}

core::Notice notice(const std::vector<core::Alert>& alerts, const core::Rule* rule = nullptr,
                    std::size_t most = 20) {
  core::Notice result;
  result.receiver = "hook";
  result.external_url = "http://127.0.0.1:10330";
  result.group_key = "{}:{alertname=\"cost-increase\"}";
  result.group_labels = {{"alertname", "cost-increase"}};
  result.at = kReceiverStart;
  for (const core::Alert& one : alerts) {
    result.alerts.push_back(core::notice_alert(one, rule, "shop & <co>"));
  }
  core::finish_notice(result, most);
  return result;
}

json rendered(ReceiverKind kind, const core::Notice& what) {
  return json::parse(render(kind, what));
}

TEST(Payload, WebhooksHaveAlertmanagersVersion4) {
  const json body = rendered(ReceiverKind::kWebhook,
                             notice({alert("222222222222", false), alert("111111111111")}));
  EXPECT_EQ(body["version"], "4");
  EXPECT_EQ(body["status"], "firing");
  EXPECT_EQ(body["receiver"], "hook");
  EXPECT_EQ(body["truncatedAlerts"], 0);
  EXPECT_EQ(body["groupKey"], "{}:{alertname=\"cost-increase\"}");
  EXPECT_EQ(body["groupLabels"], (json{{"alertname", "cost-increase"}}));
  EXPECT_EQ(body["commonLabels"],
            (json{{"alertname", "cost-increase"}, {"severity", "warning"}, {"currency", "USD"}}));
  ASSERT_EQ(body["alerts"].size(), 2U);
  EXPECT_EQ(body["alerts"][0]["startsAt"], "2026-03-01T12:00:00Z");  // what fires comes first
  EXPECT_EQ(body["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
  EXPECT_EQ(body["alerts"][1]["status"], "resolved");
  EXPECT_EQ(body["alerts"][1]["endsAt"], "2026-03-01T13:00:00Z");
  EXPECT_EQ(body["alerts"][1]["annotations"]["duration"], "1h");
  EXPECT_EQ(body["alerts"][1]["annotations"]["peak"], "30.00 USD");
  for (const char* key : {"labels", "annotations", "generatorURL", "fingerprint"}) {
    EXPECT_TRUE(body["alerts"][0].contains(key)) << key;
  }
  EXPECT_EQ(rendered(ReceiverKind::kWebhook, notice({alert("1", false)}))["status"], "resolved");
}

TEST(Payload, RulesAddLabelsAndAnnotations) {
  core::Rule rule;
  rule.labels = {{"team", "finops"}};
  rule.annotations = {{"summary", "{{account_name}}: {{ before }} to {{ after }}"},
                      {"runbook", "https://wiki/{{ alertname }}"}};
  const json body = rendered(ReceiverKind::kWebhook, notice({alert("111111111111")}, &rule));
  EXPECT_EQ(body["alerts"][0]["labels"]["team"], "finops");
  EXPECT_EQ(body["alerts"][0]["annotations"]["summary"], "shop & <co>: 10.00 USD to 25.00 USD");
  EXPECT_EQ(body["alerts"][0]["annotations"]["runbook"], "https://wiki/cost-increase");
}

TEST(Payload, AlertmanagersAlertsHaveTheirEndWhenTheyAreSent) {
  const json alerts = rendered(ReceiverKind::kAlertmanager,
                               notice({alert("111111111111"), alert("222222222222", false)}));
  ASSERT_EQ(alerts.size(), 2U);
  EXPECT_EQ(alerts[0]["labels"]["alertname"], "cost-increase");
  EXPECT_FALSE(alerts[0].contains("endsAt"));
  EXPECT_EQ(alerts[1]["endsAt"], "2026-03-01T13:00:00Z");

  core::Receiver receiver;
  receiver.kind = ReceiverKind::kAlertmanager;
  FakeHttp http;
  http.replies = {FakeHttp::answer(200, "")};
  const core::Time later = kReceiverStart + 10 * core::kHour;
  EXPECT_TRUE(post_message(http, {receiver, "http://am:9093/", "token", "id", alerts.dump(), later})
                  .delivered);
  EXPECT_EQ(http.requests[0].url, "http://am:9093/api/v2/alerts");
  const json sent = json::parse(http.requests[0].body);
  EXPECT_EQ(sent[0]["endsAt"], core::format_time(later + kAlertmanagerHold));
  EXPECT_EQ(sent[1]["endsAt"], "2026-03-01T13:00:00Z");
  EXPECT_GE(kAlertmanagerHold, 3 * kAlertmanagerResend);
}

TEST(Payload, SlackHasBlocksWithinItsLimitsAndNothingOfItsOwnMarkup) {
  core::Rule rule;
  rule.annotations = {{"summary", std::string(4000, '<')}};
  std::vector<core::Alert> alerts(30, alert("111111111111"));
  const json body = rendered(ReceiverKind::kSlack, notice(alerts, &rule));
  EXPECT_TRUE(body["text"].is_string());
  const json& blocks = body["blocks"];
  EXPECT_LE(blocks.size(), 50U);
  EXPECT_EQ(blocks[0]["type"], "header");
  EXPECT_EQ(blocks[0]["text"]["type"], "plain_text");
  EXPECT_LE(blocks[0]["text"]["text"].get<std::string>().size(), 150U);
  for (const json& block : blocks) {
    if (block["type"] != "section") continue;
    EXPECT_EQ(block["text"]["type"], "mrkdwn");
    EXPECT_LE(block["text"]["text"].get<std::string>().size(), 3000U);
    EXPECT_THAT(block["text"]["text"].get<std::string>(), Not(HasSubstr("<")));
    EXPECT_LE(block.value("fields", json::array()).size(), 10U);
  }
  EXPECT_EQ(blocks.back()["type"], "context");
  EXPECT_THAT(blocks.back().dump(), HasSubstr("and 10 more alerts"));
}

TEST(Payload, TeamsHasAnAdaptiveCard) {
  const json body = rendered(ReceiverKind::kTeams, notice({alert("111111111111")}));
  EXPECT_EQ(body["type"], "message");
  const json& attachment = body["attachments"][0];
  EXPECT_EQ(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
  EXPECT_EQ(attachment["content"]["type"], "AdaptiveCard");
  EXPECT_EQ(attachment["content"]["body"][0]["type"], "TextBlock");
  EXPECT_EQ(attachment["content"]["actions"][0]["type"], "Action.OpenUrl");
}

TEST(Payload, PagerDutyOpensAndClosesAnIncidentAGroup) {
  const json opened = rendered(ReceiverKind::kPagerDuty, notice({alert("111111111111")}));
  const json closed = rendered(ReceiverKind::kPagerDuty, notice({alert("111111111111", false)}));
  EXPECT_EQ(opened["event_action"], "trigger");
  EXPECT_EQ(closed["event_action"], "resolve");
  EXPECT_EQ(opened["dedup_key"], closed["dedup_key"]);
  EXPECT_LE(opened["dedup_key"].get<std::string>().size(), 255U);
  EXPECT_EQ(opened["payload"]["severity"], "warning");
  EXPECT_EQ(opened["payload"]["timestamp"], "2026-03-01T12:00:00Z");
  EXPECT_LE(opened["payload"]["summary"].get<std::string>().size(), 1024U);
  core::Alert acked = alert("111111111111");
  acked.acked_at = kReceiverStart;
  EXPECT_EQ(rendered(ReceiverKind::kPagerDuty, notice({acked}))["event_action"], "acknowledge");
  EXPECT_EQ(rendered(ReceiverKind::kPagerDuty, notice({acked, alert("2")}))["event_action"],
            "trigger");
  EXPECT_FALSE(opened.contains("routing_key"));  // a secret, so not stored

  core::Receiver receiver;
  receiver.kind = ReceiverKind::kPagerDuty;
  FakeHttp http;
  http.replies = {FakeHttp::answer(202, "{}")};
  post_message(http, {receiver, "http://pd", "key", "id", opened.dump(), kReceiverStart});
  EXPECT_EQ(json::parse(http.requests[0].body)["routing_key"], "key");
}

TEST(Payload, MailsHaveBothPartsAndEscapeOne) {
  const json body =
      rendered(ReceiverKind::kEmail, notice({alert("111111111111"), alert("222222222222", false)}));
  EXPECT_EQ(body["subject"], "[FIRING:1, RESOLVED:1] cost-increase");
  EXPECT_THAT(body["text"].get<std::string>(), HasSubstr("shop & <co>"));
  EXPECT_THAT(body["html"].get<std::string>(), HasSubstr("shop &amp; &lt;co&gt;"));
  EXPECT_THAT(body["html"].get<std::string>(), Not(HasSubstr("<co>")));
}

TEST(Payload, SubjectsOfSnsAreShortAscii) {
  core::Rule rule;
  rule.annotations = {{"summary", "K\xC3\xB6ln " + std::string(200, 'x')}};
  const json body = rendered(ReceiverKind::kSns, notice({alert("1")}, &rule));
  const auto subject = body["subject"].get<std::string>();
  EXPECT_LT(subject.size(), 100U);
  EXPECT_TRUE(std::ranges::all_of(subject, [](char c) { return c >= ' ' && c < 0x7f; }));
}

TEST(Payload, AStormIsSummedUp) {
  std::vector<core::Alert> alerts(25, alert("111111111111"));
  alerts[24].severity = "critical";
  const core::Notice storm = notice(alerts);
  EXPECT_EQ(storm.alerts.size(), 20U);
  EXPECT_EQ(storm.left_out, 5);
  EXPECT_EQ(storm.firing, 25);
  EXPECT_EQ(storm.alerts.front().alert.severity, "critical");
  EXPECT_EQ(storm.title, "[FIRING:25] cost-increase");
  EXPECT_EQ(storm.lines, (std::vector<std::string>{"cost-increase: 25 alerts"}));
  EXPECT_EQ(rendered(ReceiverKind::kWebhook, storm)["truncatedAlerts"], 5);
  EXPECT_EQ(notice(alerts, nullptr, core::most_alerts(ReceiverKind::kAlertmanager)).left_out, 0);
}

std::string header(const Headers& headers, const std::string& wanted) {
  for (const auto& [name, value] : headers) {
    if (name == wanted) return value;
  }
  return "";
}

TEST(Receiver, WebhooksAreSignedAsStandardWebhooksHasIt) {
  // The example of the Standard Webhooks specification's reference libraries.
  const auto signature = [](const std::string& secret) {
    return webhook_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", R"({"test": 2432232314})", secret,
                           core::from_unix(1614265330));
  };
  const Headers headers = signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  EXPECT_EQ(header(headers, "webhook-id"), "msg_p5jXN8AQM9LWM0D4loKWxJek");
  EXPECT_EQ(header(headers, "webhook-timestamp"), "1614265330");
  EXPECT_EQ(header(headers, "webhook-signature"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  EXPECT_EQ(header(signature(""), "webhook-signature"), "");
}

DeliveryResult result_of(const HttpReply& reply) {
  FakeHttp http;
  http.replies = {reply};
  return post_message(http, {core::Receiver{}, "http://x", "", "id", "{}", kReceiverStart});
}

TEST(Receiver, KnowsWhatIsWorthAnotherAttempt) {
  for (const int status : {200, 204, 299}) {
    EXPECT_TRUE(result_of(FakeHttp::answer(status, "")).delivered);
  }
  for (const int status : {408, 425, 429, 500, 502, 503}) {
    EXPECT_FALSE(result_of(FakeHttp::answer(status, "")).delivered);
    EXPECT_TRUE(result_of(FakeHttp::answer(status, "")).retry) << status;
  }
  for (const int status : {301, 307, 400, 401, 404, 410}) {
    EXPECT_FALSE(result_of(FakeHttp::answer(status, "")).retry) << status;
  }
  EXPECT_THAT(result_of(FakeHttp::answer(302, "")).error, HasSubstr("redirect"));
  EXPECT_TRUE(result_of(FakeHttp::broken(TransportFailure::kNetwork)).retry);
  EXPECT_FALSE(result_of(FakeHttp::broken(TransportFailure::kBadUrl)).retry);
  EXPECT_FALSE(result_of(FakeHttp::broken(TransportFailure::kRefused)).retry);
  EXPECT_EQ(result_of(FakeHttp::answer(429, "", {{"retry-after", "120"}})).retry_after,
            std::chrono::seconds{120});
  const std::string date = "Wed, 21 Oct 2026 07:28:00 GMT";
  EXPECT_EQ(
      result_of(FakeHttp::answer(
                    503, "", {{"retry-after", date}, {"date", "Wed, 21 Oct 2026 07:26:30 GMT"}}))
          .retry_after,
      std::chrono::seconds{90});
  EXPECT_EQ(result_of(FakeHttp::answer(503, "", {{"retry-after", "99999999999"}})).retry_after,
            std::chrono::hours{24});
  for (const auto& [hint, now] :
       std::vector<std::pair<std::string, std::string>>{{"soon", date},
                                                        {"-1", date},
                                                        {"", date},
                                                        {date, ""},
                                                        {date, "Wed, 21 Oct 2026 07:28:01 GMT"}}) {
    EXPECT_FALSE(
        result_of(FakeHttp::answer(503, "", {{"retry-after", hint}, {"date", now}})).retry_after)
        << hint;
  }
  EXPECT_EQ(result_of(FakeHttp::answer(200, "ok\n")).answer, "HTTP 200: ok");
}

TEST(Receiver, PingsAFailureAtItsOwnAddress) {
  FakeHttp http;
  http.replies = {FakeHttp::answer(200, "OK"), FakeHttp::answer(200, "OK")};
  EXPECT_TRUE(ping(http, "https://hc/uuid?rid=1", "", "").delivered);
  EXPECT_TRUE(ping(http, "https://hc/uuid?rid=1", "", "eu-central-1: denied").delivered);
  EXPECT_EQ(http.requests[0].method, "GET");
  EXPECT_EQ(http.requests[0].url, "https://hc/uuid?rid=1");
  EXPECT_EQ(http.requests[1].method, "POST");
  EXPECT_EQ(http.requests[1].url, "https://hc/uuid/fail?rid=1");
  EXPECT_EQ(http.requests[1].body, "eu-central-1: denied");
}

TEST(Receiver, WaitsLongerEachTimeUpToAnHour) {
  EXPECT_EQ(delivery_backoff(1), std::chrono::seconds{10});
  EXPECT_EQ(delivery_backoff(2), std::chrono::seconds{20});
  EXPECT_EQ(delivery_backoff(100), std::chrono::hours{1});
}

TEST(Mail, HeadersThatAreNotAsciiAreEncodedInWords) {
  EXPECT_EQ(encoded_header("[FIRING] plain"), "[FIRING] plain");
  EXPECT_EQ(encoded_header("K\xC3\xB6ln"), "=?utf-8?B?S8O2bG4=?=");
  std::string text;
  for (int i = 0; i < 40; ++i) text += "\xC3\xB6";
  const std::string encoded = encoded_header(text);
  EXPECT_THAT(encoded, HasSubstr("?= =?utf-8?B?"));  // and none is cut within a character
}

}  // namespace
}  // namespace usaged::net
