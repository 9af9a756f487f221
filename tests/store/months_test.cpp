#include "store/months.h"

#include <gtest/gtest.h>

#include "store/store.h"
#include "support/database.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

using core::kDay;
using core::kHour;
using core::Time;
using namespace std::chrono_literals;

// 2026-01-01, and a series that began then with 10 USD a day.
const Time kBegin = core::from_unix(1767225600);

class MonthsTest : public ::testing::Test {
 protected:
  void poll_until(Time end, double daily = 10) {
    for (Time t = kBegin; t < end; t += 6 * kHour) {
      const double days = static_cast<double>((t - kBegin).count()) / 86400;
      const auto id = store_.begin_poll("t", "eu-west-1", t, 6 * kHour, t);
      std::vector<core::UsageTotal> totals{support::usage("111111111111", "OLD", 1, 0.0)};
      if (days > 0) {
        const double sum = daily * std::min(days, 30.0);
        totals.push_back(support::usage("111111111111", "EC2_INSTANCE_HOURS", sum, sum));
      }
      store_.finish_poll(id, {totals, {}}, {t, core::Outcome::kOk, 1, 1, "", ""});
      store_.settle("t", "eu-west-1", t);
      store_.sum_days();
    }
  }
  std::vector<MonthRow> ask(int count, Time now, std::optional<double> budget = std::nullopt) {
    Reader reader(store_.path());
    Question question;
    question.filter.types = {"EC2_INSTANCE_HOURS"};
    return months(reader, question, count, budget, now).lines.at(0).months;
  }

  support::TempFolder folder_;
  Store store_{support::database_in(folder_)};
};

TEST_F(MonthsTest, SumTheirDaysAndTheRunningOneIsProjected) {
  const Time now = kBegin + 70 * kDay;  // 12 March, nothing of it yet
  poll_until(now + kHour);
  const auto rows = ask(3, now, 205);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].month, std::chrono::year{2026} / 1);
  EXPECT_EQ(rows[0].sum.days, 31);
  EXPECT_NEAR(*rows[0].sum.estimate, 310, 1e-6);
  EXPECT_NEAR(rows[0].sum.low, 310, 1e-6);
  EXPECT_NEAR(*rows[0].sum.high, 310, 1e-6);
  EXPECT_FALSE(rows[0].projected);
  EXPECT_EQ(rows[1].days_in_month, 28);
  EXPECT_NEAR(*rows[1].sum.estimate, 280, 1e-6);
  EXPECT_EQ(rows[2].sum.days, 11);
  EXPECT_NEAR(*rows[2].sum.estimate, 110, 1e-6);
  ASSERT_TRUE(rows[2].projected);
  EXPECT_NEAR(rows[2].projected->expected, 310, 1e-3);
  EXPECT_LE(rows[2].projected->low, rows[2].projected->expected);
  EXPECT_GE(rows[2].projected->high, rows[2].projected->expected);
  // 205 are passed in the course of the 21st, which the forecast tells.
  ASSERT_TRUE(rows[2].budget_passed);
  EXPECT_EQ(*rows[2].budget_passed, std::chrono::sys_days(2026y / 3 / 21));
  EXPECT_EQ(*ask(1, now, 35)[0].budget_passed, std::chrono::sys_days(2026y / 3 / 4));
  EXPECT_FALSE(ask(1, now, 1000)[0].budget_passed);
}

TEST_F(MonthsTest, WithTooLittleHistoryNothingIsProjected) {
  const Time now = kBegin + 10 * kDay;
  poll_until(now + kHour);
  const auto rows = ask(1, now, 50);
  EXPECT_EQ(rows[0].sum.days, 10);
  EXPECT_FALSE(rows[0].projected);
  EXPECT_FALSE(rows[0].budget_passed);
}

TEST_F(MonthsTest, AMonthOfWhichNothingIsKnownIsNotZero) {
  const Time now = kBegin + 40 * kDay;
  poll_until(now + kHour);
  const auto rows = ask(4, now);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].sum.days, 0);
  EXPECT_FALSE(rows[0].sum.estimate);
  EXPECT_FALSE(rows[0].sum.high);
  EXPECT_NEAR(*rows[2].sum.estimate, 310, 1e-6);
}

TEST_F(MonthsTest, OnTheFirstOfAMonthItIsAllForecast) {
  const Time now = kBegin + 59 * kDay;  // 1 March
  poll_until(now + kHour);
  const auto rows = ask(2, now);
  EXPECT_EQ(rows[1].sum.days, 0);
  EXPECT_NEAR(rows[1].projected->expected, 310, 1e-3);
}

}  // namespace
}  // namespace usaged::store
