#include "net/http.h"

#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/StreamSocket.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <mutex>
#include <regex>
#include <thread>
#include <utility>

#include "sim/simulator.h"
#include "support/process.h"
#include "support/temp_folder.h"

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

// Notes the first line of each request, and answers it.
class Listener {
 public:
  Listener() : socket_(Poco::Net::SocketAddress("127.0.0.1", 0)) {
    thread_ = std::thread([this] {
      while (!stop_) {
        if (!socket_.poll(Poco::Timespan(0, 20000), Poco::Net::Socket::SELECT_READ)) continue;
        Poco::Net::StreamSocket client = socket_.acceptConnection();
        std::string text;
        std::array<char, 4096> buffer{};
        while (text.find("\r\n\r\n") == std::string::npos) {
          const int n = client.receiveBytes(buffer.data(), buffer.size());
          if (n <= 0) break;
          text.append(buffer.data(), static_cast<std::size_t>(n));
        }
        {
          const std::lock_guard lock(mutex_);
          lines_.push_back(text.substr(0, text.find("\r\n")));
        }
        const std::string reply =
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        client.sendBytes(reply.data(), static_cast<int>(reply.size()));
      }
    });
  }
  ~Listener() {
    stop_ = true;
    thread_.join();
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  std::string url() const { return "http://" + socket_.address().toString(); }
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  Poco::Net::ServerSocket socket_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::vector<std::string> lines_;
  std::thread thread_;
};

TEST(CurlClient, GoesThroughTheProxyOfTheEnvironmentButForWhatIsExempt) {
  Listener proxy;
  Listener server;
  setenv("http_proxy", proxy.url().c_str(), 1);
  CurlClient client(nullptr, "test");
  HttpRequest request;
  request.url = "http://inspector2.example.invalid/usage/list";
  EXPECT_EQ(client.send(request).status, 200);
  EXPECT_EQ(proxy.take(), std::vector<std::string>{"GET " + request.url + " HTTP/1.1"});

  request.url = server.url() + "/x";
  request.direct = true;  // as for credentials of this machine
  EXPECT_EQ(client.send(request).status, 200);
  request.direct = false;
  setenv("NO_PROXY", "127.0.0.0/8,.internal", 1);
  EXPECT_EQ(client.send(request).status, 200);
  EXPECT_TRUE(proxy.take().empty());
  EXPECT_EQ(server.take().size(), 2U);
  unsetenv("http_proxy");
  unsetenv("NO_PROXY");
}

TEST(CurlClient, ConnectsToNoAddressOfTheLinkIfToldSo) {
  CurlClient client(nullptr, "test");
  HttpRequest request;
  request.timeout = std::chrono::milliseconds{2000};
  request.direct = true;
  request.refuse_link = true;
  for (const char* url :
       {"http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[fd00:ec2::254]/",
        "http://[::ffff:169.254.169.254]/", "http://2852039166/", "http://0xa9fea9fe/"}) {
    request.url = url;
    const HttpReply reply = client.send(request);
    EXPECT_EQ(reply.failure, TransportFailure::kRefused) << url << ": " << reply.failure_text;
  }
  const sim::Simulator simulator(options(""));
  request.url = simulator.url() + "/simulator/clock";
  EXPECT_EQ(client.send(request).status, 200);
}

TEST(CurlClient, TrustsTheBundleItIsGiven) {
  const support::TempFolder folder;
  const support::Ran made = support::run(
      {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
       "-nodes", "-keyout", folder.path("key"), "-out", folder.path("ca.pem"), "-days", "1",
       "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"});
  ASSERT_EQ(made.code, 0) << made.output;
  support::Process server({"openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-key",
                           folder.path("key"), "-cert", folder.path("ca.pem")});
  ASSERT_TRUE(server.read_until("ACCEPT 127.0.0.1:")) << server.output();
  ASSERT_TRUE(server.read_until("\n"));
  const std::string output = server.output();
  std::smatch port;
  ASSERT_TRUE(std::regex_search(output, port, std::regex("ACCEPT 127.0.0.1:([0-9]+)")));
  HttpRequest request;
  request.url = "https://127.0.0.1:" + std::string(port[1]) + "/";
  CurlClient trusting(nullptr, "test", folder.path("ca.pem"));
  const HttpReply good = trusting.send(request);
  EXPECT_EQ(good.status, 200) << good.failure_text;
  CurlClient strict(nullptr, "test");
  const HttpReply bad = strict.send(request);
  EXPECT_EQ(bad.failure, TransportFailure::kNetwork);
  EXPECT_NE(bad.failure_text.find("certificate"), std::string::npos) << bad.failure_text;
}

}  // namespace
}  // namespace usaged::net
