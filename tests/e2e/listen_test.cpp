// The real binary at sockets that are not its own, and the commands that ask it there.
#include "e2e/binary.h"
#include "support/raw_http.h"
#include "support/wait.h"

namespace usaged {
namespace {

using support::Process;
using support::Ran;
using ::testing::HasSubstr;

class ListenTest : public BinaryTest {};

// systemd-socket-activate(1) does what systemd does: it starts the program once somebody connects.
TEST_F(ListenTest, ServesAtTheSocketsOfTheServiceManager) {
  const int port = support::free_port();
  const std::string path = folder_.path("api.sock");
  configure(simulate({}), "us-east-1", "", "rules: []\n");
  std::vector<std::string> words{"systemd-socket-activate",
                                 "--listen=127.0.0.1:" + std::to_string(port), "--listen=" + path};
  for (const auto& [name, value] : kCredentials) words.push_back("--setenv=" + name + "=" + value);
  words.insert(words.end(), {kBinary, "run", "--config", folder_.path("c.yaml")});
  Process manager(words);
  ASSERT_TRUE(manager.read_until("Listening on " + path)) << manager.output();
  // The request that starts it is answered too.
  EXPECT_EQ(support::get(port, "/-/healthy"), "healthy\n");
  ASSERT_TRUE(manager.read_until("serves url=http://127.0.0.1:" + std::to_string(port)))
      << manager.output();
  const Ran ran = command({"silence", "add", "account_id=111111111111", "--comment", "c", "--json",
                           "--url", "unix:" + path});
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(support::get(port, "/api/v1/silences"), HasSubstr("111111111111"));
}

TEST_F(ListenTest, CommandsFindTheDaemonAtItsSocket) {
  const std::string path = folder_.path("api.sock");
  std::ofstream(folder_.path("c.yaml"))
      << "database: " << database() << "\nhttp: {port: 0, anonymous: none, socket: " << path
      << "}\ntargets: [{name: t, regions: [us-east-1], endpoint: '" << simulate({}) << "'}]\n";
  Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
  ASSERT_TRUE(daemon.read_until("serves url=http://")) << daemon.output();
  const Ran ran = command({"silence", "add", "account_id=111111111111", "--comment", "c"});
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("111111111111"));
  // Who wrote is in the log; who read is not.
  EXPECT_TRUE(daemon.read_until("msg=request method=POST target=/api/v1/silences status=201"))
      << daemon.output();
  EXPECT_TRUE(daemon.read_until("from=unix by=\"uid " + std::to_string(::geteuid()) + "\""));
  EXPECT_THAT(daemon.output(), ::testing::Not(HasSubstr("method=GET")));
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0);
}

}  // namespace
}  // namespace usaged
