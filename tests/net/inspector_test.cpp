#include "net/inspector.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "support/fake_http.h"

namespace usaged::net {
namespace {

using core::Outcome;
using support::FakeHttp;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using json = nlohmann::json;

const core::Time kInspectorNow = core::from_unix(1772366400);

class InspectorTest : public ::testing::Test {
 protected:
  UsageReply ask(const std::vector<std::string>& accounts = {}) {
    AwsClient client({endpoint_, "eu-west-1", "inspector2"},
                     {&http_, [] { return kInspectorNow; },
                      [this](std::chrono::milliseconds wait) {
                        waits_.push_back(wait);
                        return !stop_;
                      },
                      [] { return 0.5; },
                      [this](const sigv4::Credentials*) {
                        ++credentials_asked_;
                        return sigv4::Credentials{"AKID", "SECRET", ""};
                      },
                      &skews_},
                     limits_, quota_);
    return list_usage_totals(client, accounts, stats_);
  }
  std::pair<Outcome, std::string> failure(const std::vector<std::string>& accounts = {}) {
    try {
      ask(accounts);
    } catch (const AwsError& e) {
      return {e.outcome(), e.what()};
    }
    return {Outcome::kOk, "no error"};
  }
  json asked(std::size_t i) const { return json::parse(http_.requests.at(i).body); }
  static HttpReply error(int status, const std::string& name,
                         std::multimap<std::string, std::string> headers = {}) {
    headers.emplace("x-amzn-errortype", name);
    headers.emplace("x-amzn-requestid", "req-1");
    return FakeHttp::answer(status, R"({"message":"because"})", std::move(headers));
  }

  FakeHttp http_;
  RetryQuota quota_;
  CallStats stats_;
  ClockSkews skews_;
  AwsClient::Limits limits_;
  std::string endpoint_ = "https://inspector2.eu-west-1.amazonaws.com";
  std::vector<std::chrono::milliseconds> waits_;
  int credentials_asked_ = 0;
  bool stop_ = false;
};

const HttpReply kEmpty = FakeHttp::answer(200, R"({"totals":[]})");

TEST_F(InspectorTest, AsksTheDocumentedPath) {
  http_.replies = {kEmpty};
  ask();
  const HttpRequest& request = http_.requests.at(0);
  EXPECT_EQ(request.url, "https://inspector2.eu-west-1.amazonaws.com/usage/list");
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(asked(0), (json{{"maxResults", 500}}));
}

TEST_F(InspectorTest, FollowsPagesAndMergesAnAccountThatStraddlesTwo) {
  http_.replies = {
      FakeHttp::answer(200, R"({"nextToken":"n1","totals":[{"accountId":"111111111111","usage":[
        {"type":"A","total":1.5,"estimatedMonthlyCost":0.1,"currency":"USD","cloudProvider":"AWS"}]}]})"),
      FakeHttp::answer(200, R"({"totals":[{"accountId":"111111111111","usage":[
        {"type":"B","total":2,"estimatedMonthlyCost":null,"currency":"USD"}]}]})")};
  const UsageReply reply = ask();
  ASSERT_EQ(reply.totals.size(), 2U);
  EXPECT_EQ(reply.totals[0].total, 1.5);
  EXPECT_EQ(reply.totals[0].cost, 0.1);
  EXPECT_EQ(reply.totals[1].total, 2);
  EXPECT_FALSE(reply.totals[1].cost);
  EXPECT_EQ(reply.totals[1].provider, "");
  EXPECT_FALSE(asked(0).contains("nextToken"));
  EXPECT_EQ(asked(1)["nextToken"], "n1");
  EXPECT_EQ(stats_.pages, 2);
}

TEST_F(InspectorTest, AsksForAtMost7000AccountsAtOnce) {
  std::vector<std::string> accounts;
  for (int i = 0; i < 7001; ++i) accounts.push_back(std::to_string(100000000000 + i));
  http_.replies = {FakeHttp::answer(200, R"({"totals":[{"accountId":"100000000000","usage":[]}]})"),
                   kEmpty};
  const UsageReply reply = ask(accounts);
  ASSERT_EQ(http_.requests.size(), 2U);
  EXPECT_EQ(asked(0)["accountIds"].size(), 7000U);
  EXPECT_EQ(asked(1)["accountIds"], json({"100000007000"}));
  EXPECT_EQ(reply.missing.size(), 7000U);  // returned without usage is not missing
  EXPECT_EQ(reply.missing[0], "100000000001");
  accounts.pop_back();
  http_.requests.clear();
  ask(accounts);
  EXPECT_EQ(http_.requests.size(), 1U);
}

TEST_F(InspectorTest, ARepeatedTokenIsAnErrorAndNoLoop) {
  http_.replies = {FakeHttp::answer(200, R"({"nextToken":"same","totals":[]})")};
  const auto [outcome, message] = failure();
  EXPECT_EQ(outcome, Outcome::kMalformed);
  EXPECT_THAT(message, HasSubstr("the same nextToken came twice"));
  EXPECT_EQ(http_.requests.size(), 2U);
}

TEST_F(InspectorTest, MalformedRepliesAreRefused) {
  for (const char* body :
       {"", "[]", "not json", R"({"totals":{}})", R"({"totals":[1]})", R"({"totals":[{}]})",
        R"({"totals":[{"accountId":12}]})", R"({"totals":[{"accountId":"1"}]})",
        R"({"totals":[{"accountId":"111111111111","usage":[1]}]})",
        R"({"totals":[{"accountId":"111111111111","usage":[{"type":1}]}]})",
        R"({"totals":[{"accountId":"111111111111","usage":[{"total":"1"}]}]})",
        R"({"totals":[{"accountId":"111111111111","usage":[{"total":1e999}]}]})",
        "{\"nextToken\":\"\xff\"}"}) {
    http_.replies = {FakeHttp::answer(200, body, {{"x-amzn-requestid", "req-9"}})};
    const auto [outcome, message] = failure();
    EXPECT_EQ(outcome, Outcome::kMalformed) << body;
    EXPECT_THAT(message, HasSubstr("req-9")) << body;
  }
}

TEST_F(InspectorTest, AbsentAndNullMembersAreTheSame) {
  for (const char* body : {"{}", R"({"totals":null,"nextToken":null})",
                           R"({"totals":[{"accountId":"111111111111","usage":null}]})",
                           R"({"totals":[{"accountId":"111111111111"}],"extra":[1]})"}) {
    http_.replies = {FakeHttp::answer(200, body)};
    EXPECT_TRUE(ask().totals.empty()) << body;
  }
  http_.replies = {
      FakeHttp::answer(200, R"({"totals":[{"accountId":"111111111111","usage":[{}]}]})")};
  const UsageReply reply = ask();
  ASSERT_EQ(reply.totals.size(), 1U);
  EXPECT_EQ(reply.totals[0].type, "");
  EXPECT_FALSE(reply.totals[0].total);
}

TEST_F(InspectorTest, TransientErrorsAreTriedThreeTimes) {
  http_.replies = {error(500, "InternalServerException"),
                   FakeHttp::broken(TransportFailure::kTimeout), kEmpty};
  ask();
  EXPECT_THAT(waits_, ElementsAre(std::chrono::milliseconds{25}, std::chrono::milliseconds{50}));
  EXPECT_EQ(quota_.available(), 500 - 14);  // the last retry's tokens came back
  EXPECT_EQ(stats_.requests, 3);

  http_.replies = {error(503, "ServiceUnavailable")};
  const auto [outcome, message] = failure();
  EXPECT_EQ(outcome, Outcome::kServer);
  EXPECT_THAT(message, HasSubstr("after 3 attempts"));
  EXPECT_THAT(message, HasSubstr("req-1"));
}

TEST_F(InspectorTest, ThrottlingWaitsLongerAndHonoursTheHint) {
  http_.replies = {error(429, "ThrottlingException"), error(429, "ThrottlingException"), kEmpty};
  ask();
  EXPECT_THAT(waits_, ElementsAre(std::chrono::milliseconds{500}, std::chrono::milliseconds{1000}));
  waits_.clear();
  http_.replies = {error(429, "ThrottlingException", {{"retry-after", "3"}}),
                   error(429, "ThrottlingException", {{"x-amz-retry-after", "60000"}}), kEmpty};
  ask();
  EXPECT_THAT(waits_,
              ElementsAre(std::chrono::milliseconds{3000}, std::chrono::milliseconds{6000}));
}

TEST_F(InspectorTest, TheQuotaEndsRetries) {
  while (quota_.acquire(RetryKind::kTransient)) {
  }
  http_.replies = {error(500, "InternalServerException")};
  EXPECT_THAT(failure().second, HasSubstr("retry quota is used up"));
  EXPECT_EQ(http_.requests.size(), 1U);
}

TEST_F(InspectorTest, RefusalsAreNotTriedAgain) {
  for (const auto& [status, name, expected] : std::vector<std::tuple<int, std::string, Outcome>>{
           {403, "AccessDeniedException", Outcome::kDenied},
           {400, "ValidationException", Outcome::kInvalid},
           {403, "UnrecognizedClientException", Outcome::kDenied},
           {403, "InvalidSignatureException", Outcome::kDenied},
           {404, "SomethingElse", Outcome::kInvalid}}) {
    http_.requests.clear();
    http_.replies = {error(status, name)};
    const auto [outcome, message] = failure();
    EXPECT_EQ(outcome, expected) << name;
    EXPECT_EQ(http_.requests.size(), 1U) << name;
    EXPECT_THAT(message, HasSubstr(name + ": because (eu-west-1, request req-1)"));
  }
}

TEST_F(InspectorTest, ExpiredCredentialsAreReadAgainOnce) {
  http_.replies = {error(403, "ExpiredTokenException"), kEmpty};
  ask();
  EXPECT_EQ(credentials_asked_, 2);
  http_.requests.clear();
  http_.replies = {error(403, "ExpiredTokenException")};
  EXPECT_EQ(failure().first, Outcome::kDenied);
  EXPECT_EQ(http_.requests.size(), 2U);
}

std::string date_signed(const HttpRequest& request) {
  for (const auto& [name, value] : request.headers) {
    if (name == "x-amz-date" || name == "X-Amz-Date") return value;
  }
  return "";
}

TEST_F(InspectorTest, ASkewedClockIsCorrectedOnceFromFourMinutesOn) {
  const auto at = [](core::Seconds ahead) {
    return std::multimap<std::string, std::string>{
        {"date", core::format_http_date(kInspectorNow + ahead)}};
  };
  http_.replies = {error(403, "InvalidSignatureException", at(core::Seconds{240})), kEmpty};
  ask();
  ASSERT_EQ(http_.requests.size(), 2U);
  EXPECT_EQ(date_signed(http_.requests[0]), core::format_basic(kInspectorNow));
  EXPECT_EQ(date_signed(http_.requests[1]), core::format_basic(kInspectorNow + core::Seconds{240}));

  http_.requests.clear();
  http_.replies = {error(403, "InvalidSignatureException", at(core::Seconds{239}))};
  EXPECT_EQ(failure().first, Outcome::kDenied);
  EXPECT_EQ(http_.requests.size(), 1U);
}

TEST_F(InspectorTest, StoppingEndsIt) {
  stop_ = true;
  http_.replies = {error(500, "InternalServerException")};
  EXPECT_EQ(failure().first, Outcome::kInterrupted);
  http_.replies = {FakeHttp::broken(TransportFailure::kStopped)};
  EXPECT_EQ(failure().first, Outcome::kInterrupted);
}

TEST_F(InspectorTest, TheWholePollHasADeadline) {
  limits_.deadline = std::chrono::steady_clock::now();
  http_.replies = {kEmpty};
  EXPECT_EQ(failure().first, Outcome::kTimeout);
}

TEST(ServiceError, TheNameComesFromHeaderCodeOrType) {
  const auto name = [](const std::string& body, const std::string& header = "") {
    std::multimap<std::string, std::string> headers;
    if (!header.empty()) headers.emplace("x-amzn-errortype", header);
    return parse_service_error(FakeHttp::answer(400, body, headers)).name;
  };
  EXPECT_EQ(name("{}", "ValidationException:http://internal/"), "ValidationException");
  EXPECT_EQ(name(R"({"code":"ns#ThrottlingException"})"), "ThrottlingException");
  EXPECT_EQ(name(R"({"__type":"com.amazon#AccessDeniedException:x"})"), "AccessDeniedException");
  EXPECT_EQ(name("<html>"), "HTTP 400");
  EXPECT_EQ(name(""), "HTTP 400");
}

TEST(ServiceError, SaysWhichFieldsWereWrong) {
  const auto error = parse_service_error(FakeHttp::answer(
      400, R"({"Message":"bad","fields":[{"name":"maxResults","message":"too big"},1]})"));
  EXPECT_EQ(error.message, "bad [maxResults: too big]");
}

TEST(ServiceError, StatusesWithoutANameAreUnderstood) {
  const auto of = [](int status) {
    return parse_service_error(FakeHttp::answer(status, "<html>"));
  };
  EXPECT_EQ(of(429).retry, RetryKind::kThrottling);
  for (const int status : {500, 502, 503, 504}) EXPECT_EQ(of(status).retry, RetryKind::kTransient);
  EXPECT_EQ(of(501).retry, RetryKind::kNone);
  EXPECT_EQ(of(403).outcome, Outcome::kDenied);
  EXPECT_EQ(of(302).outcome, Outcome::kMalformed);
}

TEST(Backoff, IsCappedAtTwentySeconds) {
  EXPECT_EQ(backoff(RetryKind::kTransient, 0, 1), std::chrono::milliseconds{50});
  EXPECT_EQ(backoff(RetryKind::kTransient, 3, 1), std::chrono::milliseconds{400});
  EXPECT_EQ(backoff(RetryKind::kThrottling, 10, 1), std::chrono::milliseconds{20000});
  EXPECT_EQ(backoff(RetryKind::kThrottling, 0, 0), std::chrono::milliseconds{0});
}

}  // namespace
}  // namespace usaged::net
