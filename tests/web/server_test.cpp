#include "web/server.h"

#include <Poco/InflatingStream.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>
#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>

#include "core/text.h"
#include "store/checked_pages.h"
#include "store/store.h"
#include "support/database.h"
#include "support/raw_http.h"
#include "support/sanitizer.h"
#include "support/usage.h"
#include "support/wait.h"
#include "web/routes.h"

namespace usaged::web {
namespace {

using support::get;
using support::raw_http;
using support::status_of;
using ::testing::HasSubstr;
using ::testing::Not;

const core::Time kServerNow = core::from_unix(1772366400);

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    const auto id = store_.begin_poll("t", "eu-west-1", kServerNow, core::kHour, kServerNow);
    store_.finish_poll(id, {{support::usage("111111111111", "EC2_INSTANCE_HOURS", 2, 3)}, {}},
                       {kServerNow, core::Outcome::kOk, 1, 1, "", ""});
    start(16);
  }
  void start(int max_requests, core::Access anonymous = core::Access::kWrite) {
    server_.reset();
    ServerOptions options;
    options.anonymous = anonymous;
    options.tokens = {{"ops", core::Access::kWrite, core::hex(core::sha256("right"))},
                      {"grafana", core::Access::kRead, core::hex(core::sha256("look"))}};
    options.database = store_.path();
    options.max_requests = max_requests;
    options.allowed_hosts = {"usage.example.com"};
    server_ = std::make_unique<Server>(
        options,
        ServerWorld{
            [this] { return now_.load(); }, [this] { return not_ready_; },
            Actors{&store_, [] {},
                   [](const auto&) { return std::vector<std::pair<std::string, std::string>>{}; }},
            [] { return std::vector<core::Rule>{}; },
            [this](const Request& request) {
              const std::lock_guard lock(requests_mutex_);
              requests_.push_back(request);
            }},
        counters_);
    port_ = server_->port();
  }

  // The request with an id, once it is over.
  Request request(const std::string& id) {
    std::optional<Request> found;
    EXPECT_TRUE(support::eventually([&] {
      const std::lock_guard lock(requests_mutex_);
      const auto at = std::ranges::find(requests_, id, &Request::id);
      if (at != requests_.end()) found = *at;
      return found.has_value();
    })) << id;
    return found.value_or(Request{});
  }

  std::mutex requests_mutex_;
  std::vector<Request> requests_;
  support::TempFolder folder_;
  store::Store store_{support::database_in(folder_)};
  Counters counters_;
  std::string not_ready_;
  std::atomic<core::Time> now_{kServerNow};
  std::unique_ptr<Server> server_;
  int port_ = 0;
};

TEST_F(ServerTest, EachAnswerHasAnIdAndIsTold) {
  const auto id_of = [](const std::string& reply) {
    const std::size_t at = reply.find("X-Request-Id: ");
    EXPECT_NE(at, std::string::npos) << reply;
    return reply.substr(at + 14, reply.find('\r', at) - at - 14);
  };
  const std::string reply = get(port_, "/api/v1/status", true, "X-Request-Id: mine-1\r\n");
  EXPECT_EQ(id_of(reply), "mine-1");
  const Request told = request("mine-1");
  EXPECT_EQ(told.method, "GET");
  EXPECT_EQ(told.target, "/api/v1/status");
  EXPECT_EQ(told.status, 200);
  EXPECT_EQ(told.bytes, static_cast<std::int64_t>(get(port_, "/api/v1/status").size()));
  EXPECT_EQ(told.from, "127.0.0.1");
  EXPECT_EQ(told.by, "");

  const std::string made = id_of(get(port_, "/nowhere", true, "X-Request-Id: a b\r\n"));
  EXPECT_EQ(made.size(), 16U);
  EXPECT_EQ(request(made).status, 404);
  EXPECT_NE(made, id_of(get(port_, "/nowhere", true)));
  // One that is refused, and one that is streamed.
  const std::string refused = raw_http(
      port_, "DELETE /api/v1/silences/1 HTTP/1.1\r\nHost: evil.example\r\nX-Request-Id: r\r\n\r\n");
  EXPECT_EQ(status_of(refused), 421);
  EXPECT_EQ(request("r").status, 421);
  get(port_, "/api/v1/export", true, "X-Request-Id: s\r\nAuthorization: Bearer right\r\n");
  EXPECT_GT(request("s").bytes, 50);
  EXPECT_EQ(request("s").by, "token ops");
}

TEST_F(ServerTest, AnswersEveryRoute) {
  for (const Route& route : routes()) {
    std::string path(route.path);
    if (route.method != "GET" || path.ends_with("{id}")) continue;
    if (path.ends_with("{name}")) path = "/assets/app.js";
    if (path.ends_with("showback")) path += "?by=team";
    const std::string reply = get(port_, path, true);
    EXPECT_EQ(status_of(reply), 200) << path << "\n" << reply.substr(0, 300);
    EXPECT_THAT(reply, HasSubstr("X-Content-Type-Options: nosniff"));
    EXPECT_THAT(reply, HasSubstr("Content-Security-Policy: default-src 'none'"));
    const bool has_etag = reply.find("\r\nETag: W/\"") != std::string::npos;
    EXPECT_THAT(reply, HasSubstr(has_etag ? "Cache-Control: private, no-cache"
                                          : "Cache-Control: no-store"));
    const bool kept = path == "/metrics" || path.find("health") != std::string::npos ||
                      path == "/-/ready" || path == "/api/v1/export";
    EXPECT_NE(has_etag, kept) << path;
  }
  EXPECT_EQ(status_of(get(port_, "/api/v1/alerts/1", true)), 404);
  EXPECT_EQ(status_of(get(port_, "/nothing", true)), 404);
  EXPECT_EQ(status_of(get(port_, "/api/v1/status/", true)), 404);
}

TEST_F(ServerTest, ServesTheDocumentThatIsChecked) {
  EXPECT_EQ(get(port_, "/openapi.yaml"),
            core::read_file(std::string(SOURCE_DIR) + "/lib/web/openapi.yaml"));
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

std::string header(const std::string& reply, const std::string& name) {
  const std::size_t at = reply.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const std::size_t begin = at + name.size() + 4;
  return reply.substr(begin, reply.find("\r\n", begin) - begin);
}

std::string body_of(const std::string& reply) { return reply.substr(reply.find("\r\n\r\n") + 4); }

std::string unzip(const std::string& packed) {
  std::istringstream in(packed);
  Poco::InflatingInputStream stream(in, Poco::InflatingStreamBuf::STREAM_GZIP);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// The chunks of a chunked body put together; nullopt if the last one is missing.
std::optional<std::string> unchunk(const std::string& body) {
  std::string text;
  std::size_t at = 0;
  while (true) {
    const std::size_t end = body.find("\r\n", at);
    if (end == std::string::npos) return std::nullopt;
    const std::size_t size = std::stoul(body.substr(at, end - at), nullptr, 16);
    if (size == 0) return text;
    text += body.substr(end + 2, size);
    at = end + 2 + size + 2;
    if (at > body.size()) return std::nullopt;
  }
}

TEST_F(ServerTest, WhatTheClientHasIsNotSentAgain) {
  const std::string path = "/api/v1/usage/latest";
  const std::string first = get(port_, path, true);
  const std::string etag = header(first, "ETag");
  ASSERT_TRUE(etag.starts_with("W/\"")) << first;
  for (const std::string& match : {etag, "\"x\", " + etag, etag.substr(2), std::string("*")}) {
    const std::string again = get(port_, path, true, "If-None-Match: " + match + "\r\n");
    EXPECT_EQ(status_of(again), 304) << match;
    EXPECT_EQ(body_of(again), "");
    EXPECT_EQ(header(again, "ETag"), etag);
  }
  EXPECT_EQ(status_of(get(port_, path, true, "If-None-Match: \"x\"\r\n")), 200);
  // Another format is another answer, and so is another minute's: but its age alone is not.
  EXPECT_EQ(status_of(get(port_, path + "?format=csv", true, "If-None-Match: " + etag + "\r\n")),
            200);
  now_ = kServerNow + core::kMinute;
  EXPECT_EQ(status_of(get(port_, path, true, "If-None-Match: " + etag + "\r\n")), 304);
  const auto id = store_.begin_poll("t", "eu-west-1", now_.load(), core::kHour, now_.load());
  store_.finish_poll(id, {{support::usage("111111111111", "EC2_INSTANCE_HOURS", 2, 4)}, {}},
                     {now_.load(), core::Outcome::kOk, 1, 1, "", ""});
  EXPECT_EQ(status_of(get(port_, path, true, "If-None-Match: " + etag + "\r\n")), 200);
}

TEST_F(ServerTest, PacksForThoseWhoAccept) {
  const std::string plain = get(port_, "/openapi.yaml", true);
  EXPECT_EQ(header(plain, "Content-Encoding"), "");
  for (const char* accept : {"gzip", "br, gzip;q=0.5", "*"}) {
    const std::string packed =
        get(port_, "/openapi.yaml", true, fmt::format("Accept-Encoding: {}\r\n", accept));
    EXPECT_EQ(header(packed, "Content-Encoding"), "gzip") << accept;
    EXPECT_EQ(header(packed, "Content-Length"), std::to_string(body_of(packed).size()));
    EXPECT_EQ(unzip(body_of(packed)), body_of(plain));
    EXPECT_LT(body_of(packed).size(), body_of(plain).size() / 3);
  }
  for (const char* accept : {"gzip;q=0", "br", "identity", "gzip; q=0.0"}) {
    EXPECT_EQ(
        header(get(port_, "/openapi.yaml", true, fmt::format("Accept-Encoding: {}\r\n", accept)),
               "Content-Encoding"),
        "")
        << accept;
  }
  // What is short is not worth it.
  EXPECT_EQ(header(get(port_, "/-/healthy", true, "Accept-Encoding: gzip\r\n"), "Content-Encoding"),
            "");
}

TEST_F(ServerTest, StreamsInChunksAndPacked) {
  const std::string plain = get(port_, "/api/v1/export", true);
  EXPECT_EQ(header(plain, "Transfer-Encoding"), "chunked");
  const auto text = unchunk(body_of(plain));
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("111111111111"));
  const std::string packed = get(port_, "/api/v1/export", true, "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(header(packed, "Content-Encoding"), "gzip");
  EXPECT_EQ(unzip(unchunk(body_of(packed)).value_or("")), *text);
  // HTTP/1.0 knows no chunks: the connection's end is the body's.
  const std::string old = raw_http(port_, "GET /api/v1/export HTTP/1.0\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(header(old, "Transfer-Encoding"), "");
  EXPECT_EQ(body_of(old), *text);
  const std::string head = raw_http(
      port_, "HEAD /api/v1/export HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(head), 200);
  EXPECT_EQ(body_of(head), "");
  const std::string history =
      get(port_, "/api/v1/usage/history?format=ndjson&group_by=account&step=raw", true);
  EXPECT_EQ(*unchunk(body_of(history)),
            "{\"time\":\"2026-03-01T12:00:00Z\",\"account_id\":\"111111111111\",\"currency\":"
            "\"USD\",\"value\":3}\n");
  EXPECT_EQ(*unchunk(body_of(get(port_, "/api/v1/usage/history?start=now-9d&end=now-8d", true,
                                 "Accept: text/csv\r\n"))),
            "time,currency,value\r\n");
  // What is wrong is said before anything is sent.
  const std::string bad = get(port_, "/api/v1/usage/history?format=csv&start=0&step=1m", true);
  EXPECT_EQ(status_of(bad), 400);
  EXPECT_THAT(bad, HasSubstr("11000 steps"));
}

TEST_F(ServerTest, AStreamThatFailsHasNoEnd) {
  for (int hour = 1; hour < 40; ++hour) {
    const core::Time t = kServerNow - hour * core::kHour;
    std::vector<core::UsageTotal> totals;
    for (int i = 0; i < 3000; ++i) {
      totals.push_back(
          support::usage(std::to_string(100000000000 + i), "EC2_INSTANCE_HOURS", 2.5, 3.25));
    }
    const auto id = store_.begin_poll("t", "eu-west-1", t, core::kHour, t);
    store_.finish_poll(id, {std::move(totals), {}}, {t, core::Outcome::kOk, 1, 1, "", ""});
  }
  Poco::Net::StreamSocket socket(
      Poco::Net::SocketAddress("127.0.0.1", static_cast<Poco::UInt16>(port_)));
  const std::string request =
      "GET /api/v1/export HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  socket.sendBytes(request.data(), static_cast<int>(request.size()));
  std::string reply(1000, '\0');
  reply.resize(static_cast<std::size_t>(socket.receiveBytes(reply.data(), 1000)));
  EXPECT_EQ(status_of(reply), 200);
  // The client reads no further, so the server waits in the middle; then the rest is gone.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  support::change_database(store_.path(), "DROP TABLE sample_block");
  std::string piece(65536, '\0');
  for (int n = 0; (n = socket.receiveBytes(piece.data(), 65536)) > 0;) {
    reply.append(piece, 0, static_cast<std::size_t>(n));
  }
  EXPECT_GT(reply.size(), 100000U);
  EXPECT_EQ(unchunk(body_of(reply)), std::nullopt);
  EXPECT_EQ(status_of(get(port_, "/-/healthy", true)), 200);
}

TEST_F(ServerTest, TheNextPageIsInALink) {
  const auto id = store_.begin_poll("t", "eu-west-1", kServerNow, core::kHour, kServerNow);
  store_.finish_poll(id,
                     {{support::usage("111111111111", "EC2_INSTANCE_HOURS", 2, 3),
                       support::usage("222222222222", "EC2_INSTANCE_HOURS", 2, 3)},
                      {}},
                     {kServerNow, core::Outcome::kOk, 1, 1, "", ""});
  for (const std::string path : {"/api/v1/usage/latest?limit=1&format=csv",
                                 "/api/v1/usage/history?group_by=account&limit=1"}) {
    std::string next = path;
    std::string all;
    int pages = 0;
    while (!next.empty() && ++pages < 5) {
      const std::string reply = get(port_, next, true);
      ASSERT_EQ(status_of(reply), 200) << next;
      all += body_of(reply);
      const std::string link = header(reply, "Link");
      if (link.empty()) break;
      EXPECT_TRUE(link.ends_with(">; rel=\"next\"")) << link;
      next = link.substr(1, link.find('>') - 1);
    }
    EXPECT_EQ(pages, 2) << path;
    EXPECT_THAT(all, HasSubstr("111111111111"));
    EXPECT_THAT(all, HasSubstr("222222222222"));
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
           {"PUT / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
           {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
           {"POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 405},
           {"POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
           {"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405}}) {
    const std::string reply = raw_http(port_, c.request + next);
    EXPECT_EQ(status_of(reply), c.status) << c.request << "\n" << reply;
    EXPECT_THAT(reply, HasSubstr("Connection: Close")) << c.request;
    EXPECT_THAT(reply, Not(HasSubstr("healthy"))) << c.request;
    EXPECT_THAT(reply, Not(HasSubstr("100 Continue"))) << c.request;
  }
}

// A POST of a silence with these headers and this body.
std::string post(const std::string& headers, const std::string& body, const std::string& after) {
  return "POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body + after;
}

const std::string kSilence =
    R"({"matchers": ["a=b"], "duration": "1h", "created_by": "ann", "comment": "why"})";
const std::string kJson = "Content-Type: application/json\r\n";

TEST_F(ServerTest, WhatWritesIsReadWholeAndTheConnectionGoesOn) {
  const std::string next =
      "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const std::string reply = raw_http(port_, post(kJson, kSilence, next));
  EXPECT_EQ(status_of(reply), 201) << reply;
  EXPECT_THAT(reply, HasSubstr("healthy\n"));
  EXPECT_EQ(store_.silences(kServerNow).size(), 1U);
  for (const char* same : {"Origin: http://localhost\r\n", "Origin: HTTPS://LOCALHOST\r\n",
                           // Behind a proxy the page has another name.
                           "Origin: https://cost.example.com\r\nSec-Fetch-Site: same-origin\r\n"}) {
    const std::string request = post(kJson + "Connection: close\r\n" + same, kSilence, "");
    EXPECT_EQ(status_of(raw_http(port_, request)), 201) << same;
  }
}

// What each of three may do, by what nobody in particular may.
TEST_F(ServerTest, TokensSayWhoMayDoWhat) {
  const auto status = [&](std::string request, const std::string& token) {
    if (!token.empty()) {
      request.insert(request.find("\r\n") + 2, "Authorization: Bearer " + token + "\r\n");
    }
    return status_of(raw_http(port_, request));
  };
  const auto get_request = [](const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  };
  const std::string write = post(kJson + "Connection: close\r\n", kSilence, "");
  const std::string end =
      "DELETE /api/v1/silences/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  struct Case {
    core::Access anonymous;
    int read, write, look_reads, look_writes;
  };
  for (const Case& one : {Case{core::Access::kNone, 401, 401, 200, 403},
                          Case{core::Access::kRead, 200, 401, 200, 403},
                          Case{core::Access::kWrite, 200, 201, 200, 201}}) {
    start(16, one.anonymous);
    for (const char* path : {"/api/v1/status", "/metrics", "/api/v1/export"}) {
      EXPECT_EQ(status(get_request(path), ""), one.read) << path;
      EXPECT_EQ(status(get_request(path), "look"), one.look_reads) << path;
      EXPECT_EQ(status(get_request(path), "right"), 200) << path;
      EXPECT_EQ(status(get_request(path), "wrong"), one.read) << path;
    }
    EXPECT_EQ(status(write, ""), one.write);
    EXPECT_EQ(status(write, "wrong"), one.write);
    EXPECT_EQ(status(write, "look"), one.look_writes);
    EXPECT_EQ(status(write, "right"), 201);
    EXPECT_EQ(status(end, "look"), one.look_writes == 201 ? 200 : 403);
    for (const char* path : {"/", "/assets/app.js", "/openapi.yaml", "/-/healthy", "/-/ready"}) {
      EXPECT_EQ(status(get_request(path), ""), 200) << path;
    }
  }
  start(16, core::Access::kNone);
  const std::string refused = get(port_, "/api/v1/status", true);
  EXPECT_THAT(refused, HasSubstr("WWW-Authenticate: Bearer\r\n"));
  EXPECT_THAT(refused, HasSubstr("application/problem+json"));
}

TEST_F(ServerTest, HostileWritesAreRefusedAndClosed) {
  const std::string next = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string head = "POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\n";
  const std::vector<std::pair<std::string, int>> cases{
      {post(kJson + "Origin: http://evil.example.com\r\n", kSilence, ""), 403},
      {post(kJson + "Origin: null\r\n", kSilence, ""), 403},
      {post(kJson + "Origin: http://localhost:81\r\n", kSilence, ""), 403},
      {post(kJson + "Sec-Fetch-Site: cross-site\r\n", kSilence, ""), 403},
      {post(kJson + "Sec-Fetch-Site: cross-site\r\nOrigin: http://localhost\r\n", kSilence, ""),
       403},
      {post(kJson + "Sec-Fetch-Site: none\r\nOrigin: http://evil.example.com\r\n", kSilence, ""),
       403},
      {post(kJson + "Sec-Fetch-Site: same-site\r\n", kSilence, ""), 403},
      {post("", kSilence, ""), 415},
      {post("Content-Type: text/plain\r\n", kSilence, ""), 415},
      {post("Content-Type: application/x-www-form-urlencoded\r\n", kSilence, ""), 415},
      {head + kJson + "\r\n", 411},
      {head + kJson + "Content-Length: 65537\r\n\r\n", 413},
      // What Poco can't read for a number ends the connection.
      {head + kJson + "Content-Length: 99999999999999999999\r\n\r\n", 0},
      {head + kJson + "Content-Length: -1\r\n\r\n", 400},
      {head + kJson + "Content-Length: +5\r\n\r\n12345", 400},
      {head + kJson + "Content-Length: 0x5\r\n\r\n12345", 0},
      {head + kJson + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400},
      {head + kJson + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400},
      {head + kJson + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", 417},
      {"DELETE /api/v1/silences/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 400},
      {"DELETE /api/v1/silences/1 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil\r\n\r\n", 403},
      {"DELETE /api/v1/silences HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
      {"POST /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404}};
  for (const auto& [request, status] : cases) {
    const std::string reply = raw_http(port_, request + next);
    EXPECT_EQ(status_of(reply), status) << request << "\n" << reply;
    EXPECT_THAT(reply, Not(HasSubstr("healthy"))) << request;
  }
  EXPECT_TRUE(store_.silences(kServerNow).empty());
  EXPECT_THAT(raw_http(port_, "PUT /api/v1/silences HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              HasSubstr("Allow: GET, HEAD, POST"));
  EXPECT_THAT(raw_http(port_, "DELETE /api/v1/silences HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              HasSubstr("Allow: GET, HEAD, POST"));
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

TEST_F(ServerTest, AnAnswerHasItsOwnVersion) {
  for (const char* line : {"GET / X-Y:", "GET /api\t/status HTTP/1.1"}) {
    EXPECT_THAT(raw_http(port_, std::string(line) + "\r\nHost: localhost\r\n\r\n"),
                ::testing::StartsWith("HTTP/1.1 400 "))
        << line;
  }
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

TEST_F(ServerTest, WithoutFreeDescriptorsConnectionsWait) {
  if (support::kAddressSanitizer) {
    GTEST_SKIP() << "UBSan, which is there with ASan, opens pipes of its own to look at objects";
  }
  const Poco::Net::SocketAddress address("127.0.0.1", static_cast<Poco::UInt16>(port_));
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{3, before.rlim_max};  // the three that each program begins with
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_EQ(::connect(client, address.addr(), address.length()), 0);
  EXPECT_LT(support::processor_time_at_rest(), std::chrono::milliseconds{50});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  const std::string_view request = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
  EXPECT_EQ(::send(client, request.data(), request.size(), 0), std::ssize(request));
  std::array<char, 12> answer{};
  EXPECT_EQ(::recv(client, answer.data(), answer.size(), MSG_WAITALL), std::ssize(answer));
  EXPECT_EQ(std::string(answer.data(), answer.size()), "HTTP/1.1 200");
  ::close(client);
}

TEST_F(ServerTest, MetricsShowTheUsageAndHowOldItIs) {
  counters_.poll_ended(core::Outcome::kOk, 0.25);
  counters_.poll_ended(core::Outcome::kTimeout, 1000);
  store::Notification message;
  message.uid = "m";
  message.receiver = "hook";
  message.reason = "news";
  message.created = kServerNow;
  store_.compose(message, {});
  core::Silence silence;
  silence.matchers = {core::parse_matcher("a=b")};
  silence.starts_at = silence.created_at = kServerNow;
  silence.ends_at = kServerNow + core::kHour;
  store_.add_silence(silence);
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
        "inspector_notifications_pending{receiver=\"hook\"} 1\n", "inspector_silences_active 1\n",
        "inspector_alerts_pending{severity=\"warning\"} 0\n",
        "inspector_usaged_build_info{version=\"", "process_resident_memory_bytes ",
        "process_start_time_seconds "}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace usaged::web
