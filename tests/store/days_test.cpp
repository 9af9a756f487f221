#include "store/days.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "store/store.h"
#include "support/database.h"
#include "support/samples.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

using core::DayTag;
using core::kDay;
using core::kHour;
using core::Outcome;
using core::Seconds;
using core::Time;
using support::usage;

const Time kMidnight = core::from_unix(1772323200);  // 2026-03-01
const std::string kDaysType = "EC2_INSTANCE_HOURS";

class DaysTest : public ::testing::Test {
 protected:
  void poll(Time t, const std::vector<core::UsageTotal>& totals,
            const std::string& region = "eu-west-1", const std::string& target = "t") {
    const auto id = store_.begin_poll(target, region, t, kHour, t);
    store_.finish_poll(id, {totals, {}}, {t, Outcome::kOk, 1, 1, "", ""});
    store_.settle(target, region, t);
    store_.sum_days();
  }
  // The sum of 30 days of so much a day, begun at the first midnight.
  static double sum(double daily, Time t) {
    return daily * std::min(30.0, static_cast<double>((t - kMidnight).count()) / 86400.0);
  }
  DailyAnswer ask(const Dimensions& group_by, Time now,
                  core::Metric metric = core::Metric::kTotal) {
    Question question;
    question.group_by = group_by;
    question.metric = metric;
    Reader reader(path_);
    return daily(reader, question, kMidnight, now, now);
  }

  support::TempFolder folder_;
  std::string path_ = support::database_in(folder_);
  Store store_{path_};
};

TEST_F(DaysTest, SettlesEachDayOnceAndEverySampleStaysAsItIs) {
  const auto blocks = [&](int level) {
    return Reader(path_).db().integer("SELECT count(*) FROM sample_block WHERE level = " +
                                      std::to_string(level));
  };
  const auto samples = [&] {
    auto rows = support::sample_rows(path_);
    std::erase_if(rows, [](const support::SampleRow& row) { return row.poll > 3; });
    return rows;
  };
  poll(kMidnight + kHour, {usage("111111111111", kDaysType, 5, 1)});
  poll(kMidnight + 9 * kHour, {usage("111111111111", kDaysType, 9, std::nullopt)});
  poll(kMidnight + 23 * kHour, {usage("111111111111", kDaysType, 7, 3),
                                usage("222222222222", kDaysType, std::nullopt, std::nullopt)});
  EXPECT_EQ(blocks(1), 0);  // it is not over
  const auto before = samples();
  EXPECT_THAT(before,
              ::testing::ElementsAre(support::SampleRow{1, 1, 5, 1, false},
                                     support::SampleRow{2, 1, 9, std::nullopt, false},
                                     support::SampleRow{3, 1, 7, 3, false},
                                     support::SampleRow{3, 2, std::nullopt, std::nullopt, false}));
  poll(kMidnight + 25 * kHour, {});
  EXPECT_EQ(blocks(1), 1);
  EXPECT_EQ(blocks(0), 1);
  EXPECT_EQ(samples(), before);
  EXPECT_EQ(store_.settle("t", "eu-west-1", kMidnight + 30 * kHour), 0);
  EXPECT_EQ(store_.settle("t", "eu-west-1", kMidnight + 50 * kHour), 1);
}

TEST_F(DaysTest, ASeriesThatItsAccountBeganLaterIsExactAndGroupsAddUp) {
  const Time begins = kMidnight + 5 * kDay;
  for (Time t = kMidnight; t < kMidnight + 12 * kDay; t += 6 * kHour) {
    std::vector<core::UsageTotal> totals{usage("111111111111", "ECR_RESCAN", 100, 1)};
    const double days = static_cast<double>((t - begins).count()) / 86400;
    if (days > 0) totals.push_back(usage("111111111111", kDaysType, 24 * days, 2 * days));
    poll(t, totals);
  }
  const auto answer = ask({"type"}, kMidnight + 12 * kDay);
  ASSERT_EQ(answer.lines.size(), 2U);
  EXPECT_EQ(answer.days.size(), 12U);
  const auto& line = answer.lines[0];
  EXPECT_EQ(line.group.labels.at("usage_type"), kDaysType);
  EXPECT_FALSE(line.days[4]);
  for (std::size_t i = 5; i < 11; ++i) {
    ASSERT_TRUE(line.days[i]) << i;
    EXPECT_EQ(line.days[i]->tag, DayTag::kExact) << i;
    EXPECT_NEAR(*line.days[i]->estimate, 24, 1e-6) << i;
  }
  // The other began before we did: only bounds are known of it, and of their sum.
  EXPECT_EQ(answer.lines[1].days[6]->tag, DayTag::kBounded);
  const auto cost = ask({}, kMidnight + 12 * kDay, core::Metric::kCost);
  ASSERT_EQ(cost.lines.size(), 1U);
  EXPECT_EQ(cost.lines[0].days[6]->tag, DayTag::kBounded);
  EXPECT_LE(cost.lines[0].days[6]->low, 2);
  EXPECT_GE(*cost.lines[0].days[6]->high, 2);
}

TEST_F(DaysTest, ADayThatNobodyAskedIsAGapAndOneThatIsNotOverIsLeftOut) {
  for (Time t = kMidnight; t < kMidnight + 10 * kDay; t += 6 * kHour) {
    if (t >= kMidnight + 4 * kDay && t < kMidnight + 6 * kDay) continue;
    poll(t, {usage("111111111111", kDaysType, sum(24, t), 1)});
  }
  const Time now = kMidnight + 9 * kDay + 20 * kHour;
  const auto answer = ask({}, now);
  EXPECT_EQ(answer.days.size(), 9U);
  ASSERT_EQ(answer.lines.size(), 1U);
  EXPECT_EQ(answer.lines[0].days[4]->tag, DayTag::kGap);
  EXPECT_EQ(answer.lines[0].days[5]->tag, DayTag::kGap);
  EXPECT_NEAR(*answer.lines[0].days[4]->estimate + *answer.lines[0].days[5]->estimate, 48, 1e-6);
  EXPECT_FALSE(answer.completeness.gaps.empty());
}

TEST_F(DaysTest, WhatCanNotBeAskedIsSaid) {
  Reader reader(path_);
  Question question;
  EXPECT_THROW(daily(reader, question, kMidnight, kMidnight - kDay, kMidnight), core::Error);
  EXPECT_THROW(daily(reader, question, kMidnight, kMidnight + 1200 * kDay, kMidnight + 1300 * kDay),
               core::Error);
}

TEST_F(DaysTest, OfATargetAreTheSeriesThatItHasSeen) {
  for (Time t = kMidnight; t < kMidnight + 5 * kDay; t += 6 * kHour) {
    poll(t,
         {usage("111111111111", kDaysType, sum(24, t), 1),
          usage("222222222222", kDaysType, sum(2, t), 1)},
         "eu-west-1", "t");
    poll(t + kHour, {usage("222222222222", kDaysType, sum(2, t), 1)}, "eu-west-1", "u");
  }
  const Time now = kMidnight + 5 * kDay;
  EXPECT_EQ(ask({}, now).lines.size(), 1U);
  const auto by_target = ask({"target"}, now);
  ASSERT_EQ(by_target.lines.size(), 2U);
  const auto low = [](const DailyLine& line) { return line.days.at(3)->low; };
  EXPECT_EQ(by_target.lines[0].group.labels.at("target"), "t");
  EXPECT_NEAR(low(by_target.lines[0]), low(ask({}, now).lines[0]), 1e-9);
  Question question;
  question.metric = core::Metric::kTotal;
  question.filter.targets = {"u"};
  Reader reader(path_);
  const auto of_target = daily(reader, question, kMidnight, now, now);
  ASSERT_EQ(of_target.lines.size(), 1U);
  EXPECT_EQ(low(of_target.lines[0]), low(by_target.lines[1]));
  question.filter.targets = {"other"};
  EXPECT_TRUE(daily(reader, question, kMidnight, now, now).lines.empty());
}

}  // namespace
}  // namespace usaged::store
