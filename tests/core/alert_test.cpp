#include "core/alert.h"

#include <gtest/gtest.h>

#include "core/delta.h"

namespace usaged::core {
namespace {

const Time kAlertStart = from_unix(1772366400);

ValueAt value(double v) { return {Presence::kPresent, v}; }
const ValueAt kAbsent{Presence::kAbsent, std::nullopt};
const ValueAt kUnknown{Presence::kUnknown, std::nullopt};
const ValueAt kNull{Presence::kPresent, std::nullopt};

TEST(Delta, CountsWhatIsKnownAndNothingElse) {
  const Delta rise = delta(value(80), value(100));
  EXPECT_EQ(rise.status, DeltaStatus::kChanged);
  EXPECT_EQ(rise.change, 20);
  EXPECT_EQ(rise.percent, 25);
  EXPECT_EQ(delta(value(5), value(5)).status, DeltaStatus::kUnchanged);
  const Delta fresh = delta(kAbsent, value(7));
  EXPECT_EQ(fresh.status, DeltaStatus::kNew);
  EXPECT_EQ(fresh.change, 7);
  EXPECT_FALSE(fresh.before);
  EXPECT_FALSE(fresh.percent);
  const Delta gone = delta(value(7), kAbsent);
  EXPECT_EQ(gone.status, DeltaStatus::kGone);
  EXPECT_EQ(gone.change, -7);
  EXPECT_EQ(gone.percent, -100);
  for (const ValueAt& unknown : {kUnknown, kNull}) {
    EXPECT_EQ(delta(unknown, value(1)).status, DeltaStatus::kUnknown);
    EXPECT_EQ(delta(value(1), unknown).status, DeltaStatus::kUnknown);
    EXPECT_FALSE(delta(value(1), unknown).change);
  }
}

Rule rule() {
  Rule r;
  r.name = "r";
  r.increase_percent = 20;
  r.increase_amount = 10;
  r.for_polls = 2;
  r.recovery = 0.5;
  return r;
}

Measurement measure(int poll, const ValueAt& before, const ValueAt& after) {
  const Time t = kAlertStart + poll * kHour;
  return {t, t, before, after};
}

TEST(Judge, NeedsPercentAndAmountAtOnce) {
  const auto verdict = [](double before, double after) {
    return judge(rule(), measure(0, value(before), value(after)));
  };
  EXPECT_EQ(verdict(50, 60), Verdict::kIncreased);  // 20 %, 10
  EXPECT_EQ(verdict(50, 59.99), Verdict::kElevated);
  EXPECT_EQ(verdict(50, 55), Verdict::kElevated);  // half of both
  EXPECT_EQ(verdict(50, 54.99), Verdict::kCalm);
  EXPECT_EQ(verdict(1, 9), Verdict::kElevated);        // 800 %, but 8
  EXPECT_EQ(verdict(1000, 1100), Verdict::kElevated);  // 100, but 10 %
  EXPECT_EQ(verdict(1000, 1099.99), Verdict::kCalm);   // 9.999 %
  EXPECT_EQ(verdict(100, 50), Verdict::kCalm);
  EXPECT_EQ(judge(rule(), measure(0, kAbsent, value(10))), Verdict::kIncreased);
  EXPECT_EQ(judge(rule(), measure(0, kUnknown, value(1000))), Verdict::kUnknown);
  EXPECT_EQ(judge(rule(), measure(0, value(1), kNull)), Verdict::kUnknown);
}

TEST(Judge, WithoutFloorsNoChangeIsStillCalm) {
  Rule r = rule();
  r.increase_percent = 0;
  r.increase_amount = 0;
  EXPECT_EQ(judge(r, measure(0, value(5), value(5))), Verdict::kCalm);
  EXPECT_EQ(judge(r, measure(0, value(5), value(5.01))), Verdict::kIncreased);
}

struct Life {
  std::optional<Alert> open;
  Rule of = rule();
  AlertChange step(int poll, const ValueAt& after) {
    const AlertStep next =
        advance(of, open, measure(poll, value(50), after), kAlertStart + poll * kHour);
    open = next.alert;
    return next.change;
  }
};

TEST(Alert, FiresAfterEnoughPollsAndResolvesBelowTheRecoveryThreshold) {
  Life life;
  EXPECT_EQ(life.step(0, value(50)), AlertChange::kNone);
  EXPECT_EQ(life.step(1, value(60)), AlertChange::kBegan);
  EXPECT_EQ(life.open->state, AlertState::kPending);
  EXPECT_EQ(life.step(1, value(60)), AlertChange::kCounted);  // the same poll again
  EXPECT_EQ(life.open->polls, 1);
  EXPECT_EQ(life.step(2, value(61)), AlertChange::kFired);
  EXPECT_EQ(life.open->starts_at, kAlertStart + 2 * kHour);
  EXPECT_EQ(life.open->before, 50);
  EXPECT_EQ(life.open->after, 61);
  EXPECT_EQ(life.step(3, value(56)), AlertChange::kKept);
  EXPECT_EQ(life.step(4, kUnknown), AlertChange::kUnknown);
  EXPECT_EQ(life.open->state, AlertState::kFiring);
  EXPECT_EQ(life.step(5, value(54)), AlertChange::kResolved);
  EXPECT_EQ(life.open->state, AlertState::kResolved);
  EXPECT_EQ(life.open->ends_at, kAlertStart + 5 * kHour);
}

TEST(Alert, RemembersItsPeak) {
  Life life;
  life.step(1, value(70));
  life.step(2, value(90));
  life.step(3, value(65));
  EXPECT_EQ(life.open->peak, 90);
  EXPECT_EQ(life.open->after, 65);
}

TEST(Alert, KeepsTheReasonOfItsWorst) {
  const auto judged = [](Verdict verdict, std::optional<double> score, const char* details) {
    Measurement m = measure(1, value(50), value(60));
    m.judged = verdict;
    m.score = score;
    m.details = details;
    return m;
  };
  std::optional<Alert> open;
  const auto step = [&](const Measurement& m) {
    open = advance(rule(), open, m, kAlertStart).alert;
    return open->details;
  };
  EXPECT_EQ(step(judged(Verdict::kIncreased, 5, "a")), "a");
  EXPECT_EQ(step(judged(Verdict::kIncreased, 9, "b")), "b");
  EXPECT_EQ(step(judged(Verdict::kIncreased, 7, "c")), "b");
  open.reset();
  // Without a score, the newest as long as it is over the threshold.
  EXPECT_EQ(step(judged(Verdict::kIncreased, std::nullopt, "a")), "a");
  EXPECT_EQ(step(judged(Verdict::kIncreased, std::nullopt, "b")), "b");
  open->state = AlertState::kFiring;
  EXPECT_EQ(step(judged(Verdict::kElevated, std::nullopt, "c")), "b");
}

TEST(Alert, KeepsFiringUntilItHasBeenCalmForSoLong) {
  Life life;
  life.of.keep_firing = 3 * kHour;
  life.step(1, value(60));
  EXPECT_EQ(life.step(2, value(60)), AlertChange::kFired);
  EXPECT_EQ(life.step(3, value(50)), AlertChange::kKept);  // calm since then
  EXPECT_EQ(life.step(5, value(60)), AlertChange::kKept);  // and not any more
  EXPECT_FALSE(life.open->calm_since);
  EXPECT_EQ(life.step(6, value(50)), AlertChange::kKept);
  EXPECT_EQ(life.step(8, value(50)), AlertChange::kKept);
  EXPECT_EQ(life.step(9, value(50)), AlertChange::kResolved);
}

TEST(Alert, FlapsOnceItFiresTheThirdTimeInADay) {
  Alert alert;
  alert.flaps = 1;
  EXPECT_FALSE(is_flapping(alert));
  alert.flaps = 2;
  EXPECT_TRUE(is_flapping(alert));
}

TEST(Alert, APendingOneThatCalmsDownIsForgotten) {
  Life life;
  life.step(1, value(60));
  EXPECT_EQ(life.step(2, value(59)), AlertChange::kCleared);
  EXPECT_FALSE(life.open);
}

TEST(Alert, AnUnknownPollDoesNotBreakTheRow) {
  Life life;
  life.step(1, value(60));
  EXPECT_EQ(life.step(2, kUnknown), AlertChange::kUnknown);
  EXPECT_EQ(life.step(3, value(60)), AlertChange::kFired);
}

TEST(Alert, CountsOnlyWhenEachRegionWasAskedAnew) {
  const Rule r = rule();
  Measurement m = measure(1, value(50), value(60));
  AlertStep step = advance(r, std::nullopt, m, kAlertStart);
  m.newest += kHour;  // one region is newer, the oldest is not
  step = advance(r, step.alert, m, kAlertStart);
  EXPECT_EQ(step.change, AlertChange::kCounted);
  EXPECT_EQ(step.alert->polls, 1);
  m.oldest += kHour;
  step = advance(r, step.alert, m, kAlertStart);
  EXPECT_EQ(step.change, AlertChange::kFired);
}

TEST(Fingerprint, TellsRulesGroupsAndCurrenciesApart) {
  const std::string a = fingerprint("r", {{"account_id", "1"}}, "USD");
  EXPECT_EQ(a.size(), 16U);
  EXPECT_EQ(a, fingerprint("r", {{"account_id", "1"}}, "USD"));
  EXPECT_NE(a, fingerprint("r", {{"account_id", "1"}}, "EUR"));
  EXPECT_NE(a, fingerprint("q", {{"account_id", "1"}}, "USD"));
  EXPECT_NE(a, fingerprint("r", {{"account_id", "2"}}, "USD"));
  EXPECT_NE(a, fingerprint("r", {}, "USD"));
}

}  // namespace
}  // namespace usaged::core
