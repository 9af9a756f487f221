#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "app/backtest.h"
#include "support/raw_http.h"
#include "support/world.h"

namespace usaged::app {
namespace {

using core::kDay;
using core::kHour;
using support::get;
using support::World;
using json = nlohmann::json;

json alerts(const Daemon& daemon) {
  return json::parse(get(daemon.port(), "/api/v1/alerts"))["data"];
}

// 70 days of polls every six hours of one account, in which one day's usage is eight times the
// usual.
TEST(SpikeRule, FiresOnTheDayAndNeitherForItsEchoNorTwice) {
  World world;
  world.options.organization.regions = {"us-east-1"};
  world.config.collection.interval = 6 * kHour;
  world.config.rules[0].increase_amount = 0.1;
  world.config.rules[0].types = {"LAMBDA_FUNCTION_HOURS"};
  const core::Time start = core::midnight(core::day_of(world.clock.now()));
  const core::Time from = start + 35 * kDay;
  const sim::Organization organization(world.options.organization);
  int member = 0;  // from before the first poll until after the last
  while (!organization.is_member(member, start - 60 * kDay) ||
         !organization.is_member(member, start + 80 * kDay)) {
    ++member;
  }
  const std::string& account = organization.account_ids()[static_cast<std::size_t>(member)];
  world.options.organization.surges = {
      {account, "us-east-1", "LAMBDA_FUNCTION_HOURS", from, from + kDay, 8}};
  world.start_simulator();
  Daemon& daemon = world.start_daemon();
  for (int step = 0; step <= 70 * 4; ++step) {
    world.clock.set(start + step * 6 * kHour);
    daemon.step();
  }
  // The organization has spikes of its own; none else is this gross.
  std::vector<json> gross;
  for (const json& alert : alerts(daemon)) {
    if (alert["labels"]["account_id"] == account && !alert["details"].is_null() &&
        alert["details"]["value"].get<double>() > 4 * alert["details"]["expected"].get<double>()) {
      gross.push_back(alert);
    }
  }
  ASSERT_EQ(gross.size(), 1U) << alerts(daemon).dump(2);
  const json& alert = gross[0];
  EXPECT_EQ(alert["rule"], "cost-spike");
  EXPECT_EQ(alert["state"], "resolved");
  const std::string fired = alert["starts_at"];
  EXPECT_GT(fired, core::format_time(from));
  EXPECT_LE(fired, core::format_time(from + 13 * kHour));
  EXPECT_LT(alert["ends_at"].get<std::string>(), core::format_time(from + 4 * kDay));
  const json& why = alert["details"];
  EXPECT_LE(why["leaves_from"].get<std::string>(), core::format_time(from + 30 * kDay));
  EXPECT_GT(why["leaves_until"].get<std::string>(), core::format_time(from + 30 * kDay));
  EXPECT_NEAR(why["adds"].get<double>(), why["value"].get<double>() - why["expected"].get<double>(),
              1e-9);
  EXPECT_GT(alert["score"].get<double>(), 5);
  EXPECT_FALSE(why["contributors"].empty());

  // Replayed, the history raises the same alerts.
  world.daemon.reset();
  const Backtest replayed =
      backtest(world.config.database, world.config, start, start + 100 * kDay, *world.log);
  EXPECT_EQ(replayed.polls, 70 * 4 + 1);
  std::size_t same = 0;
  for (const BacktestAlert& one : replayed.alerts) {
    if (core::format_time(*one.alert.starts_at) != fired) continue;
    ++same;
    EXPECT_NEAR(one.value, why["value"].get<double>(), 1e-6);
    EXPECT_NEAR(one.baseline, why["expected"].get<double>(), 1e-6);
  }
  EXPECT_EQ(same, 1U);
}

}  // namespace
}  // namespace usaged::app
