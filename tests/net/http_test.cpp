#include "net/http.h"

#include <gtest/gtest.h>

#include <thread>

#include "sim/simulator.h"

namespace usaged::net {
namespace {

sim::SimulatorOptions options(const std::string& faults) {
  sim::SimulatorOptions o;
  if (!faults.empty()) o.faults = sim::parse_faults("f", faults);
  o.now = o.signing_now = [] { return core::from_unix(1772366400); };
  return o;
}

// What a signed request gets, since faults come after the signature.
HttpReply ask(CurlClient& client, const sim::Simulator& simulator,
              std::chrono::milliseconds timeout, std::size_t most = 1U << 20U) {
  sigv4::Request request{
      "POST",
      "/usage/list",
      "",
      {{"Host", simulator.url().substr(7)}, {"Content-Type", "application/json"}},
      "{}"};
  sigv4::sign(request, {core::from_unix(1772366400), "us-east-1", "inspector2"},
              {"AKIASIMULATOR", "simulator-secret", ""});
  HttpRequest http;
  http.method = "POST";
  http.url = simulator.url() + "/usage/list";
  http.headers = request.headers;
  http.body = request.body;
  http.timeout = timeout;
  http.most_reply_bytes = most;
  return client.send(http);
}

TEST(CurlClient, BringsStatusHeadersAndBody) {
  const sim::Simulator simulator(options("faults: [{kind: throttle, retry_after: 2s, count: 1}]"));
  CurlClient client(nullptr, "test");
  const HttpReply throttled = ask(client, simulator, std::chrono::seconds{5});
  EXPECT_EQ(throttled.status, 429);
  EXPECT_EQ(throttled.header("retry-after"), "2");
  const HttpReply good = ask(client, simulator, std::chrono::seconds{5});
  EXPECT_EQ(good.status, 200) << good.body;
  EXPECT_NE(good.body.find("accountId"), std::string::npos);
}

TEST(CurlClient, EndsAtTheDeadlineAndWhenStopped) {
  const sim::Simulator simulator(options("faults: [{kind: hang, duration: 20s}]"));
  std::atomic<bool> stop = false;
  CurlClient client(&stop, "test");
  EXPECT_EQ(ask(client, simulator, std::chrono::milliseconds{300}).failure,
            TransportFailure::kTimeout);
  std::thread stopper([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds{200});
    stop = true;
  });
  EXPECT_EQ(ask(client, simulator, std::chrono::seconds{15}).failure, TransportFailure::kStopped);
  stopper.join();
}

TEST(CurlClient, CutAndOversizedRepliesAreFailures) {
  const sim::Simulator cut(options("faults: [{kind: cut}]"));
  CurlClient client(nullptr, "test");
  EXPECT_EQ(ask(client, cut, std::chrono::seconds{5}).failure, TransportFailure::kNetwork);
  const sim::Simulator whole(options(""));
  EXPECT_EQ(ask(client, whole, std::chrono::seconds{5}, 100).failure, TransportFailure::kTooLarge);
}

TEST(CurlClient, NamesWhatCanNotBeReached) {
  CurlClient client(nullptr, "test");
  HttpRequest request;
  request.url = "http://127.0.0.1:1/";
  EXPECT_EQ(client.send(request).failure, TransportFailure::kNetwork);
  EXPECT_FALSE(client.send(request).failure_text.empty());
  request.url = "file:///etc/passwd";
  EXPECT_EQ(client.send(request).failure, TransportFailure::kBadUrl);
}

}  // namespace
}  // namespace usaged::net
