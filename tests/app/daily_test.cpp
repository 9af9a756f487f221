// Days rebuilt from what the collector stored, against what the simulated organization used.
#include <gmock/gmock.h>

#include "app/collector.h"
#include "store/days.h"
#include "support/world.h"

namespace usaged::app {
namespace {

using core::DayTag;
using core::kDay;
using core::kHour;
using support::World;

TEST(DailyUsage, HoldsWhatTheOrganizationUsedAndBecomesExact) {
  World world(12);
  world.options.organization.regions = {"us-east-1"};
  world.start_simulator();
  world.config.targets[0].interval = 4 * kHour;
  store::Store store(world.config.database);
  web::Counters counters;
  const auto from = world.daemon_world();
  Claims claims;
  Collector collector(world.config, {store, world.clock, counters, *world.stop, *world.stop, claims,
                                     *world.log, from.environment, nullptr});
  const core::Time start = world.clock.now();
  int polls = 0;
  for (core::Time t = start; t < start + 100 * kDay; t += 4 * kHour) {
    if (++polls % 50 == 0) continue;  // one in fifty is missed
    world.clock.set(t);
    for (const PollResult& result : collector.poll_due()) {
      ASSERT_EQ(result.outcome, core::Outcome::kOk) << result.error;
    }
  }
  store::Reader reader(world.config.database);
  store::Question question;
  question.group_by = {"account", "type"};
  question.metric = core::Metric::kTotal;
  const auto answer = daily(reader, question, start, world.clock.now(), world.clock.now());
  ASSERT_GT(answer.lines.size(), 30U);
  int exact = 0;
  int known = 0;
  double off = 0;  // of the estimates, and of the 30-day mean in their stead
  double total = 0;
  for (const store::DailyLine& line : answer.lines) {
    const std::string type = line.group.labels.at("usage_type");
    const auto account = world.simulator->organization().find(line.group.labels.at("account_id"));
    for (std::size_t i = 0; i < answer.days.size(); ++i) {
      if (!line.days[i]) continue;
      const core::Time day = core::midnight(answer.days[i]);
      const double used = world.simulator->organization().daily(*account, "us-east-1", type, day);
      const double tolerance = line.group.unit == core::Unit::kHours ? 1e-3 : 25;
      ASSERT_GE(used, line.days[i]->low - tolerance) << type << ", day " << i;
      ASSERT_LE(used, line.days[i]->high.value_or(1e300) + tolerance) << type << ", day " << i;
      ++known;
      off += std::abs(line.days[i]->estimate.value_or(0) - used) / std::max(1.0, used);
      total += 1;
      exact += line.days[i]->tag == DayTag::kExact ? 1 : 0;
      ASSERT_TRUE(line.days[i]->tag != DayTag::kExact ||
                  std::abs(*line.days[i]->estimate - used) <= tolerance)
          << type << ", day " << i << ": " << *line.days[i]->estimate << " is not " << used;
    }
  }
  EXPECT_GT(known, 3000);
  RecordProperty("exact_percent", 100 * exact / known);
  RecordProperty("mean_error_percent", static_cast<int>(100 * off / total));
}

}  // namespace
}  // namespace usaged::app
