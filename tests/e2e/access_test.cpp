// Credentials and what goes with them, by the real binary and the real AWS client.
#include <fmt/format.h>

#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include "core/text.h"
#include "e2e/binary.h"
#include "support/raw_http.h"
#include "support/wait.h"

namespace usaged {
namespace {

using json = nlohmann::json;
using support::eventually;
using support::Process;
using support::Ran;
using support::run;
using ::testing::HasSubstr;
using ::testing::Not;
using Variables = std::map<std::string, std::string>;

class AccessTest : public BinaryTest {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.path(name)) << text;
  }
  // No keys but those that a test gives.
  Variables bare() const {
    return {{"AWS_ACCESS_KEY_ID", ""},
            {"AWS_SECRET_ACCESS_KEY", ""},
            {"AWS_SHARED_CREDENTIALS_FILE", folder_.path("credentials")},
            {"AWS_CONFIG_FILE", folder_.path("config")},
            {"AWS_MAX_ATTEMPTS", "1"},
            {"AWS_PAGER", ""}};
  }
  static int port_of(const std::string& url) { return std::stoi(url.substr(url.rfind(':') + 1)); }
};

TEST_F(AccessTest, TheAwsClientUnderstandsTheSimulatedServices) {
  const std::string url = simulate({"--accounts", "45", "--regions", "us-east-1"});
  const auto ask = [&](const std::vector<std::string>& words, const Variables& environment) {
    const Ran ran = aws_client(url, words, environment);
    EXPECT_EQ(ran.code, 0) << ran.output;
    return ran.code == 0 ? json::parse(ran.output) : json();
  };
  EXPECT_EQ(ask({"sts", "get-caller-identity"}, kCredentials)["Account"], "123456789012");
  const json accounts = ask({"organizations", "list-accounts"}, kCredentials)["Accounts"];
  ASSERT_EQ(accounts.size(), 45U);
  const auto active = std::ranges::find_if(
      accounts, [](const json& account) { return account["Status"] == "ACTIVE"; });
  const std::string id = (*active)["Id"];
  const json trials =
      ask({"inspector2", "batch-get-free-trial-info", "--account-ids", id}, kCredentials);
  EXPECT_EQ(trials["accounts"][0]["freeTrialInfo"].size(), 5U);

  const json role = ask({"sts", "assume-role", "--role-arn", "arn:aws:iam::" + id + ":role/Read",
                         "--role-session-name", "me"},
                        kCredentials)["Credentials"];
  Variables as_role = kCredentials;
  as_role["AWS_ACCESS_KEY_ID"] = role["AccessKeyId"];
  as_role["AWS_SECRET_ACCESS_KEY"] = role["SecretAccessKey"];
  as_role["AWS_SESSION_TOKEN"] = role["SessionToken"];
  EXPECT_EQ(ask({"inspector2", "list-usage-totals"}, as_role)["totals"].size(), 1U);
}

TEST_F(AccessTest, TheAwsClientTakesTheSimulatedMachinesKeys) {
  const std::string url = simulate({"--regions", "us-east-1"});
  Variables machine = bare();
  machine["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url + "/";
  Ran ran = aws_client(url, {"sts", "get-caller-identity"}, machine);
  EXPECT_THAT(ran.output, HasSubstr("assumed-role/SimulatorRole/i-0simulated"));
  Variables container = bare();
  container["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url + "/v2/credentials/simulator";
  ran = aws_client(url, {"sts", "get-caller-identity"}, container);
  EXPECT_THAT(ran.output, HasSubstr("assumed-role/SimulatorRole/container"));
}

TEST_F(AccessTest, TheDiagnosisNamesProviderIdentityAndWhatIsMissing) {
  write("faults.yaml", "faults: [{kind: denied, region: eu-west-1}]\n");
  const std::string url =
      simulate({"--regions", "us-east-1,eu-west-1", "--faults", folder_.path("faults.yaml")});
  configure(url, "us-east-1, eu-west-1");
  Variables environment = kCredentials;
  environment["AWS_ENDPOINT_URL"] = url;
  const std::vector<std::string> words{kBinary, "check-config", "--online", "--config",
                                       folder_.path("c.yaml")};
  const Ran text = run(words, environment);
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.output, HasSubstr("arn:aws:iam::123456789012:user/simulator"));
  EXPECT_THAT(text.output,
              HasSubstr("t/eu-west-1: inspector2:ListUsageTotals is not allowed: AccessDenied"));
  EXPECT_THAT(text.output, HasSubstr("The least that target t needs"));
  auto as_json = words;
  as_json.emplace_back("--json");
  const Ran ran = run(as_json, environment);
  EXPECT_EQ(ran.code, 1);
  const json data = json::parse(ran.output);
  EXPECT_EQ(data["credentials"][0]["provider"], "environment (AWS_ACCESS_KEY_ID)");
  EXPECT_EQ(data["credentials"][0]["actions"]["inspector2:ListUsageTotals"], "allowed");
  EXPECT_EQ(data["credentials"][1]["missing_actions"], json({"inspector2:ListUsageTotals"}));
  EXPECT_EQ(data["policies"][0]["policy"]["Version"], "2012-10-17");
  // All is well in the other region.
  configure(url, "us-east-1");
  EXPECT_EQ(run(words, environment).code, 0);
  // Without --online nobody is asked.
  EXPECT_EQ(command({"check-config"}).code, 0);
}

TEST_F(AccessTest, IllegalEnvironmentsAreRefusedWhenTheConfigurationIsRead) {
  configure("http://127.0.0.1:1", "us-east-1");
  for (const char* command : {"check-config", "run", "poll"}) {
    Variables environment = kCredentials;
    environment["AWS_USE_FIPS_ENDPOINT"] = "true";
    const Ran ran = run({kBinary, command, "--config", folder_.path("c.yaml")}, environment);
    EXPECT_EQ(ran.code, 2) << command;
    EXPECT_THAT(ran.output, HasSubstr("FIPS can't be had with an address of your own"));
  }
}

// Every way to come by a secret, good and bad, in one run at the most talkative level.
TEST_F(AccessTest, NoSecretIsAnywhere) {
  const std::string url =
      simulate({"--regions", "us-east-1", "--accounts", "5", "--secret-key", "CANARY-secret",
                "--session-token", "CANARY-session", "--external-id", "CANARY-external",
                "--web-identity-token", "CANARY-web", "--container-token", "CANARY-container"});
  write("webhook-secret", "whsec_Q0FOQVJZLXdlYmhvb2s=");
  write("web-token", "CANARY-web");
  write("bad-token", "CANARY-bad-web");
  write("credentials",
        "[keys]\naws_access_key_id=AKIASIMULATOR\naws_secret_access_key=CANARY-secret\n"
        "aws_session_token=CANARY-session\n[wrong]\naws_access_key_id=AKIASIMULATOR\n"
        "aws_secret_access_key=CANARY-wrong\naws_session_token=CANARY-session\n");
  write("config",
        "[profile role]\nrole_arn=arn:aws:iam::123456789012:role/A\nsource_profile=keys\n"
        "external_id=CANARY-external\n"
        "[profile denied]\nrole_arn=arn:aws:iam::123456789012:role/A\nsource_profile=keys\n"
        "external_id=CANARY-wrong\n"
        "[profile web]\nrole_arn=arn:aws:iam::123456789012:role/W\nweb_identity_token_file=" +
            folder_.path("web-token") +
            "\n[profile bad-web]\nrole_arn=arn:aws:iam::123456789012:role/W\n"
            "web_identity_token_file=" +
            folder_.path("bad-token") +
            "\n[profile command]\ncredential_process=echo '{\"Version\":1,\"AccessKeyId\":"
            "\"AKIASIMULATOR\",\"SecretAccessKey\":\"CANARY-secret\",\"SessionToken\":"
            "\"CANARY-session\"}'\n"
            "[profile bad-command]\ncredential_process=echo CANARY-output; echo CANARY-error >&2; "
            "exit 3\n"
            "[profile babble]\ncredential_process=echo CANARY-output\n"
            "[profile container]\nrole_arn=arn:aws:iam::123456789012:role/C\n"
            "credential_source=EcsContainer\nexternal_id=CANARY-external\n");
  std::string targets;
  for (const char* profile : {"keys", "wrong", "role", "denied", "web", "bad-web", "command",
                              "bad-command", "babble", "container"}) {
    targets += fmt::format(
        "  - {{name: {0}, regions: [us-east-1], endpoint: '{1}', credentials: {{profile: {0}}}}}\n",
        profile, url);
  }
  targets += fmt::format(
      "  - {{name: explicit, regions: [us-east-1], endpoint: '{}', organizations: true, accounts: "
      "['123456789012'], credentials: {{role_arn: 'arn:aws:iam::{{account}}:role/E', external_id: "
      "CANARY-external}}}}\n",
      url);
  configure(
      url, "us-east-1", targets,
      "log: {level: debug}\nreceivers:\n  - {name: away, url: 'http://127.0.0.1:1/CANARY-url', "
      "secret_file: " +
          folder_.path("webhook-secret") + "}\n  - {name: there, url: '" + url +
          "/webhook?token=CANARY-query'}\nrules:\n  - {name: r, increase_percent: 0, "
          "increase_amount: 0, for: 1}\n");
  Variables environment = bare();
  environment["AWS_ACCESS_KEY_ID"] = "AKIASIMULATOR";
  environment["AWS_SECRET_ACCESS_KEY"] = "CANARY-secret";
  environment["AWS_SESSION_TOKEN"] = "CANARY-session";
  environment["AWS_ENDPOINT_URL"] = url;
  environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url + "/v2/credentials/x";
  environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "CANARY-container";

  std::map<std::string, std::string> said;
  {
    Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, environment);
    ASSERT_TRUE(daemon.read_until("serves url=http://127.0.0.1:")) << daemon.output();
    ASSERT_TRUE(daemon.read_until("\n"));
    std::smatch found;
    const std::string output = daemon.output();
    ASSERT_TRUE(
        std::regex_search(output, found, std::regex("serves url=http://127.0.0.1:([0-9]+)")));
    const int port = std::stoi(found[1]);
    const auto ended = [&] {
      const json polls = json::parse(support::get(port, "/api/v1/polls?limit=100"))["data"];
      return polls.size() == 12 && std::ranges::none_of(polls, [](const json& poll) {
               return poll["outcome"] == "running";
             });
    };
    EXPECT_TRUE(eventually(ended)) << daemon.output();
    for (const char* path :
         {"/api/v1/status", "/api/v1/accounts", "/api/v1/polls", "/api/v1/usage/latest",
          "/api/v1/usage/history", "/api/v1/usage/deltas", "/api/v1/alerts",
          "/api/v1/notifications", "/metrics", "/", "/-/ready", "/api/v1/nothing"}) {
      said[path] = support::get(port, path, true);
    }
    EXPECT_THAT(said["/api/v1/status"], HasSubstr("AccessDenied"));
    EXPECT_THAT(said["/api/v1/status"], HasSubstr("InvalidSignatureException"));
    EXPECT_THAT(said["/api/v1/status"], HasSubstr("exited with 3"));
    said["ps"] = run({"ps", "-o", "args", "-p", std::to_string(daemon.pid())}).output;
    EXPECT_THAT(said["ps"], HasSubstr("inspector-usaged run"));
    daemon.signal(SIGTERM);
    EXPECT_EQ(daemon.wait(), 0);
    said["log"] = daemon.output();
  }
  for (const char* file : {"u.db", "u.db-wal", "u.db.lock"}) {
    std::ifstream stream(folder_.path(file), std::ios::binary);
    said[file] = (std::ostringstream() << stream.rdbuf()).str();
  }
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"check-config", "--online"},
                                             {"check-config", "--online", "--json"},
                                             {"poll", "--json"},
                                             {"status"},
                                             {"polls", "--json"},
                                             {"accounts"}}) {
    std::vector<std::string> all{kBinary};
    all.insert(all.end(), words.begin(), words.end());
    all.insert(all.end(), {"--config", folder_.path("c.yaml")});
    said[core::join(words, " ")] = run(all, environment).output;
  }
  int good = 0;
  for (const auto& [where, text] : said) {
    EXPECT_THAT(text, Not(HasSubstr("CANARY"))) << where;
    EXPECT_THAT(text, Not(HasSubstr("Q0FOQVJZ"))) << where;  // the webhook's, in base64
    EXPECT_THAT(text, Not(HasSubstr("Signature="))) << where;
    good += text.empty() ? 0 : 1;
  }
  EXPECT_GE(good, 18);
  const std::string log = said["log"];
  EXPECT_THAT(log,
              ::testing::ContainsRegex(
                  "msg=polled target=web region=us-east-1 accounts=[0-9]+"));  // it did work where
                                                                               // it should
  EXPECT_THAT(log, ::testing::ContainsRegex(
                       "msg=polled target=container region=us-east-1 accounts=[0-9]+"));
  EXPECT_THAT(
      log, ::testing::ContainsRegex("msg=polled target=command region=us-east-1 accounts=[0-9]+"));
}

TEST_F(AccessTest, ACrashLoopAsksNoDueTimeTwice) {
  write("faults.yaml", "faults: [{kind: hang, duration: 60s}]\n");
  const std::string url = simulate({"--regions", "us-east-1,eu-west-1,eu-central-1", "--accounts",
                                    "5", "--faults", folder_.path("faults.yaml")});
  // No other due time comes meanwhile.
  configure(url, "us-east-1, eu-west-1, eu-central-1", "    interval: 1d\n");
  const auto requests = [&] {
    return json::parse(support::get(port_of(url), "/simulator/requests")).value("inspector2", 0);
  };
  for (int restart = 0; restart < 20; ++restart) {
    Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
    ASSERT_TRUE(daemon.read_until("serves")) << daemon.output();
    ASSERT_TRUE(restart > 0 || eventually([&] { return requests() == 3; }));
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    daemon.signal(SIGKILL);
    daemon.wait();
  }
  EXPECT_EQ(requests(), 3);
}

}  // namespace
}  // namespace usaged
