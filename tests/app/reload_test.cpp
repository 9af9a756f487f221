// A daemon that goes by another configuration while it runs.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "app/daemon.h"
#include "core/error.h"
#include "support/raw_http.h"
#include "support/world.h"

namespace usaged::app {
namespace {

using core::kHour;
using support::eventually;
using support::get;
using support::World;
using ::testing::HasSubstr;
using json = nlohmann::json;

class ReloadTest : public ::testing::Test {
 protected:
  // A daemon whose next configuration is `next_`; `world_` is there.
  Daemon& start() {
    world_->start_simulator();
    next_ = world_->config;
    auto from = world_->daemon_world();
    from.configuration = [this] {
      if (!error_.empty()) throw core::Error(core::ErrorCode::kConfig, "{}", error_);
      return next_;
    };
    world_->daemon = std::make_unique<Daemon>(world_->config, from);
    return *world_->daemon;
  }
  json ask(const std::string& target) const {
    return json::parse(get(world_->daemon->port(), target))["data"];
  }
  std::size_t good_polls(const std::string& target) const {
    return ask("/api/v1/polls?outcome=ok&target=" + target).size();
  }
  static core::Rule threshold(const std::string& name) {
    core::Rule rule = core::default_rule(core::RuleKind::kThreshold, name);
    rule.limit = 0.000001;
    rule.for_polls = 1;
    return rule;
  }

  std::unique_ptr<World> world_ = std::make_unique<World>();
  core::Config next_;
  std::string error_;
};

TEST_F(ReloadTest, TargetsRulesReceiversAndHostsTakeEffect) {
  Daemon& daemon = start();
  daemon.start();
  ASSERT_TRUE(eventually([&] { return good_polls("t") == 2; }));
  core::Target other = next_.targets.front();
  other.name = "u";
  other.regions = {"us-east-1"};
  next_.targets = {other};
  next_.rules = {threshold("any")};
  core::Receiver& receiver = next_.receivers.emplace_back();
  receiver.name = "hook";
  receiver.url = world_->simulator->url() + "/webhook";
  receiver.group_wait = core::Seconds{0};
  next_.accounts["111111111111"] = {"named", {}};
  next_.http.allowed_hosts = {"usage.example.com"};
  next_.log.level = "error";
  const std::string host =
      "GET /-/healthy HTTP/1.1\r\nHost: usage.example.com\r\n"
      "Connection: close\r\n\r\n";
  EXPECT_EQ(support::status_of(support::raw_http(daemon.port(), host)), 421);

  daemon.reload();
  EXPECT_EQ(support::status_of(support::raw_http(daemon.port(), host)), 200);
  EXPECT_EQ(world_->log->level(), spdlog::level::err);
  EXPECT_EQ(ask("/api/v1/rules").at(0)["name"], "any");
  EXPECT_EQ(ask("/api/v1/accounts?account=111111111111").at(0)["name"], "named");
  ASSERT_TRUE(eventually([&] { return good_polls("u") == 1; }));
  ASSERT_TRUE(eventually([&] { return !ask("/api/v1/notifications?state=delivered").empty(); }));
  for (const json& target : ask("/api/v1/targets")) {
    EXPECT_EQ(target["state"], target["target"] == "u" ? "ok" : "removed") << target;
  }
  // What is gone is asked no more.
  world_->clock.set(world_->clock.now() + kHour);
  ASSERT_TRUE(eventually([&] { return good_polls("u") == 2; }));
  EXPECT_EQ(good_polls("t"), 2U);
}

TEST_F(ReloadTest, ABadConfigurationChangesNothingAndIsShown) {
  Daemon& daemon = start();
  daemon.start();
  ASSERT_TRUE(eventually([&] { return good_polls("t") == 2; }));
  EXPECT_TRUE(ask("/api/v1/status")["configuration"]["error"].is_null());
  const std::string read_at = ask("/api/v1/status")["configuration"]["read_at"];
  world_->clock.set(world_->clock.now() + kHour);
  error_ = "c.yaml:3:1: tragets: unknown";
  next_.targets.clear();
  EXPECT_THROW(daemon.reload(), core::Error);
  EXPECT_EQ(ask("/api/v1/status")["configuration"]["error"], error_);
  EXPECT_EQ(ask("/api/v1/status")["configuration"]["read_at"], read_at);
  EXPECT_THAT(get(daemon.port(), "/metrics"),
              HasSubstr("inspector_usaged_config_last_reload_successful 0\n"));
  EXPECT_THAT(daemon.status_line(), HasSubstr("the last reload failed"));
  ASSERT_TRUE(eventually([&] { return good_polls("t") == 4; }));

  // What takes a restart is refused whole.
  error_.clear();
  next_ = world_->config;
  next_.rules = {};
  next_.http.port = 1;
  try {
    daemon.reload();
    FAIL();
  } catch (const core::Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("http.port: has changed, which takes a restart"));
  }
  EXPECT_FALSE(ask("/api/v1/rules").empty());

  next_.http.port = world_->config.http.port;
  daemon.reload();
  EXPECT_TRUE(ask("/api/v1/status")["configuration"]["error"].is_null());
  EXPECT_TRUE(ask("/api/v1/rules").empty());
  EXPECT_THAT(get(daemon.port(), "/metrics"),
              HasSubstr("inspector_usaged_config_last_reload_successful 1\n"));
}

// The simulator holds the first answer back while the configuration is read anew, several times.
TEST_F(ReloadTest, APollUnderWayEndsInPeaceAndIsNotAskedTwice) {
  world_ = std::make_unique<World>(
      10, "faults:\n  - {kind: hang, region: us-east-1, count: 1, duration: 6s}\n");
  Daemon& daemon = start();
  next_.rules = {};
  daemon.start();
  ASSERT_TRUE(eventually([&] { return !ask("/api/v1/polls?outcome=running").empty(); }));
  for (int i = 0; i < 3; ++i) daemon.reload();
  // Due again, for whoever does not know that it is being asked.
  world_->clock.set(world_->clock.now() + kHour);
  ASSERT_TRUE(eventually([&] { return ask("/api/v1/polls?region=eu-central-1").size() == 2; }));
  std::this_thread::sleep_for(std::chrono::milliseconds{1500});
  const json polls = ask("/api/v1/polls?region=us-east-1");
  EXPECT_EQ(polls.size(), 1U);
  EXPECT_EQ(polls.at(0)["outcome"], "running");
  ASSERT_TRUE(eventually([&] { return good_polls("t") == 4; }));
  EXPECT_EQ(ask("/api/v1/polls").size(), 4U);
}

TEST_F(ReloadTest, ADaemonThatStopsWhileAPollEndsDoesNotWaitForIt) {
  world_ = std::make_unique<World>(
      10, "faults:\n  - {kind: hang, region: us-east-1, count: 1, duration: 60s}\n");
  Daemon& daemon = start();
  daemon.start();
  ASSERT_TRUE(eventually([&] { return !ask("/api/v1/polls?outcome=running").empty(); }));
  daemon.reload();
  const auto began = std::chrono::steady_clock::now();
  world_->stop->request();
  world_->daemon.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds{20});
}

}  // namespace
}  // namespace usaged::app
