// Where the daemon serves: TLS, unix sockets, and who is let in there.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>

#include "app/daemon.h"
#include "core/error.h"
#include "core/text.h"
#include "net/http.h"
#include "support/process.h"
#include "support/raw_http.h"
#include "support/world.h"

namespace usaged::app {
namespace {

using support::World;
using ::testing::HasSubstr;

class ListenTest : public ::testing::Test {
 protected:
  ListenTest() {
    world_.config.http.tokens = {{"ops", core::Access::kWrite, core::hex(core::sha256("right"))}};
  }
  // A daemon whose next configuration is `next_`.
  Daemon& start() {
    world_.start_simulator();
    next_ = world_.config;
    auto from = world_.daemon_world();
    from.configuration = [this] { return next_; };
    world_.daemon = std::make_unique<Daemon>(world_.config, from);
    world_.daemon->start();
    return *world_.daemon;
  }
  // A certificate of its own authority, for 127.0.0.1.
  void certify(const std::string& name) const {
    const support::Ran ran = support::run(
        {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", world_.folder.path(name + ".key"), "-out", world_.folder.path(name + ".crt")});
    ASSERT_EQ(ran.code, 0) << ran.output;
  }
  void serve_with(core::Config& config, const std::string& name) const {
    config.http.tls_certificate = world_.folder.path(name + ".crt");
    config.http.tls_key = world_.folder.path(name + ".key");
  }
  // The reply to a request whose client trusts the certificate.
  net::HttpReply ask(const std::string& path, const std::string& trusted = "") {
    net::CurlClient client(nullptr, "test");
    net::HttpRequest request;
    request.url = world_.daemon->url() + path;
    request.direct = true;
    if (!trusted.empty()) request.ca_file = world_.folder.path(trusted + ".crt");
    request.headers = {{"Authorization", "Bearer right"}};
    return client.send(request);
  }

  World world_;
  core::Config next_;
};

TEST_F(ListenTest, TlsServesWithACertificateThatAReloadExchanges) {
  certify("first");
  certify("second");
  serve_with(world_.config, "first");
  Daemon& daemon = start();
  EXPECT_THAT(daemon.url(), HasSubstr("https://127.0.0.1:"));
  EXPECT_EQ(ask("/api/v1/status", "first").status, 200);
  // A stream, and a page that is packed.
  EXPECT_EQ(ask("/api/v1/export", "first").status, 200);
  EXPECT_THAT(ask("/", "first").body, HasSubstr("<!doctype html>"));
  EXPECT_TRUE(ask("/api/v1/status", "second").failure);
  EXPECT_EQ(support::status_of(support::get(daemon.port(), "/-/healthy", true)), 0) << "in plain";

  serve_with(next_, "second");
  daemon.reload();
  EXPECT_EQ(ask("/api/v1/status", "second").status, 200);
  EXPECT_TRUE(ask("/api/v1/status", "first").failure);

  // The key of another: nothing changes.
  next_.http.tls_key = world_.folder.path("first.key");
  EXPECT_THROW(daemon.reload(), core::Error);
  EXPECT_EQ(ask("/api/v1/status", "second").status, 200);
  ASSERT_EQ(::chmod(world_.folder.path("second.key").c_str(), 0644), 0);
  serve_with(next_, "second");
  try {
    daemon.reload();
    FAIL();
  } catch (const core::Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("second.key: is open to everybody"));
  }
  next_.http.tls_certificate.clear();
  EXPECT_THROW(daemon.reload(), core::Error) << "whoever asks by https would find nobody";
}

TEST_F(ListenTest, AClientThatNeverShakesHandsHoldsUpNobody) {
  certify("first");
  serve_with(world_.config, "first");
  const Daemon& daemon = start();
  const auto where =
      Poco::Net::SocketAddress("127.0.0.1", static_cast<Poco::UInt16>(daemon.port()));
  std::vector<Poco::Net::StreamSocket> silent;
  for (int i = 0; i < 100; ++i) {
    silent.emplace_back(where);
    const std::string garbage = "\x16\x03\x01";  // the first bytes of a handshake
    if (i % 2 == 0) silent.back().sendBytes(garbage.data(), static_cast<int>(garbage.size()));
  }
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("/-/healthy", "first").status, 200);
}

// What a user gets at a unix socket: the status of a reply to a request without a token.
int status_as(uid_t uid, const std::string& path, const std::string& request) {
  std::array<int, 2> out{};
  if (::pipe(out.data()) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    std::array<char, 12> reply{};
    const bool good = (uid == ::geteuid() || ::setuid(uid) == 0) &&
                      ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                      ::write(fd, request.data(), request.size()) > 0 &&
                      ::recv(fd, reply.data(), reply.size(), MSG_WAITALL) == 12;
    if (!good || ::write(out[1], reply.data() + 9, 3) != 3) ::_exit(1);
    ::_exit(0);
  }
  ::close(out[1]);
  std::array<char, 4> digits{};
  const ssize_t count = ::read(out[0], digits.data(), 3);
  ::close(out[0]);
  ::waitpid(child, nullptr, 0);
  return count == 3 ? std::stoi(digits.data()) : -1;
}

TEST_F(ListenTest, AUnixSocketKnowsItsPeers) {
  const std::string path = world_.folder.path("api.sock");
  world_.config.http.socket = path;
  world_.config.http.peers = {{"reader", 54321, core::Access::kRead}};
  start();
  const std::string read = "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string write =
      "POST /api/v1/polls HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(status_as(::geteuid(), path, read), 200);
  EXPECT_EQ(status_as(::geteuid(), path, write), 202);
  EXPECT_EQ(support::status_of(support::get(world_.daemon->port(), "/api/v1/status", true)), 401);
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  ASSERT_EQ(::chmod(world_.folder.path("").c_str(), 0755), 0);
  EXPECT_EQ(status_as(54321, path, read), 200);
  EXPECT_EQ(status_as(54321, path, write), 401);
  EXPECT_EQ(status_as(54322, path, read), 401);
  // A reload takes it away again.
  next_.http.peers = {};
  world_.daemon->reload();
  EXPECT_EQ(status_as(54321, path, read), 401);
}

TEST_F(ListenTest, ASocketThatIsLeftOverIsReplacedAndNothingElse) {
  const std::string path = world_.folder.path("api.sock");
  world_.config.http.socket = path;
  const std::string read = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
  start();
  {
    core::Config second = world_.config;
    second.database = world_.folder.path("second.db");
    EXPECT_THROW(Daemon(second, world_.daemon_world()), core::Error);
    EXPECT_EQ(status_as(::geteuid(), path, read), 200) << "it belongs to the first";
  }
  world_.daemon.reset();
  EXPECT_NE(::access(path.c_str(), F_OK), 0) << "an end in order leaves none";

  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(fd);
  world_.start_daemon();
  EXPECT_EQ(status_as(::geteuid(), path, read), 200);

  world_.daemon.reset();
  std::ofstream(path) << "precious";
  EXPECT_THROW(world_.start_daemon(), core::Error);
  EXPECT_EQ(core::read_file(path), "precious");
}

TEST_F(ListenTest, AnInheritedSocketThatOthersReachNeedsTlsAndTokens) {
  const auto inherited = [] {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd, 10), 0);
    return fd;
  };
  certify("first");
  world_.start_simulator();
  auto from = world_.daemon_world();
  from.sockets = {inherited()};
  EXPECT_THROW(Daemon(world_.config, from), core::Error);
  serve_with(world_.config, "first");
  from.sockets = {inherited()};
  world_.daemon = std::make_unique<Daemon>(world_.config, from);
  world_.daemon->start();
  EXPECT_THAT(world_.daemon->url(), HasSubstr("https://0.0.0.0:"));
  world_.daemon.reset();
  world_.config.http.tokens.clear();
  from.sockets = {inherited()};
  EXPECT_THROW(Daemon(world_.config, from), core::Error);
}

}  // namespace
}  // namespace usaged::app
