#include "core/behaviour.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

namespace usaged::core {
namespace {

// What a series of daily usage says after so many days, by one of the three ways to total it.
using Totals = std::function<double(const std::vector<double>& daily, int day)>;

double rolling(const std::vector<double>& daily, int day) {
  double sum = 0;
  for (int i = std::max(0, day - 29); i <= day; ++i) sum += daily[static_cast<std::size_t>(i)];
  return sum;
}

double resetting(const std::vector<double>& daily, int day) {
  double sum = 0;
  for (int i = day - day % 30; i <= day; ++i) sum += daily[static_cast<std::size_t>(i)];
  return sum;
}

// A month at the rate of the day.
double projected(const std::vector<double>& daily, int day) {
  return 30 * daily[static_cast<std::size_t>(day)];
}

// Eight accounts with weekends, noise and a spike, of which two begin on day 20.
BehaviourVerdict observe(const Totals& totals, int days, BehaviourEvidence evidence = {}) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> noise(0.9, 1.1);
  std::vector<std::vector<double>> accounts(8);
  for (std::size_t account = 0; account < accounts.size(); ++account) {
    for (int day = 0; day < days; ++day) {
      const bool weekend = day % 7 >= 5;
      const bool begun = account < 6 || day >= 20;
      const double spike = account == 0 && day == 25 ? 8 : 1;
      accounts[account].push_back(begun ? 24 * (weekend ? 0.6 : 1) * spike * noise(random) : 0);
    }
  }
  for (int day = 1; day < days; ++day) {
    BehaviourPair pair;
    for (std::size_t account = 0; account < accounts.size(); ++account) {
      const double before = totals(accounts[account], day - 1);
      if (before == 0 && account >= 6 && day <= 20) continue;
      pair.add(before, totals(accounts[account], day), account < 6 ? -1 : day - 19, 1);
    }
    evidence = faded(evidence, kDay);
    pair.add_to(evidence);
  }
  return judge(evidence);
}

TEST(Behaviour, IsSeenFromWhatTheNumbersDo) {
  for (const int days : {45, 90, 200}) {
    EXPECT_EQ(observe(rolling, days).behaviour, Behaviour::kRolling) << days;
    EXPECT_EQ(observe(projected, days).behaviour, Behaviour::kProjected) << days;
    EXPECT_EQ(observe(resetting, days).behaviour, Behaviour::kResetting) << days;
  }
}

TEST(Behaviour, IsNotGuessedFromTooLittle) {
  EXPECT_EQ(judge({}).behaviour, Behaviour::kUnknown);
  EXPECT_EQ(observe(rolling, 2).behaviour, Behaviour::kUnknown);
  EXPECT_EQ(observe(resetting, 15).behaviour, Behaviour::kUnknown);
  EXPECT_FALSE(judge({}).reason.empty());
}

TEST(Behaviour, OneSeriesThatEndsIsNoReset) {
  BehaviourEvidence evidence;
  for (int day = 0; day < 30; ++day) {
    BehaviourPair pair;
    for (int series = 0; series < 5; ++series) pair.add(100, series == 0 ? 1 : 98, -1, 1);
    pair.add_to(evidence);
  }
  EXPECT_EQ(evidence.resets, 0);
  EXPECT_EQ(judge(evidence).behaviour, Behaviour::kRolling);
}

TEST(Behaviour, EvidenceLosesHalfItsWeightInAMonth) {
  const BehaviourEvidence half = faded({8, 2, 4, 6, 10, 12, 14}, 30 * kDay);
  EXPECT_DOUBLE_EQ(half.days, 4);
  EXPECT_DOUBLE_EQ(half.resets, 1);
  EXPECT_DOUBLE_EQ(half.flat, 7);
  EXPECT_DOUBLE_EQ(faded({8, 2, 4, 6, 10, 12, 14}, -kDay).days, 8);  // a clock set back
}

TEST(Behaviour, NamesAreReadBack) {
  for (const Behaviour behaviour :
       {Behaviour::kUnknown, Behaviour::kRolling, Behaviour::kResetting, Behaviour::kProjected}) {
    EXPECT_EQ(parse_behaviour(behaviour_name(behaviour)), behaviour);
  }
  EXPECT_EQ(parse_behaviour("nonsense"), Behaviour::kUnknown);
}

}  // namespace
}  // namespace usaged::core
