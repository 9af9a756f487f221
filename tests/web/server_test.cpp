#include "web/server.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "store/store.h"
#include "support/raw_http.h"
#include "support/temp_folder.h"
#include "support/usage.h"
#include "web/routes.h"

namespace usaged::web {
namespace {

using support::get;
using support::raw_http;
using support::status_of;
using ::testing::HasSubstr;
using ::testing::Not;

const core::Time kNow = core::from_unix(1772366400);

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    const auto id = store_.begin_poll("t", "eu-west-1", kNow, core::kHour, kNow);
    store_.finish_poll(id, {{support::usage("111111111111", "EC2_INSTANCE_HOURS", 2, 3)}, {}},
                       {kNow, core::Outcome::kOk, 1, 1, "", ""});
    start(16);
  }
  void start(int max_requests) {
    server_.reset();
    ServerOptions options;
    options.database = store_.path();
    options.max_requests = max_requests;
    options.allowed_hosts = {"usage.example.com"};
    server_ = std::make_unique<Server>(
        options, ServerWorld{[] { return kNow; }, [this] { return not_ready_; }}, counters_);
    port_ = server_->port();
  }

  support::TempFolder folder_;
  store::Store store_{folder_.path("u.db")};
  Counters counters_;
  std::string not_ready_;
  std::unique_ptr<Server> server_;
  int port_ = 0;
};

TEST_F(ServerTest, AnswersEveryRoute) {
  for (const Route& route : routes()) {
    std::string path(route.path);
    if (path.ends_with("{id}")) continue;
    const std::string reply = get(port_, path, true);
    EXPECT_EQ(status_of(reply), 200) << path << "\n" << reply.substr(0, 300);
    EXPECT_THAT(reply, HasSubstr("X-Content-Type-Options: nosniff"));
    EXPECT_THAT(reply, HasSubstr("Content-Security-Policy: default-src 'none'"));
    EXPECT_THAT(reply, HasSubstr("Cache-Control: no-store"));
  }
  EXPECT_EQ(status_of(get(port_, "/api/v1/alerts/1", true)), 404);
  EXPECT_EQ(status_of(get(port_, "/nothing", true)), 404);
  EXPECT_EQ(status_of(get(port_, "/api/v1/status/", true)), 404);
}

TEST_F(ServerTest, ErrorsAreProblems) {
  const std::string reply = get(port_, "/api/v1/usage/latest?acount=1", true);
  EXPECT_EQ(status_of(reply), 400);
  EXPECT_THAT(reply, HasSubstr("Content-Type: application/problem+json"));
  const auto body = nlohmann::json::parse(reply.substr(reply.find("\r\n\r\n")));
  EXPECT_EQ(body["status"], 400);
  EXPECT_THAT(body["detail"].get<std::string>(), HasSubstr("account"));
}

TEST_F(ServerTest, CsvByParameterAndByHeader) {
  for (const std::string& reply :
       {get(port_, "/api/v1/usage/latest?format=csv", true),
        get(port_, "/api/v1/usage/latest", true, "Accept: text/csv\r\n")}) {
    EXPECT_THAT(reply, HasSubstr("Content-Type: text/csv"));
    EXPECT_THAT(reply, HasSubstr("account_id,region,usage_type"));
    EXPECT_THAT(reply, HasSubstr("111111111111,eu-west-1,EC2_INSTANCE_HOURS"));
  }
}

TEST_F(ServerTest, HeadHasNoBody) {
  const std::string reply = raw_http(
      port_, "HEAD /api/v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(reply), 200);
  EXPECT_TRUE(reply.ends_with("\r\n\r\n")) << reply;
}

// What two readers could read in two ways, or what we never want: refused, and nothing after it on
// the same connection is executed.
TEST_F(ServerTest, HostileRequestsAreRefusedAndClosed) {
  const std::string next = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
  struct Case {
    std::string request;
    int status;
  };
  const std::string get_status = "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n";
  for (const Case& c : std::vector<Case>{
           {get_status + "Content-Length: " + std::to_string(next.size()) + "\r\n\r\n", 400},
           {get_status + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400},
           {get_status + "Content-Length: -1\r\n\r\n", 400},
           {get_status + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
           {get_status + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
           {get_status + "Content-Length : 0\r\n\r\n", 400},
           {get_status + "Expect: 100-continue\r\n\r\n", 417},
           {get_status + "Host: localhost\r\n\r\n", 400},
           {"GET /api/v1/status HTTP/1.1\r\n\r\n", 400},
           {"GET /api/v1/status HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", 421},
           {"GET /api/v1/status HTTP/1.1\r\nHost: localhost.evil.example.com\r\n\r\n", 421},
           {"GET /api/v1/status HTTP/1.1\r\nHost: \r\n\r\n", 421},
           {"GET http://localhost/api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
           {"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
           {"POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 400},
           {"POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
           {"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405}}) {
    const std::string reply = raw_http(port_, c.request + next);
    EXPECT_EQ(status_of(reply), c.status) << c.request << "\n" << reply;
    EXPECT_THAT(reply, HasSubstr("Connection: Close")) << c.request;
    EXPECT_THAT(reply, Not(HasSubstr("healthy"))) << c.request;
    EXPECT_THAT(reply, Not(HasSubstr("100 Continue"))) << c.request;
  }
}

TEST_F(ServerTest, ALengthThatIsNoNumberEndsTheConnection) {
  const std::string reply =
      raw_http(port_, "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0, 0\r\n\r\n");
  EXPECT_THAT(reply, Not(HasSubstr("healthy")));
}

TEST_F(ServerTest, GarbageDoesNotBringItDown) {
  for (const std::string& bytes :
       {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), std::string(70000, 'A'),
        std::string("GET / HTTP/9.9\r\n\r\n"), std::string("\r\n\r\n\r\n"),
        "GET /" + std::string(200000, 'x') + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
        std::string("GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        std::string("GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        std::string("GET /api/v1/usage/latest?%ff=%fe HTTP/1.1\r\nHost: localhost\r\n\r\n")}) {
    const std::string reply = raw_http(port_, bytes);
    EXPECT_NE(status_of(reply), 200) << reply.substr(0, 200);
  }
  EXPECT_EQ(get(port_, "/-/healthy"), "healthy\n");
}

TEST_F(ServerTest, HostsMayBeAllowed) {
  for (const char* host : {"localhost:10330", "127.0.0.1", "[::1]:10330", "Usage.Example.com"}) {
    const std::string reply = raw_http(port_, std::string("GET /-/healthy HTTP/1.1\r\nHost: ") +
                                                  host + "\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(status_of(reply), 200) << host;
  }
}

TEST_F(ServerTest, KeepsAConnectionForTheNextRequest) {
  const std::string request = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string reply = raw_http(port_, request + request + request);
  std::size_t times = 0;
  for (std::size_t at = 0; (at = reply.find("healthy\n", at)) != std::string::npos; ++at) ++times;
  EXPECT_EQ(times, 3U);
}

TEST_F(ServerTest, SaysWhenItIsNotReady) {
  not_ready_ = "stopping";
  const std::string reply = get(port_, "/-/ready", true);
  EXPECT_EQ(status_of(reply), 503);
  EXPECT_THAT(reply, HasSubstr("Retry-After: "));
  EXPECT_THAT(reply, HasSubstr("stopping"));
  EXPECT_EQ(status_of(get(port_, "/-/healthy", true)), 200);
}

TEST_F(ServerTest, TooManyAtATimeAreTold503ButHealthIsAnswered) {
  start(0);
  const std::string reply = get(port_, "/api/v1/status", true);
  EXPECT_EQ(status_of(reply), 503);
  EXPECT_THAT(reply, HasSubstr("Retry-After: 1"));
  EXPECT_EQ(status_of(get(port_, "/healthz", true)), 200);
}

TEST_F(ServerTest, DrippingConnectionsDoNotKeepOthersOut) {
  std::vector<Poco::Net::StreamSocket> drips;
  for (int i = 0; i < 200; ++i) {
    drips.emplace_back(Poco::Net::SocketAddress("127.0.0.1", static_cast<Poco::UInt16>(port_)));
    drips.back().sendBytes("GET / HT", 8);
  }
  const auto start = std::chrono::steady_clock::now();
  int answered = 0;
  while (answered < 20 && std::chrono::steady_clock::now() - start < std::chrono::seconds{20}) {
    try {
      answered += status_of(get(port_, "/-/healthy", true)) == 200 ? 1 : 0;
    } catch (const Poco::Exception&) {  // NOLINT(bugprone-empty-catch): one that was turned away
    }
  }
  EXPECT_EQ(answered, 20);
}

TEST_F(ServerTest, MetricsShowTheUsageAndHowOldItIs) {
  counters_.poll_ended(core::Outcome::kOk, 0.25);
  counters_.poll_ended(core::Outcome::kTimeout, 1000);
  counters_.notification_tried("hook", "delivered");
  const std::string text = get(port_, "/metrics");
  for (const char* line :
       {"inspector_usage_30d_hours{account_id=\"111111111111\",region=\"eu-west-1\","
        "usage_type=\"EC2_INSTANCE_HOURS\",cloud_provider=\"AWS\"} 2\n",
        "inspector_estimated_monthly_cost_usd{account_id=\"111111111111\",region=\"eu-west-1\","
        "usage_type=\"EC2_INSTANCE_HOURS\",cloud_provider=\"AWS\"} 3\n",
        "inspector_account_info{account_id=\"111111111111\",name=\"\"} 1\n",
        "inspector_poll_last_success_timestamp_seconds{target=\"t\",region=\"eu-west-1\"} "
        "1772366400\n",
        "inspector_polls_total{outcome=\"ok\"} 1\n",
        "inspector_polls_total{outcome=\"timeout\"} 1\n",
        "inspector_poll_duration_seconds_bucket{le=\"0.1\"} 0\n",
        "inspector_poll_duration_seconds_bucket{le=\"0.25\"} 1\n",
        "inspector_poll_duration_seconds_bucket{le=\"300\"} 1\n",
        "inspector_poll_duration_seconds_bucket{le=\"+Inf\"} 2\n",
        "inspector_poll_duration_seconds_count 2\n",
        "inspector_alerts_firing{severity=\"warning\"} 0\n",
        "inspector_notifications_total{receiver=\"hook\",outcome=\"delivered\"} 1\n",
        "inspector_usaged_build_info{version=\"", "process_resident_memory_bytes ",
        "process_start_time_seconds "}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace usaged::web
