// Every kind of request that we send, and many odd ones, as botocore would sign them.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "core/text.h"
#include "net/inspector.h"
#include "net/organizations.h"
#include "net/sts.h"
#include "support/fake_http.h"
#include "support/process.h"
#include "support/temp_folder.h"

namespace usaged::net {
namespace {

using json = nlohmann::json;
using ::testing::HasSubstr;

const core::Time kBotocoreNow = core::from_unix(1772366400);
const sigv4::Credentials kLongTerm{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
const sigv4::Credentials kSession{"ASIDEXAMPLE", "se/cr+et=", "IQoJb3JpZ2luX2VjE//////////wEa=="};

class BotocoreTest : public ::testing::Test {
 protected:
  void add(const std::string& method, const std::string& url, const Headers& headers,
           const std::string& body, const std::string& region, const std::string& service,
           const sigv4::Credentials& credentials) {
    requests_.push_back({{"method", method},
                         {"url", url},
                         {"headers", headers},
                         {"body", body},
                         {"region", region},
                         {"service", service},
                         {"access_key", credentials.access_key_id},
                         {"secret_key", credentials.secret_access_key},
                         {"token", credentials.session_token}});
  }

  // What a client sends, whatever it makes of the answer.
  template <typename Ask>
  void add_of(const AwsEndpoint& endpoint, const sigv4::Credentials& credentials, Ask ask) {
    support::FakeHttp http;
    http.replies = {support::FakeHttp::answer(200, "{}")};
    ClockSkews skews;
    RetryQuota quota;
    AwsClient client(
        endpoint,
        {&http, [] { return kBotocoreNow; }, [](std::chrono::milliseconds) { return true; },
         [] { return 0.0; }, [&](const sigv4::Credentials*) { return credentials; }, &skews},
        {}, quota);
    CallStats stats;
    try {
      ask(client, stats);
    } catch (const AwsError&) {  // NOLINT(bugprone-empty-catch): "{}" is no answer of STS
    }
    ASSERT_FALSE(http.requests.empty());
    for (const HttpRequest& request : http.requests) {
      add(request.method, request.url, request.headers, request.body, endpoint.region,
          endpoint.service, credentials);
    }
  }

  support::Ran check() {
    const support::TempFolder folder;
    std::ofstream(folder.path("requests.json")) << json(requests_).dump();
    return support::run({"/usr/bin/python3",
                         std::string(SOURCE_DIR) + "/tests/net/botocore_check.py",
                         folder.path("requests.json")});
  }

  std::vector<json> requests_;
};

TEST_F(BotocoreTest, AgreesOnEveryKindOfRequestThatWeSend) {
  for (const sigv4::Credentials& credentials : {kLongTerm, kSession}) {
    for (const char* url : {"https://inspector2.eu-west-1.amazonaws.com", "http://127.0.0.1:8080",
                            "https://proxy.example.com/some/prefix", "http://[::1]:99/"}) {
      const AwsEndpoint inspector{url, "eu-west-1", "inspector2"};
      add_of(inspector, credentials, [](AwsClient& client, CallStats& stats) {
        list_usage_totals(client, {}, stats);
        list_usage_totals(client, {"123456789012", "012345678901"}, stats);
        batch_get_free_trial_info(client, {"123456789012"}, stats);
      });
      add_of({url, "eu-west-1", "sts"}, credentials, [](AwsClient& client, CallStats& stats) {
        assume_role(client,
                    {"arn:aws:iam::123456789012:role/a/b+c", "me@example.com", "x:/y", core::kHour},
                    stats);
      });
      add_of({url, "cn-north-1", "sts"}, credentials,
             [](AwsClient& client, CallStats& stats) { get_caller_identity(client, stats); });
      add_of({url, "us-east-1", "organizations"}, credentials,
             [](AwsClient& client, CallStats& stats) { list_accounts(client, stats); });
    }
  }
  const support::Ran ran = check();
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("48 of 48 agree"));
}

TEST_F(BotocoreTest, AgreesOnOddPathsQueriesHeadersAndBodies) {
  std::mt19937_64 random(1);
  const auto pick = [&random](const std::vector<std::string>& from) {
    return from[random() % from.size()];
  };
  const std::vector<std::string> segments{"a",     "b-c_d.e~f", "..",  ".",   "",
                                          "x%20y", "%E1%88%B4", "A+B", "p=q", "1,2",
                                          "(z)",   "*",         "a:b", "$@!"};
  const std::vector<std::string> names{"a", "A", "a-b", "b%20c", "~", "z.z", "%E1%88%B4"};
  const std::vector<std::string> values{"", "1", "a%2Fb", "x%3Dy", "-._~", "2", "%25", "10"};
  const std::vector<std::string> texts{"v", "  a   b ",  "a\tb", "c,d", "\"q  q\"", "line1\n line2",
                                       "",  "UPPER low", "=;:"};
  const std::vector<std::string> headers{"My-Header1", "my-header2", "X-Amz-Meta-A", "Zebra",
                                         "Accept"};
  const std::vector<std::string> bodies{"", "{}", "Param1=value1", "\xE1\x88\xB4", "line\r\nline"};
  for (int i = 0; i < 500; ++i) {
    sigv4::Request request;
    request.method = pick({"GET", "POST", "PUT", "DELETE"});
    for (std::size_t n = random() % 5 + 1; n > 0; --n) request.path += "/" + pick(segments);
    for (std::size_t n = random() % 4; n > 0; --n) {
      request.query += (request.query.empty() ? "" : "&") + pick(names) + "=" + pick(values);
    }
    request.headers = {{"Host", "example.amazonaws.com"}};
    for (std::size_t n = random() % 4; n > 0; --n) {
      std::string text = pick(texts);
      std::ranges::replace(text, '\n', ' ');  // Python's headers take no line breaks
      request.headers.emplace_back(pick(headers), text);
    }
    request.headers.emplace_back("User-Agent", "not signed");
    request.body = pick(bodies);
    const sigv4::Credentials& credentials = i % 2 == 0 ? kLongTerm : kSession;
    sigv4::sign(request, {kBotocoreNow, "us-east-1", "service"}, credentials);
    add(request.method,
        "https://example.amazonaws.com" + request.path +
            (request.query.empty() ? "" : "?" + request.query),
        request.headers, request.body, "us-east-1", "service", credentials);
  }
  const support::Ran ran = check();
  EXPECT_EQ(ran.code, 0) << ran.output.substr(0, 3000);
}

TEST_F(BotocoreTest, SeesASignatureThatIsWrong) {
  sigv4::Request request{"GET", "/", "", {{"Host", "h"}}, ""};
  sigv4::sign(request, {kBotocoreNow, "us-east-1", "service"}, kLongTerm);
  add("GET", "https://h/other", request.headers, "", "us-east-1", "service", kLongTerm);
  EXPECT_EQ(check().code, 1);
}

}  // namespace
}  // namespace usaged::net
