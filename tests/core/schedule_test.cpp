#include "core/schedule.h"

#include <gtest/gtest.h>

namespace usaged::core {
namespace {

const Time kScheduleStart = from_unix(1772366400);

LastAttempt attempt(Time slot, Outcome outcome = Outcome::kOk, int failures = 0) {
  return {slot, slot + Seconds{5}, outcome, failures};
}

Time slot(Time t) { return slot_at("prod", "eu-west-1", kHour, t); }
Due due(const std::optional<LastAttempt>& last, Time now) {
  return next_due("prod", "eu-west-1", kHour, last, now);
}

TEST(Schedule, JitterIsStableAndSpread) {
  EXPECT_EQ(jitter("prod", "eu-west-1", kHour), jitter("prod", "eu-west-1", kHour));
  EXPECT_NE(jitter("prod", "eu-west-1", kHour), jitter("prod", "eu-west-2", kHour));
  for (int i = 0; i < 1000; ++i) {
    const Seconds j = jitter("t" + std::to_string(i), "eu-west-1", kHour);
    EXPECT_GE(j, Seconds{0});
    EXPECT_LE(j, 5 * kMinute);
    EXPECT_LE(jitter("t" + std::to_string(i), "eu-west-1", kMinute), Seconds{6});
  }
}

TEST(Schedule, SlotsAreAlignedAndBeginExactlyOnTheirSecond) {
  const Time s = slot(kScheduleStart);
  EXPECT_EQ(slot(s), s);
  EXPECT_EQ(slot(s - Seconds{1}), s - kHour);
  EXPECT_EQ(slot(s + kHour - Seconds{1}), s);
  EXPECT_EQ(slot(s + kHour), s + kHour);
}

TEST(Schedule, TheFirstIsAtOnce) {
  EXPECT_EQ(due(std::nullopt, kScheduleStart).reason, DueReason::kFirst);
  EXPECT_EQ(due(std::nullopt, kScheduleStart).at, kScheduleStart);
}

TEST(Schedule, ARestartDoesNotAskTwice) {
  const Time s = slot(kScheduleStart);
  const Due next = due(attempt(s), s + Seconds{6});
  EXPECT_EQ(next.at, s + kHour);
  EXPECT_EQ(next.reason, DueReason::kSlot);
}

TEST(Schedule, OnePollMakesUpForManyMissed) {
  const Time s = slot(kScheduleStart);
  const Due next = due(attempt(s), s + 10 * kHour + Seconds{7});
  EXPECT_EQ(next.at, s + 10 * kHour);
  EXPECT_EQ(next.slot, s + 10 * kHour);
  EXPECT_EQ(next.reason, DueReason::kCatchUp);
  EXPECT_EQ(due(attempt(next.slot), next.at + Seconds{8}).at, s + 11 * kHour);
  EXPECT_EQ(due(attempt(s), s + kHour).reason, DueReason::kSlot);
}

TEST(Schedule, FailuresWaitTwiceAsLongEachTimeUpToTheNextSlot) {
  const Time s = slot(kScheduleStart);
  const auto failed = [s](int failures) { return attempt(s, Outcome::kTimeout, failures); };
  EXPECT_EQ(due(failed(1), s + Seconds{6}).at, s + Seconds{5} + kMinute);
  EXPECT_EQ(due(failed(1), s + Seconds{6}).reason, DueReason::kRetry);
  EXPECT_EQ(due(failed(1), s + Seconds{6}).slot, s);
  EXPECT_EQ(due(failed(3), s + Seconds{6}).at, s + Seconds{5} + 4 * kMinute);
  EXPECT_EQ(due(failed(1000), s + Seconds{6}).at, s + kHour);
  EXPECT_EQ(due(failed(1000), s + Seconds{6}).reason, DueReason::kSlot);
}

TEST(Schedule, WhatWillNotGoAwayByItselfWaitsForTheNextSlot) {
  const Time s = slot(kScheduleStart);
  for (const Outcome outcome : {Outcome::kDenied, Outcome::kInvalid, Outcome::kCredentials}) {
    EXPECT_EQ(due(attempt(s, outcome, 1), s + Seconds{6}).at, s + kHour);
  }
}

TEST(Schedule, AClockSetBackDoesNotStopTheDaemonForYears) {
  const Time s = slot(kScheduleStart);
  EXPECT_EQ(due(attempt(s + 3653 * kDay), kScheduleStart).reason, DueReason::kClockSetBack);
  EXPECT_EQ(due(attempt(s + 3653 * kDay), kScheduleStart).at, kScheduleStart);
  // A day back is waited out: no slot is asked twice.
  EXPECT_EQ(due(attempt(s + kDay), kScheduleStart).at, s + kDay + kHour);
}

TEST(Schedule, OutcomesKeepTheirNames) {
  for (int i = 0; i <= static_cast<int>(Outcome::kStorage); ++i) {
    const auto outcome = static_cast<Outcome>(i);
    EXPECT_EQ(parse_outcome(outcome_name(outcome)), outcome);
  }
  EXPECT_FALSE(parse_outcome("fine"));
}

TEST(Schedule, TheBreakerOpensAfterThreeFailures) {
  EXPECT_FALSE(breaker_open(std::nullopt));
  LastAttempt last;
  last.failures = 2;
  EXPECT_FALSE(breaker_open(last));
  last.failures = 3;
  EXPECT_TRUE(breaker_open(last));
}

TEST(Schedule, WhatIsAskedDailyIsTriedAgainAnHourAfterAFailure) {
  const Time now = from_unix(1772366400);
  EXPECT_TRUE(refresh_due(std::nullopt, now));
  EXPECT_FALSE(refresh_due(LastRefresh{now - kDay + Seconds{1}, true}, now));
  EXPECT_TRUE(refresh_due(LastRefresh{now - kDay, true}, now));
  EXPECT_FALSE(refresh_due(LastRefresh{now - kHour + Seconds{1}, false}, now));
  EXPECT_TRUE(refresh_due(LastRefresh{now - kHour, false}, now));
  EXPECT_TRUE(refresh_due(LastRefresh{now + 3 * kDay, true}, now));  // a clock set back
}

}  // namespace
}  // namespace usaged::core
