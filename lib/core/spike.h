#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/echo.h"
#include "core/time.h"

// Whether what was used in the last day is more than usual.
//
// A sum of 30 days hides a day in 30, and repeats each spike as a fall 30 days later. So a spike is
// judged on what was used: the change of the sum over about a day, plus what left its window in
// that time, which is the usage of 30 days before (core/daily.h). That is known at every poll, not
// only at midnight.
namespace usaged::core {

// What a day usually has, from the days before it:
//
//   level     the median of the last 9 days, each divided by its weekday's share; or that of the
//             last 28, if more: a step up is the new usual after five days, a return from a dip is
//             no spike
//   share     of each weekday: its median against the median of its week, over 8 weeks, drawn
//             towards 1 while there are few
//   deviation of the days from what was expected of them, relative, of the last 42: 1.4826 times
//             the median; drawn towards `kPriorDeviation` while there are few
//   habit     how far above the expected one day in ten was, relative: bursts that are usual
//   peak      of the last 42 days the second largest, for usage that comes and goes
struct Baseline {
  double level = 0;
  std::array<double, 7> share{};  // from Sunday on
  double deviation = 0;
  double habit = 0;
  double peak = 0;
  int days = 0;               // that it is made of
  bool intermittent = false;  // half of the days had nothing, or nearly so
  bool bursty = false;        // some had surely far more than most, but the most are not known well

  // What is usual from one moment to another.
  double expected(Time from, Time to) const;
};

// The baseline for the day after the last of `history` (in order of days; those without an estimate
// are left out, and so are the days until the first with more than `nothing`, and that one, which
// is a part of a day: a trial that cost nothing is no usual). nullopt if fewer than 2 days are
// known.
std::optional<Baseline> make_baseline(const std::vector<UsageDay>& history, double nothing = 0);

// The first day of `history` with more than `nothing`, at which a baseline begins; nullopt: none.
std::optional<std::int64_t> first_used_day(const std::vector<UsageDay>& history, double nothing);

struct UsageByHours {
  Part usage;
  double doubt = 0;  // by which the estimate may be too high
};

// What was used in (from, to], for days that are over: usage_between(), put right by the bends
// (core::bend()) of the days in which it begins and ends. A bend mistakes what left the window that
// day for what was used, so it counts only if the day is far more unusual than the one 30 days
// before it, or neither is. One that is not known (nullopt) leaves open how much of an unusual day
// counts. What is unusual of these days, or of the one before or after, leaves a doubt.
UsageByHours usage_by_hours(const Baseline& baseline, const std::vector<UsageDay>& days, Time from,
                            Time to, std::optional<double> bend_from,
                            std::optional<double> bend_to);

struct SpikeOptions {
  double min_amount = 5;    // above the expected in a day, in the currency or unit
  double min_percent = 50;  // above the expected
  double deviations = 5;    // above the expected; less is more sensitive
  double recovery = 0.5;    // of what it takes to fire, below which it is over
};

// How much a judgement rests on.
enum class Confidence { kLow, kMedium, kHigh };

std::string_view confidence_name(Confidence confidence);  // "low", "medium", "high"

struct SpikeJudgement {
  double value = 0;      // used from `from` to `to`
  double expected = 0;   // in that time
  double threshold = 0;  // over which it is a spike
  double score = 0;      // how many deviations above the expected
  bool firing = false;
  bool calm = true;  // below the recovery threshold
  Confidence confidence = Confidence::kLow;
};

// `before` and `after` are the sums at `from` and `to` (18 to 30 hours apart), and `left` what left
// the window in that time (core::explain() narrows it). What is unusual of `left` counts only as
// far as it is certain. `largest_step` is the largest rise from one poll to the next in that time,
// or 0 if there were fewer than six: usage goes on for some polls, a value that AWS restates jumps
// once.
SpikeJudgement judge_spike(const Baseline& baseline, const SpikeOptions& options, Time from,
                           Time to, double before, double after, const Part& left, double doubt = 0,
                           double largest_step = 0);

}  // namespace usaged::core
