#include "store/echo.h"

#include <gtest/gtest.h>

#include "store/export.h"
#include "store/store.h"
#include "support/database.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

using core::kDay;
using core::kHour;
using core::Time;

const Time kEchoStart = core::from_unix(1769904000);  // 2026-02-01
const std::string kEchoType = "EC2_INSTANCE_HOURS";

// 10 a day from the first on, but 100 on the tenth day; the account was there before.
class EchoTest : public ::testing::Test {
 protected:
  EchoTest() {
    store_.set_accounts({{"111111111111", {"Shop", {{"team", "red"}}}}});
    for (Time t = kEchoStart - 12 * kHour; t < kEchoStart + 45 * kDay; t += 6 * kHour) {
      std::vector<core::UsageTotal> totals{support::usage("111111111111", "OTHER", 1, 1)};
      if (t > kEchoStart) {
        const double sum = sum_at(t);
        totals.push_back(support::usage("111111111111", kEchoType, sum, 2 * sum));
      }
      const auto id = store_.begin_poll("t", "eu-west-1", t, 6 * kHour, t);
      store_.finish_poll(id, {totals, {}}, {t, core::Outcome::kOk, 1, 1, "", ""});
      store_.settle("t", "eu-west-1", t);
    }
    store_.sum_days();
  }
  static double used(double days) {  // from the start on, spread evenly over each day
    return 10 * days + 90 * std::clamp(days - 10, 0.0, 1.0);
  }
  static double sum_at(Time t) {
    const double days = static_cast<double>((t - kEchoStart).count()) / 86400;
    return used(days) - used(std::max(0.0, days - 30));
  }
  Question question(core::Metric metric = core::Metric::kTotal) {
    Question one;
    one.filter.types = {kEchoType};
    one.metric = metric;
    return one;
  }

  support::TempFolder folder_;
  Store store_{support::database_in(folder_)};
  Reader reader_{store_.path()};
};

TEST_F(EchoTest, TheFallAfterThirtyDaysIsExplained) {
  const Time end = kEchoStart + 41 * kDay;
  const EchoAnswer answer = echo(reader_, question(), end - kDay, end, kEchoStart + 45 * kDay);
  ASSERT_EQ(answer.rows.size(), 1U);
  const EchoRow& row = answer.rows[0];
  EXPECT_NEAR(*row.delta.change, -90, 1e-6);
  ASSERT_TRUE(row.echo);
  EXPECT_NEAR(*row.echo->left.estimate, 100, 1e-3);
  EXPECT_NEAR(*row.echo->entered.estimate, 10, 1e-3);
  EXPECT_NEAR(*row.echo->echo, -90, 1e-3);
  EXPECT_NEAR(*row.echo->fresh, 0, 1e-3);
}

TEST_F(EchoTest, WhatWillLeaveIsSaidWithItsDay) {
  const Time end = kEchoStart + 20 * kDay;
  const EchoAnswer answer = echo(reader_, question(core::Metric::kCost), end - kDay, end, end);
  ASSERT_EQ(answer.rows.size(), 1U);
  const auto& leaving = answer.rows[0].leaving;
  ASSERT_EQ(leaving.size(), 30U);
  const std::int64_t spike = core::day_of(kEchoStart) + 10;
  int above = 0;
  for (const Leaving& day : leaving) {
    if (!day.above_usual || *day.above_usual < 1) continue;
    ++above;
    EXPECT_EQ(day.on, spike + 30);
    EXPECT_NEAR(*day.usage->estimate, 200, 1e-3);
    EXPECT_NEAR(*day.above_usual, 180, 1e-3);
  }
  EXPECT_EQ(above, 1);
  EXPECT_FALSE(leaving.front().usage);  // before the first poll
}

TEST_F(EchoTest, AShareOfADayCounts) {
  const Time end = kEchoStart + 40 * kDay + 12 * kHour;
  const EchoAnswer answer = echo(reader_, question(), end - 6 * kHour, end, kEchoStart + 45 * kDay);
  EXPECT_NEAR(*answer.rows.at(0).echo->left.estimate, 25, 1e-3);
}

TEST_F(EchoTest, ChargesAreTheDaysOfEachSeries) {
  std::vector<core::Charge> charges;
  const auto unknown = each_charge(reader_, question().filter, kEchoStart, kEchoStart + 20 * kDay,
                                   kEchoStart + 45 * kDay,
                                   [&](const core::Charge& charge) { charges.push_back(charge); });
  EXPECT_EQ(unknown, 0);
  ASSERT_EQ(charges.size(), 21U);
  EXPECT_NEAR(charges[10].cost, 200, 1e-3);
  EXPECT_NEAR(*charges[10].usage, 100, 1e-3);
  EXPECT_EQ(charges[10].tag, "exact");
  EXPECT_EQ(charges[10].account_name, "Shop");
  EXPECT_EQ(charges[10].tags.at("team"), "red");
  EXPECT_EQ(charges[10].day, core::day_of(kEchoStart) + 10);
  // The day that runs is not over.
  charges.clear();
  each_charge(reader_, question().filter, kEchoStart, kEchoStart + 20 * kDay,
              kEchoStart + 20 * kDay + kHour,
              [&](const core::Charge& charge) { charges.push_back(charge); });
  EXPECT_EQ(charges.size(), 20U);
}

TEST_F(EchoTest, RecordsAreFilteredAsQuestionsAre) {
  const auto count = [&](const Filter& filter) {
    int records = 0;
    each_record(reader_, filter, kEchoStart, kEchoStart + kDay, [&](const core::Record& record) {
      EXPECT_GE(record.taken_at, kEchoStart);
      ++records;
    });
    return records;
  };
  EXPECT_EQ(count({}), 5 + 4);
  EXPECT_EQ(count(question().filter), 4);
  Filter filter;
  filter.targets = {"other"};
  EXPECT_EQ(count(filter), 0);
  filter = {};
  filter.tags["team"] = {"red"};
  EXPECT_EQ(count(filter), 9);
  filter.tags["team"] = {""};
  EXPECT_EQ(count(filter), 0);
}

}  // namespace
}  // namespace usaged::store
