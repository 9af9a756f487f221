// The program as a user has it: the real binary, the real AWS client, the sqlite3 shell.
#include "e2e/binary.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "core/text.h"
#include "support/raw_http.h"
#include "support/sanitizer.h"
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

TEST_F(BinaryTest, AReplyComesOutAsItWentIn) {
  const std::string file = std::string(SOURCE_DIR) + "/tests/data/usage-totals.json";
  configure(simulate({"--reply", file}), "us-east-1");
  ASSERT_EQ(command({"poll"}).code, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  const Ran second = command({"poll", "--json"});
  ASSERT_EQ(second.code, 0) << second.output;
  EXPECT_EQ(json::parse(second.output)["data"][0]["outcome"], "ok");

  const json sent = json::parse(core::read_file(file));
  const json latest = command_json({"latest", "--json"});
  const json history = command_json({"history", "--json", "--group-by", "type"});
  ASSERT_EQ(latest["data"].size(), sent["totals"][0]["usage"].size());
  for (const json& usage : sent["totals"][0]["usage"]) {
    int found = 0;
    for (const json& row : latest["data"]) {
      if (row["usage_type"] != usage["type"]) continue;
      ++found;
      EXPECT_EQ(row["total"].get<double>(), usage["total"].get<double>());
      EXPECT_EQ(row["estimated_monthly_cost"].get<double>(),
                usage["estimatedMonthlyCost"].get<double>());
    }
    for (const json& line : history["data"]) {
      if (line["labels"]["usage_type"] != usage["type"]) continue;
      ++found;
      ASSERT_EQ(line["points"].size(), 2U);
      for (const json& point : line["points"]) {
        EXPECT_EQ(point[1].get<double>(), usage["estimatedMonthlyCost"].get<double>());
      }
    }
    EXPECT_EQ(found, 2);
    const Ran sql =
        run({kBinary, "sql", "--database", database(), "--json",
             "SELECT count(*) AS n FROM usage_history WHERE usage_type = '" +
                 usage["type"].get<std::string>() + "' AND total = " + usage["total"].dump() +
                 " AND estimated_monthly_cost = " + usage["estimatedMonthlyCost"].dump()});
    EXPECT_EQ(sql.output, "{\"n\":2}\n") << usage;
  }
}

// The sum of every number of a list of accounts as AWS has them, by type.
std::map<std::string, double> sums(const json& totals) {
  std::map<std::string, double> result;
  for (const json& account : totals) {
    for (const json& usage : account["usage"]) {
      result[usage["type"]] += usage["total"].get<double>();
      result["cost"] += usage["estimatedMonthlyCost"].get<double>();
    }
  }
  return result;
}

TEST_F(BinaryTest, TheAwsClientSeesWhatTheDaemonStored) {
  const std::string url =
      simulate({"--accounts", "1200", "--regions", "us-east-1", "--now", "2026-03-01T12:00:00Z"});
  configure(url, "us-east-1");
  ASSERT_EQ(command({"poll"}).code, 0);

  const Ran all = aws(url, {"--page-size", "77"});
  ASSERT_EQ(all.code, 0) << all.output;
  const json totals = json::parse(all.output)["totals"];
  EXPECT_GT(totals.size(), 1000U);
  std::map<std::string, double> stored;
  std::vector<std::string> ids;
  const json latest = command_json({"latest", "--json"});
  std::map<std::string, double> of_some;
  for (const json& account : totals) ids.push_back(account["accountId"]);
  const std::set<std::string> some(ids.begin(), ids.begin() + 150);
  for (const json& row : latest["data"]) {
    const double total = row["total"].get<double>();
    const double cost = row["estimated_monthly_cost"].get<double>();
    stored[row["usage_type"]] += total;
    stored["cost"] += cost;
    if (some.contains(row["account_id"].get<std::string>())) {
      of_some[row["usage_type"]] += total;
      of_some["cost"] += cost;
    }
  }
  const auto expect_same = [](const std::map<std::string, double>& a,
                              const std::map<std::string, double>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [key, value] : a) EXPECT_NEAR(value, b.at(key), 1e-9 * value) << key;
  };
  expect_same(sums(totals), stored);

  // In pieces, by the client's own paging.
  json pieces = json::array();
  std::string token;
  for (int i = 0; i < 10; ++i) {
    std::vector<std::string> words{"--max-items", "400", "--page-size", "150"};
    if (!token.empty()) words.insert(words.end(), {"--starting-token", token});
    const Ran piece = aws(url, words);
    ASSERT_EQ(piece.code, 0) << piece.output;
    const json reply = json::parse(piece.output);
    for (const json& account : reply["totals"]) pieces.push_back(account);
    if (!reply.contains("NextToken")) break;
    token = reply["NextToken"];
  }
  expect_same(sums(pieces), stored);

  std::vector<std::string> words{"--page-size", "40", "--account-ids"};
  words.insert(words.end(), some.begin(), some.end());
  const Ran chosen = aws(url, words);
  ASSERT_EQ(chosen.code, 0) << chosen.output;
  expect_same(sums(json::parse(chosen.output)["totals"]), of_some);
}

TEST_F(BinaryTest, TheAwsClientUnderstandsTheErrors) {
  const std::string url = simulate({"--regions", "us-east-1"});
  const Ran wrong = aws(url, {}, "wrong");
  EXPECT_NE(wrong.code, 0);
  EXPECT_THAT(wrong.output, HasSubstr("InvalidSignatureException"));
  const Ran many = aws(url, {"--max-results", "501", "--no-paginate"});
  EXPECT_NE(many.code, 0);
  EXPECT_THAT(many.output, HasSubstr("ValidationException"));
  EXPECT_THAT(many.output, HasSubstr("maxResults"));
}

TEST_F(BinaryTest, KilledInAPollItLeavesNoPartOfASnapshot) {
  std::ofstream(folder_.path("faults.yaml")) << "faults: [{kind: hang, after: 1, duration: 60s}]\n";
  configure(simulate({"--accounts", "1200", "--regions", "us-east-1", "--faults",
                      folder_.path("faults.yaml")}),
            "us-east-1");
  const auto count = [&](const std::string& from) {
    return run({kBinary, "sql", "--database", database(), "--json",
                "SELECT count(*) AS n FROM " + from})
        .output;
  };
  {
    Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
    ASSERT_TRUE(daemon.read_until("serves")) << daemon.output();
    ASSERT_TRUE(
        eventually([&] { return count("poll WHERE outcome = 'running'") == "{\"n\":1}\n"; }));
    std::this_thread::sleep_for(std::chrono::milliseconds{500});  // into the second page
    daemon.signal(SIGKILL);
    EXPECT_EQ(daemon.wait(), -SIGKILL);
  }
  EXPECT_EQ(count("sample"), "{\"n\":0}\n");
  EXPECT_EQ(count("series"), "{\"n\":0}\n");
  configure(simulate({"--accounts", "1200", "--regions", "us-east-1"}), "us-east-1");
  ASSERT_EQ(command({"poll"}).code, 0);
  EXPECT_EQ(count("poll WHERE outcome = 'interrupted'"), "{\"n\":1}\n");
  EXPECT_EQ(count("(SELECT DISTINCT poll_id FROM sample)"), "{\"n\":1}\n");
  EXPECT_EQ(run({"sqlite3", database(), "PRAGMA integrity_check"}).output, "ok\n");
}

TEST_F(BinaryTest, RunsUnderAServiceManager) {
  configure(simulate({"--accounts", "5"}), "us-east-1");
  const std::string path = folder_.path("notify");
  const int receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(receiver, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  std::string said;
  const auto hears = [&](const std::string& text) {
    return eventually([&] {
      std::array<char, 4096> buffer{};
      const ssize_t n = recv(receiver, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n > 0) said += std::string(buffer.data(), static_cast<std::size_t>(n)) + "\n";
      return said.find(text) != std::string::npos;
    });
  };
  auto environment = kCredentials;
  environment["NOTIFY_SOCKET"] = path;
  environment["WATCHDOG_USEC"] = "4000000";
  environment["JOURNAL_STREAM"] = "1:1";
  Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, environment);
  EXPECT_TRUE(hears("READY=1")) << daemon.output();
  EXPECT_TRUE(hears("WATCHDOG=1")) << said;
  EXPECT_TRUE(hears("STATUS=1 targets and regions good, 0 failing; last good poll 2")) << said;
  // A bad configuration is said to be one, and changes nothing; a good one goes into effect.
  said.clear();
  std::ofstream(folder_.path("c.yaml"), std::ios::app) << "lgo: {}\n";
  daemon.signal(SIGHUP);
  EXPECT_TRUE(hears("RELOADING=1\nMONOTONIC_USEC=")) << said;
  EXPECT_TRUE(hears("the last reload failed")) << said;
  EXPECT_THAT(said, HasSubstr("\nREADY=1\n"));
  EXPECT_TRUE(daemon.read_until("lgo: ")) << daemon.output();
  configure("http://127.0.0.1:1", "us-east-1, eu-west-1");
  daemon.signal(SIGHUP);
  EXPECT_TRUE(hears("STATUS=1 targets and regions good, 1 failing")) << said;
  daemon.signal(SIGTERM);
  EXPECT_TRUE(hears("STOPPING=1")) << said;
  EXPECT_EQ(daemon.wait(), 0);
  EXPECT_THAT(daemon.output(), HasSubstr("<6>msg=serves url=http:"));
  close(receiver);
}

// How often the threads of a process have gone to sleep.
int sleeps_of(pid_t pid) {
  int sleeps = 0;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("voluntary_ctxt_switches:")) sleeps += std::stoi(line.substr(24));
    }
  }
  return sleeps;
}

TEST_F(BinaryTest, SleepsWhileNothingIsDue) {
  if (support::kThreadSanitizer) {
    GTEST_SKIP()
        << "ThreadSanitizer has a thread of its own, which looks around ten times a second";
  }
  configure(simulate({"--regions", "us-east-1,us-west-2,eu-west-1"}),
            "us-east-1, us-west-2, eu-west-1", "",
            "receivers:\n"
            "  - {name: r, kind: webhook, url: 'http://127.0.0.1:9/'}\n"
            "  - {name: d, kind: webhook, url: 'http://127.0.0.1:9/', digest: daily}\n"
            "  - {name: w, kind: webhook, url: 'http://127.0.0.1:9/', digest: weekly}\n");
  ASSERT_EQ(command({"poll"}).code, 0);
  Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
  ASSERT_TRUE(daemon.read_until("serves"));
  const auto sleeps_within = [&](std::chrono::seconds time) {
    const int before = sleeps_of(daemon.pid());
    std::this_thread::sleep_for(time);
    return sleeps_of(daemon.pid()) - before;
  };
  // Whatever the start has to do ends first.
  ASSERT_TRUE(eventually([&] { return sleeps_within(std::chrono::seconds{1}) <= 2; }));
  // What the service manager is told every ten seconds may fall into it.
  EXPECT_LE(sleeps_within(std::chrono::seconds{3}), 4);
  daemon.signal(SIGTERM);
  EXPECT_EQ(daemon.wait(), 0);
}

TEST_F(BinaryTest, ACoreDumpHasNoMemory) {
  configure(simulate({}), "us-east-1");
  Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
  ASSERT_TRUE(daemon.read_until("serves"));
  std::ifstream filter("/proc/" + std::to_string(daemon.pid()) + "/coredump_filter");
  std::string bits;
  filter >> bits;
  EXPECT_EQ(bits, "00000000");
}

TEST_F(BinaryTest, SaysWhichLibrariesItRunsWith) {
  const json versions = command_json({"version", "--json"});
  EXPECT_EQ(versions["version"], PROJECT_VERSION);
  const json& sqlite = versions["data"][0];
  EXPECT_EQ(sqlite["library"], "SQLite");
  EXPECT_THAT(sqlite["version"].get<std::string>(), ::testing::StartsWith("3."));
  EXPECT_THAT(command({"version"}).output, HasSubstr("libcurl"));
}

TEST_F(BinaryTest, WrongConfigurationsAndUsageExitWith2) {
  const auto expect_2 = [&](const std::vector<std::string>& words, const std::string& text) {
    const Ran ran = command(words);
    EXPECT_EQ(ran.code, 2) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr(text));
  };
  std::ofstream(folder_.path("c.yaml")) << "log: {}\nlgo: {}\n";
  for (const char* name : {"run", "check-config", "poll", "latest"}) {
    expect_2({name}, folder_.path("c.yaml") + ":2:1: lgo: ");
  }
  std::ofstream(folder_.path("c.yaml")) << "{}\n";
  expect_2({"run"}, "targets: there is none");
  EXPECT_EQ(command({"check-config"}).code, 0);
  expect_2({"latest", "--databse", "x"}, "--databse");
  expect_2({"frobnicate"}, "");
  expect_2({"simulate", "--listen", "nowhere"}, "--listen");
  EXPECT_EQ(command({"latest", "--database", "/no/such.db"}).code, 1);
  configure("http://127.0.0.1:1", "us-east-1");
  EXPECT_EQ(command({"poll"}).code, 1);
  expect_2({"history", "--start", "tomorrow"}, "start: ");
  expect_2({"latest", "--json", "--csv"}, "choose one");
  expect_2({"poll", "--target", "nobody"}, "no target 'nobody'");
}

TEST_F(BinaryTest, SqlReadsTheSamplesAndWritesNothing) {
  configure(simulate({"--accounts", "5"}), "us-east-1");
  ASSERT_EQ(command({"poll"}).code, 0);
  EXPECT_EQ(command({"sql", "--csv", "SELECT 1 AS one, 'a,b' AS two, NULL AS three"}).output,
            "one,two,three\r\n1,\"a,b\",\r\n");
  EXPECT_EQ(command({"sql", "--csv", "SELECT 1 AS one WHERE 0"}).output, "one\r\n");
  EXPECT_EQ(command({"sql", "--json", "SELECT count(*) AS n FROM sample WHERE poll_id = 1"}).output,
            command({"sql", "--json", "SELECT series AS n FROM poll"}).output);
  const std::string shell = "echo 'SELECT count(*) AS polls FROM poll' | " + std::string(kBinary) +
                            " sql --database " + database();
  EXPECT_THAT(run({"/bin/sh", "-c", shell}).output, HasSubstr("polls"));
  // More rows than are printed at once, with one header.
  const Ran many =
      command({"sql", "--csv",
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
               "25000) SELECT i FROM n"});
  EXPECT_EQ(std::ranges::count(many.output, '\n'), 25001);
  const auto refused = [&](const std::string& sql, const std::string& why) {
    const Ran ran = command({"sql", sql});
    EXPECT_NE(ran.code, 0) << sql;
    EXPECT_THAT(ran.output, HasSubstr(why));
  };
  refused("DELETE FROM poll", "readonly");
  refused("CREATE TABLE x (y)", "readonly");
  refused("SELEC 1", "syntax error");
  EXPECT_EQ(command({"sql", "--json", "SELECT count(*) AS n FROM poll"}).output, "{\"n\":1}\n");
}

TEST_F(BinaryTest, ASecondWriterIsToldWhy) {
  configure(simulate({"--accounts", "5"}), "us-east-1");
  Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
  ASSERT_TRUE(daemon.read_until("serves"));
  const Ran ran = command({"poll"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.output, HasSubstr("another inspector-usaged is writing this database"));
  EXPECT_EQ(command({"status", "--json"}).code, 0);
}

TEST_F(BinaryTest, TheDemoRaisesItsAlert) {
  Process demo({kBinary, "demo", "--days", "3", "--accounts", "10", "--port", "0", "--speed",
                "20000", "--end-after", "25s"});
  ASSERT_TRUE(demo.read_until("Ctrl-C")) << demo.output();
  std::smatch found;
  const std::string output = demo.output();
  ASSERT_TRUE(std::regex_search(output, found, std::regex("http://127.0.0.1:([0-9]+)/")));
  const int port = std::stoi(found[1]);
  std::smatch account;
  ASSERT_TRUE(std::regex_search(output, account, std::regex("account ([0-9]{12}) ")));
  EXPECT_TRUE(eventually([&] {
    const json alerts = json::parse(support::get(port, "/api/v1/alerts"), nullptr, false);
    if (!alerts.is_object()) return false;
    for (const json& alert : alerts["data"]) {
      if (alert["labels"].value("account_id", "") == account[1] && !alert["starts_at"].is_null()) {
        return true;
      }
    }
    return false;
  }));
  demo.signal(SIGINT);
  EXPECT_EQ(demo.wait(), 0);
}

std::set<std::string> subcommands() {
  std::istringstream help(run({kBinary, "--help"}).output);
  std::set<std::string> result;
  bool inside = false;
  for (std::string line; std::getline(help, line);) {
    if (inside && line.starts_with("  ") && line[2] != ' ') {
      result.insert(line.substr(2, line.find(' ', 2) - 2));
    }
    inside = inside || line == "Subcommands:";
  }
  return result;
}

TEST(Documents, TheReadmeNamesEveryCommandAndNoOther) {
  const std::string readme = core::read_file(std::string(SOURCE_DIR) + "/README.md");
  const std::set<std::string> known = subcommands();
  EXPECT_GT(known.size(), 8U);
  for (const std::string& name : known) {
    EXPECT_THAT(readme, HasSubstr("inspector-usaged " + name));
  }
  const std::regex mention("inspector-usaged ([a-z-]+)");
  for (std::sregex_iterator it(readme.begin(), readme.end(), mention), end; it != end; ++it) {
    EXPECT_TRUE(known.contains((*it)[1])) << (*it)[0];
  }
}

TEST(Documents, TheFlagsInTheReadmeExist) {
  const std::string readme = core::read_file(std::string(SOURCE_DIR) + "/README.md");
  const std::regex line("inspector-usaged ([a-z-]+)([^\n`]*)");
  int checked = 0;
  for (std::sregex_iterator it(readme.begin(), readme.end(), line), end; it != end; ++it) {
    const std::string rest = (*it)[2];
    std::string help = run({kBinary, (*it)[1], "--help"}).output;
    std::smatch word;  // a subcommand of it, maybe
    if (std::regex_search(rest, word, std::regex("^ ([a-z]+) "))) {
      help += run({kBinary, (*it)[1], word[1], "--help"}).output;
    }
    const std::regex flag("--[a-z-]+");
    for (std::sregex_iterator f(rest.begin(), rest.end(), flag); f != end; ++f) {
      const std::string name = (*f)[0];
      EXPECT_TRUE(name == "--config" || help.find(name) != std::string::npos) << (*it)[0];
      ++checked;
    }
  }
  EXPECT_GT(checked, 5);
}

TEST(Documents, TheManualPageIsOneAndHasEveryCommand) {
  const support::TempFolder folder;
  const std::string page = run({kBinary, "manual"}).output;
  std::ofstream(folder.path("inspector-usaged.1")) << page;
  const Ran formatted = run({"man", "--warnings", "-l", folder.path("inspector-usaged.1")},
                            {{"MANWIDTH", "100"}, {"LC_ALL", "C.UTF-8"}, {"PAGER", "cat"}});
  EXPECT_EQ(formatted.code, 0);
  EXPECT_THAT(formatted.output, ::testing::Not(HasSubstr("warning:")));
  EXPECT_THAT(formatted.output, HasSubstr("silence expire"));
  for (const std::string& name : subcommands()) {
    if (name == "silence") continue;
    EXPECT_THAT(formatted.output, HasSubstr("\n   " + name + "\n")) << name;
  }
}

TEST(Documents, BashCompletesCommandsAndFlags) {
  const support::TempFolder folder;
  std::ofstream(folder.path("completion")) << run({kBinary, "completion"}).output;
  const auto complete = [&](const std::string& words, int at) {
    const Ran ran = run({"bash", "-c",
                         "source " + folder.path("completion") + "; COMP_WORDS=(inspector-usaged " +
                             words + "); COMP_CWORD=" + std::to_string(at) +
                             "; _inspector_usaged; echo \"${COMPREPLY[@]}\""});
    return ran.output;
  };
  EXPECT_EQ(complete("sil", 1), "silences silence\n");
  EXPECT_EQ(complete("--config x silence a", 4), "add\n");
  EXPECT_EQ(complete("silence add --du", 3), "--duration\n");
  EXPECT_THAT(complete("status --", 2), HasSubstr("--json"));
}

TEST(Documents, HelpAndVersionExitWith0) {
  EXPECT_EQ(run({kBinary, "--help"}).code, 0);
  const Ran version = run({kBinary, "--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.output, std::string("inspector-usaged ") + PROJECT_VERSION + "\n");
  for (const std::string& name : subcommands()) EXPECT_EQ(run({kBinary, name, "--help"}).code, 0);
}

}  // namespace
}  // namespace usaged
