// Alerts with the real binary: commands with and without the daemon, and death between sending and
// noting it.
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/StreamSocket.h>
#include <gmock/gmock.h>

#include <array>

#include "core/text.h"
#include "e2e/binary.h"
#include "support/wait.h"

namespace usaged {
namespace {

using support::eventually;
using support::Process;
using support::Ran;
using ::testing::HasSubstr;
using json = nlohmann::json;

class AlertsTest : public BinaryTest {
 protected:
  // A configuration whose one rule fires at once for each account.
  void configure_alerts(const std::string& aws, const std::string& receivers) {
    configure(aws, "us-east-1", "",
              "rules: [{name: any, kind: threshold, limit: 0.000001}]\nreceivers:\n" + receivers);
  }
  json read(const std::string& what) { return command_json({what, "--json"})["data"]; }
};

// As the README has it, but for the ports, the wait and where the database is.
TEST_F(AlertsTest, TheReadmesFirstAlertIsRaisedAndSent) {
  const std::string url = simulate({});
  const std::string readme = core::read_file(std::string(SOURCE_DIR) + "/README.md");
  std::smatch found;
  ASSERT_TRUE(std::regex_search(readme, found, std::regex("into `try.yaml`:\n\n((    .*\n)+)")));
  std::string config = std::regex_replace(found[1].str(), std::regex("(^|\n)    "), "$1");
  config = std::regex_replace(config, std::regex("http://127.0.0.1:10331"), url);
  config = std::regex_replace(config, std::regex("usage\\.db"), database());
  std::ofstream(folder_.path("c.yaml")) << config << "    group_wait: 0s\nhttp: {port: 0}\n";
  auto environment = kCredentials;
  environment["AWS_ENDPOINT_URL"] = url;
  const Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, environment);
  EXPECT_TRUE(eventually([&] {
    const Ran ran = command({"notifications", "--state", "delivered", "--json"});
    return ran.code == 0 && !json::parse(ran.output)["data"].empty();
  }));
}

TEST_F(AlertsTest, ADaemonSleepsOnceAllIsToldOf) {
  const std::string url = simulate({"--accounts", "3", "--regions", "us-east-1"});
  configure_alerts(url, "  - {name: hook, url: '" + url + "/webhook', group_wait: 0s}\n" +
                            "  - {name: ping, kind: ping, url: '" + url + "/webhook'}\n");
  const Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
  ASSERT_TRUE(eventually([&] {
    const Ran ran = command({"notifications", "--state", "delivered", "--json"});
    return ran.code == 0 && !json::parse(ran.output)["data"].empty();
  }));
  // What follows a message takes moments.
  EXPECT_TRUE(eventually([&] {
    return support::processor_time_at_rest(daemon.pid()) < std::chrono::milliseconds{50};
  }));
}

TEST_F(AlertsTest, CommandsGoThroughTheDaemonWhileItRuns) {
  const std::string url = simulate({"--accounts", "3", "--regions", "us-east-1"});
  configure_alerts(url, "  - {name: hook, url: '" + url + "/webhook', group_wait: 0s}\n" +
                            "  - {name: wrong, kind: slack, url: '" + url +
                            "/nothing', group_wait: 0s}\n");
  std::string where;
  const auto act = [&](std::vector<std::string> words) {
    if (!where.empty()) words.insert(words.end(), {"--url", where});
    words.emplace_back("--json");
    return command_json(words)["data"];
  };
  const auto change_everything = [&] {
    EXPECT_EQ(act({"ack", "1", "--author", "ann"})["acknowledged_by"], "ann");
    const json silence = act({"silence", "add", "account_id=1", "region=~eu-.*", "--comment", "x"});
    EXPECT_EQ(silence["state"], "active");
    EXPECT_EQ(silence["matchers"], (json{"account_id=1", "region=~eu-.*"}));
    const std::string id = silence["id"].dump();
    EXPECT_EQ(act({"silence", "expire", id})[0]["state"], "expired");
    EXPECT_EQ(act({"redrive", "--receiver", "wrong"})["redriven"], 1);
  };
  {
    Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
    ASSERT_TRUE(daemon.read_until("serves url=http://127.0.0.1:"));
    ASSERT_TRUE(daemon.read_until("\n"));
    std::smatch found;
    const std::string output = daemon.output();
    ASSERT_TRUE(std::regex_search(output, found, std::regex("serves url=(http://[0-9.:]+)")));
    where = found[1];
    ASSERT_TRUE(eventually([&] {
      return command_json({"notifications", "--state", "dead", "--json"})["data"].size() == 1;
    }));
    change_everything();
    const Ran wrong = command({"ack", "99", "--url", where});
    EXPECT_EQ(wrong.code, 1);
    EXPECT_THAT(wrong.output, HasSubstr("there is no alert 99"));
    EXPECT_EQ(command({"silence", "add", "nonsense", "--comment", "x", "--url", where}).code, 2);
    // Without its address (the port is any free one), the daemon can't be asked.
    const Ran lost = command({"ack", "1"});
    EXPECT_EQ(lost.code, 1);
    EXPECT_THAT(lost.output, HasSubstr("--url"));
    ASSERT_TRUE(eventually([&] {
      return command_json({"notifications", "--state", "dead", "--json"})["data"].size() == 1;
    }));
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.wait(), 0);
  }
  where.clear();  // by itself
  change_everything();
  EXPECT_EQ(read("silences").size(), 2U);
  const Ran test = command({"test-notify", "hook"});
  EXPECT_EQ(test.code, 0) << test.output;
  EXPECT_EQ(test.output, "hook: delivered: HTTP 200: {}\n");
  EXPECT_EQ(command({"test-notify", "wrong"}).code, 1);
  EXPECT_EQ(command({"test-notify", "nobody"}).code, 2);
}

// Reads one request with a body, as far as it is needed here; its webhook-id.
std::string take_message(Poco::Net::StreamSocket& socket) {
  std::string text;
  std::array<char, 65536> buffer{};
  std::smatch length;
  while (true) {
    const int n = socket.receiveBytes(buffer.data(), buffer.size());
    if (n <= 0) return "";
    text.append(buffer.data(), static_cast<std::size_t>(n));
    const std::size_t head = text.find("\r\n\r\n");
    if (head == std::string::npos) continue;
    if (!std::regex_search(text, length, std::regex("Content-Length: ([0-9]+)"))) return "";
    if (text.size() >= head + 4 + std::stoul(length[1])) break;
  }
  std::smatch id;
  return std::regex_search(text, id, std::regex("webhook-id: (\\S+)")) ? id[1].str() : "";
}

TEST_F(AlertsTest, KilledBetweenSendingAndNotingItSendsAgainWithTheSameId) {
  const std::string url = simulate({"--accounts", "3", "--regions", "us-east-1"});
  Poco::Net::ServerSocket listener(Poco::Net::SocketAddress("127.0.0.1", 0));
  configure_alerts(url, "  - {name: hook, url: 'http://127.0.0.1:" +
                            std::to_string(listener.address().port()) + "/', group_wait: 0s}\n");
  std::string first;
  {
    Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
    ASSERT_TRUE(listener.poll(Poco::Timespan(20, 0), Poco::Net::Socket::SELECT_READ));
    Poco::Net::StreamSocket socket = listener.acceptConnection();
    first = take_message(socket);  // it has the message, and the daemon does not know that
    daemon.signal(SIGKILL);
    daemon.wait();
  }
  EXPECT_THAT(first, HasSubstr("msg_"));
  ASSERT_EQ(command_json({"notifications", "--state", "pending", "--json"})["data"].size(), 1U);
  Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
  ASSERT_TRUE(listener.poll(Poco::Timespan(20, 0), Poco::Net::Socket::SELECT_READ));
  Poco::Net::StreamSocket socket = listener.acceptConnection();
  EXPECT_EQ(take_message(socket), first);
  const std::string reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  socket.sendBytes(reply.data(), static_cast<int>(reply.size()));
  EXPECT_TRUE(eventually([&] {
    const json all = read("notifications");
    return all.size() == 1 && all[0]["state"] == "delivered" && all[0]["uid"] == first;
  }));
}

}  // namespace
}  // namespace usaged
