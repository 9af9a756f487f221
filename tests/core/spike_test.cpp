#include "core/spike.h"

#include <gtest/gtest.h>

#include <cmath>

namespace usaged::core {
namespace {

constexpr std::int64_t kMonday = 20514;  // 2026-03-02

// So many days from a Monday on, each known exactly.
std::vector<UsageDay> days(const std::vector<double>& usages) {
  std::vector<UsageDay> result;
  for (std::size_t i = 0; i < usages.size(); ++i) {
    result.push_back({kMonday + static_cast<std::int64_t>(i), {usages[i], usages[i], usages[i]}});
  }
  return result;
}

std::vector<UsageDay> steady(std::size_t count, double usage = 100) {
  std::vector<double> usages;
  for (std::size_t i = 0; i < count; ++i)
    usages.push_back(usage * (1 + (i % 2 == 0 ? 0.01 : -0.01)));
  return days(usages);
}

Part known_part(double value) { return {value, value, value}; }

SpikeJudgement judge(const std::vector<UsageDay>& history, double before, double change,
                     const Part& left, double largest_step = 0) {
  const Time to = midnight(history.back().day + 1);
  return judge_spike(*make_baseline(history), {}, to - kDay, to, before, before + change, left, 0,
                     largest_step);
}

TEST(Baseline, NeedsTwoDaysAfterTheFirst) {
  EXPECT_FALSE(make_baseline({}));
  EXPECT_FALSE(make_baseline(steady(2)));
  ASSERT_TRUE(make_baseline(steady(3)));
  EXPECT_EQ(make_baseline(steady(3))->days, 2);
  // A trial's days cost nothing, and are no usual.
  std::vector<double> trial(15, 0.0);
  trial.insert(trial.end(), 5, 100.0);
  EXPECT_NEAR(make_baseline(days(trial))->level, 100, 1);
}

TEST(Baseline, KnowsWeekends) {
  std::vector<double> usages;
  for (int i = 0; i < 56; ++i) usages.push_back(i % 7 >= 5 ? 50 : 100);
  const auto baseline = make_baseline(days(usages));
  EXPECT_NEAR(baseline->expected(midnight(kMonday + 56), midnight(kMonday + 57)), 100, 8);
  EXPECT_NEAR(baseline->expected(midnight(kMonday + 61), midnight(kMonday + 62)), 50, 8);
  // From noon to noon it is half of each.
  EXPECT_NEAR(
      baseline->expected(midnight(kMonday + 60) + 12 * kHour, midnight(kMonday + 61) + 12 * kHour),
      75, 8);
}

TEST(Baseline, AStepIsUsualAfterFiveDaysAndADipIsNot) {
  std::vector<double> usages(40, 100.0);
  usages.insert(usages.end(), 4, 200.0);
  EXPECT_NEAR(make_baseline(days(usages))->level, 100, 8);
  usages.push_back(200);
  EXPECT_NEAR(make_baseline(days(usages))->level, 200, 16);
  std::vector<double> dip(40, 100.0);
  dip.insert(dip.end(), 9, 10.0);
  EXPECT_NEAR(make_baseline(days(dip))->level, 100, 8);
}

TEST(Spike, FiresJustOverItsThresholdAndNotJustBelow) {
  const auto history = steady(60);
  const SpikeJudgement calm = judge(history, 3000, 0, known_part(100));
  EXPECT_FALSE(calm.firing);
  EXPECT_TRUE(calm.calm);
  EXPECT_NEAR(calm.expected, 100, 3);
  const double over = calm.threshold - calm.expected;
  EXPECT_NEAR(over, 50, 3);  // the least percent
  EXPECT_FALSE(judge(history, 3000, over * 0.97, known_part(100)).firing);
  const SpikeJudgement spike = judge(history, 3000, over * 1.05, known_part(100));
  EXPECT_TRUE(spike.firing);
  EXPECT_EQ(spike.confidence, Confidence::kHigh);
  EXPECT_GT(spike.score, 5);
  EXPECT_FALSE(judge(history, 3000, over * 0.6, known_part(100)).calm);  // half way to recovery
  EXPECT_TRUE(judge(history, 3000, over * 0.4, known_part(100)).calm);
}

TEST(Spike, AnAmountTooSmallIsNone) {
  const auto history = steady(60, 2);
  EXPECT_FALSE(judge(history, 60, 4.8, known_part(2)).firing);  // three times as much, but little
  EXPECT_TRUE(judge(history, 60, 5.3, known_part(2)).firing);
}

TEST(Spike, AnEchoIsNoneButANewSpikeOnItsDayIs) {
  const auto history = steady(60);
  EXPECT_FALSE(judge(history, 3900, -900, known_part(1000)).firing);
  EXPECT_TRUE(judge(history, 3900, 0, known_part(1000)).firing);
  // What is only guessed of the unusual that left does not make a spike.
  EXPECT_FALSE(judge(history, 3900, 0, {0, std::nullopt, 1000}).firing);
  EXPECT_TRUE(judge(history, 3900, 900, {0, std::nullopt, 1000}).firing);
}

TEST(Spike, ARampIsNone) {
  // An account of 20 days: the sum grows by a day each day, and nothing leaves.
  EXPECT_FALSE(judge(steady(20), 2000, 100, known_part(0)).firing);
  EXPECT_TRUE(judge(steady(20), 2000, 200, known_part(0)).firing);
}

TEST(Spike, OneJumpOfARestatedValueIsNone) {
  const auto history = steady(60);
  EXPECT_TRUE(judge(history, 3000, 80, known_part(100), 20).firing);
  EXPECT_FALSE(judge(history, 3000, 80, known_part(100), 75).firing);
}

TEST(Spike, UsageThatComesAndGoesIsJudgedByItsPeaks) {
  std::vector<double> usages;
  for (int i = 0; i < 60; ++i) usages.push_back(i % 4 == 0 ? 100 : 0);
  usages[0] = 100;
  const auto history = days(usages);
  EXPECT_TRUE(make_baseline(history)->intermittent);
  EXPECT_FALSE(judge(history, 750, 110, known_part(0)).firing);
  EXPECT_TRUE(judge(history, 750, 160, known_part(0)).firing);
}

TEST(Spike, TheFirstDaysAreStricterAndSaySo) {
  const SpikeJudgement young = judge(steady(6), 3000, 300, known_part(100));
  EXPECT_FALSE(young.firing);
  const SpikeJudgement gross = judge(steady(6), 3000, 500, known_part(100));
  EXPECT_TRUE(gross.firing);
  EXPECT_EQ(gross.confidence, Confidence::kLow);
  EXPECT_EQ(judge(steady(20), 3000, 500, known_part(100)).confidence, Confidence::kMedium);
}

TEST(UsageByHours, PutsWhatWasUsedIntoItsHours) {
  // The last day's usage all came in its first half.
  std::vector<UsageDay> history = steady(60);
  const std::int64_t last = history.back().day;
  history.back().usage = {1000, 1000, 1000};
  const Baseline baseline = *make_baseline(history);
  const Time noon = midnight(last) + 12 * kHour;
  const double bend_noon = bend(4000, 3000, 3900, 0.5);  // the straight line has 3450
  EXPECT_DOUBLE_EQ(bend_noon, 550);
  const Part morning =
      usage_by_hours(baseline, history, midnight(last), noon, 0.0, bend_noon).usage;
  EXPECT_DOUBLE_EQ(*morning.estimate, 1050);
  const Part evening =
      usage_by_hours(baseline, history, noon, midnight(last + 1), bend_noon, 0.0).usage;
  EXPECT_DOUBLE_EQ(*evening.estimate, 0);
  // Without it, nobody knows how much: from nothing on.
  const UsageByHours open =
      usage_by_hours(baseline, history, noon, midnight(last + 1), std::nullopt, 0.0);
  EXPECT_NEAR(open.usage.low, 0, 1e-9);
  EXPECT_GT(open.doubt, *open.usage.estimate / 2);
}

}  // namespace
}  // namespace usaged::core
