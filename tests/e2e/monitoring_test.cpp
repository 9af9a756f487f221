// What Prometheus and Grafana make of the daemon: Debian's own Prometheus and promtool.
#include <filesystem>
#include <set>

#include "core/text.h"
#include "e2e/binary.h"
#include "support/raw_http.h"
#include "support/wait.h"

namespace usaged {
namespace {

namespace fs = std::filesystem;
using core::read_file;
using support::eventually;
using support::get;
using support::Process;
using support::Ran;
using ::testing::HasSubstr;
using json = nlohmann::json;

const std::string kEtc = std::string(SOURCE_DIR) + "/etc";
const std::string kRules = kEtc + "/prometheus/inspector-usaged.rules.yaml";

class MonitoringTest : public BinaryTest {
 protected:
  void SetUp() override {
    configure(simulate({"--accounts", "5", "--regions", "us-east-1"}), "us-east-1");
    daemon_ = std::make_unique<Process>(
        std::vector<std::string>{kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
    ASSERT_TRUE(daemon_->read_until("series")) << daemon_->output();
    std::smatch found;
    const std::string output = daemon_->output();
    ASSERT_TRUE(std::regex_search(output, found, std::regex("127.0.0.1:([0-9]+)")));
    port_ = std::stoi(found[1]);
  }
  // The names of all metrics, those of a histogram with their suffixes.
  std::set<std::string> metrics() const {
    std::set<std::string> names;
    const std::string text = get(port_, "/metrics");
    const std::regex type("# TYPE ([a-z0-9_]+) ([a-z]+)");
    for (std::sregex_iterator it(text.begin(), text.end(), type), end; it != end; ++it) {
      names.insert((*it)[1]);
      if ((*it)[2] == "histogram") names.insert((*it)[1].str() + "_bucket");
    }
    return names;
  }
  static void expect_known(const std::string& expression, const std::set<std::string>& names) {
    static const std::regex kName("\\b((inspector|process)_[a-z0-9_]+)");
    for (std::sregex_iterator it(expression.begin(), expression.end(), kName), end; it != end;
         ++it) {
      // The recorded rules are named after what they sum up.
      EXPECT_TRUE(names.contains((*it)[1])) << (*it)[1] << " in " << expression;
    }
  }

  std::unique_ptr<Process> daemon_;
  int port_ = 0;
};

TEST_F(MonitoringTest, PromtoolFindsNothingWrongWithTheMetrics) {
  std::ofstream(folder_.path("metrics")) << get(port_, "/metrics");
  const Ran ran = support::run({"sh", "-c", "promtool check metrics <" + folder_.path("metrics")});
  // AWS counts and bills in hours, and whoever compares wants its number.
  EXPECT_EQ(ran.output,
            "inspector_usage_30d_hours use base unit \"seconds\" instead of \"hours\"\n");
}

TEST_F(MonitoringTest, TheDashboardAndTheRulesAskForMetricsThatThereAre) {
  const std::set<std::string> names = metrics();
  const json dashboard = json::parse(read_file(kEtc + "/grafana/inspector-usaged.json"));
  EXPECT_EQ(dashboard["__inputs"][0]["pluginId"], "prometheus");
  std::string rules = "groups:\n  - name: dashboard\n    rules:\n";
  std::set<int> ids;
  for (const json& panel : dashboard["panels"]) {
    EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second);
    for (const json& target : panel["targets"]) {
      const std::string expression = target["expr"];
      expect_known(expression, names);
      rules += "      - {record: a:b, expr: " + json(expression).dump() + "}\n";
    }
  }
  EXPECT_GT(ids.size(), 15U);
  // Prometheus reads each expression.
  std::ofstream(folder_.path("rules.yaml")) << rules;
  const Ran ran =
      support::run({"promtool", "check", "rules", "--lint=none", folder_.path("rules.yaml")});
  EXPECT_EQ(ran.code, 0) << ran.output;
  const std::regex expression("expr: (.*)");
  const std::string text = read_file(kRules);
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) {
    expect_known((*it)[1], names);
  }
}

TEST_F(MonitoringTest, PromtoolTestsTheRules) {
  const Ran checked = support::run({"promtool", "check", "rules", kRules});
  EXPECT_EQ(checked.code, 0) << checked.output;
  const std::string tests = std::string(SOURCE_DIR) + "/tests/prometheus/rules_test.yaml";
  const Ran tested = support::run({"promtool", "test", "rules", tests});
  EXPECT_EQ(tested.code, 0) << tested.output;
  // Each alert has a test.
  const std::string text = read_file(kRules);
  const std::regex alert("- alert: (\\w+)");
  for (std::sregex_iterator it(text.begin(), text.end(), alert), end; it != end; ++it) {
    EXPECT_THAT(read_file(tests), HasSubstr("alertname: " + (*it)[1].str()));
  }
}

TEST_F(MonitoringTest, PrometheusScrapesItAndAnAlertFires) {
  const int port = support::free_port();
  const std::string address = "127.0.0.1:" + std::to_string(port);
  std::ofstream(folder_.path("prometheus.yaml"))
      << "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [" << kRules
      << "]\nscrape_configs:\n  - job_name: inspector-usaged\n    static_configs: [{targets: "
      << "['127.0.0.1:" << port_ << "']}]\n";
  const Process prometheus({"prometheus", "--config.file=" + folder_.path("prometheus.yaml"),
                            "--storage.tsdb.path=" + folder_.path("tsdb"),
                            "--web.listen-address=" + address});
  const auto ask = [port](const std::string& path) {
    try {
      return json::parse(get(port, path), nullptr, false);
    } catch (const std::exception&) {
      return json();  // not there yet
    }
  };
  const auto value = [&ask](const std::string& query) {
    const json answer = ask("/api/v1/query?query=" + query);
    return answer.is_object() && !answer["data"]["result"].empty();
  };
  ASSERT_TRUE(
      eventually([&] { return value("account:inspector_estimated_monthly_cost_usd:sum"); }));
  EXPECT_EQ(ask("/api/v1/alerts")["data"]["alerts"], json::array());
  // A configuration that is bad.
  std::ofstream(folder_.path("c.yaml"), std::ios::app) << "tragets: []\n";
  daemon_->signal(SIGHUP);
  EXPECT_TRUE(eventually([&] {
    const json answer = ask("/api/v1/alerts");
    for (const json& alert : answer["data"]["alerts"]) {
      if (alert["labels"]["alertname"] == "InspectorUsagedReloadFailed" &&
          alert["state"] == "firing") {
        return true;
      }
    }
    return false;
  })) << daemon_->output();
}

}  // namespace
}  // namespace usaged
