#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "core/time.h"

// What was used on each day, rebuilt from AWS's sums of 30 days.
//
// A sum R(s), told at a moment s of day t, a fraction f of it gone, covers the 30 days before s.
// Usage within one UTC day is taken to be even (where it is not, as even between the polls around
// midnight), so
//
//   R(s) = (1 - f) d(t-30) + d(t-29) + ... + d(t-1) + f d(t)                              (1)
//
// and within day t R is a straight line with the slope
//
//   D(t) = d(t) - d(t-30)                                                                (2)
//
// Two sums told on one day give D(t), and by it the sums at both midnights; where days were missed,
// the midnights on both sides of the gap give the sum of its D. So d(t) = D(t) + d(t-30) is exact
// where d(t-30) is: from a series' first day on, or where older days were imported. Where the 30
// days before the first sum are not known, three facts bound them, and by (2) all that follow:
//
//   no day is negative, so d(t-30) >= -D(t), and likewise for every later day of the same chain;
//   the 30 days of each window add up to its sum;
//   so with L the lower bounds, each day lies within [L, L + (R - sum of L)]: all share one slack,
//   which only shrinks as more days are seen.
//
// A sum that falls by more than can leave the window was restated, or its period began anew: there
// the chains are cut, and begin again as at the first sum.
namespace usaged::core {

// The sums that were told on one UTC day: the first and the last, which are one if only one was.
struct DaySums {
  std::int64_t day = 0;  // since the epoch
  Time first_at;
  double first = 0;
  Time last_at;
  double last = 0;
  // Nothing ties it to the sums before: the series was not there, or not asked for.
  bool begins = false;
  // If it begins: nothing was used before this day, since a poll on it did not show the series.
  std::optional<std::int64_t> nothing_before{};
};

// Within which a number lies.
struct Bounds {
  double low = 0;
  double high = 0;  // infinite if nothing bounds it
};

enum class DayTag { kExact, kBounded, kGap };

std::string_view day_tag_name(DayTag tag);  // "exact", "bounded", "gap"

struct Day {
  std::int64_t day = 0;  // since the epoch
  DayTag tag = DayTag::kGap;
  // The usage lies within [low, high]; high is infinite if nothing bounds it. Equal if it is exact.
  double low = 0;
  double high = 0;
  // A guess that agrees with every sum: of all that do, one with like weekdays. The usage itself if
  // it is exact.
  std::optional<double> estimate;
  double slack = 0;  // what rounding leaves of it to either side, if it is exact
  // Of the 30 days up to and with this one, by the sum told at its end; nullopt if that is not
  // known.
  std::optional<Bounds> window{};
};

struct DailyOptions {
  // Sums are told in steps of this much (1 for whole counts): less than it means nothing. A day
  // that is exact but for a few steps counts as exact if they are little of it (a hundredth to
  // either side).
  double rounding = 0;
  // Days known from elsewhere, by day since the epoch.
  std::map<std::int64_t, double> known;
};

// Each day from the first sum's to the last one's, in order. The last day is as far as it was told,
// spread over the whole of it. `sums` are in order of days, each day once.
std::vector<Day> rebuild_days(const std::vector<DaySums>& sums, const DailyOptions& options = {});

// What several days have in all.
struct DaySum {
  Bounds bounds;
  std::optional<double> estimate = 0;  // nullopt if a day has none
  int known = 0;                       // days that are exact or bounded
};

// The sum of the days [first, last), as rebuild_days() has them; days outside of those count for
// nothing. Much narrower than the sum of the days' own bounds where a month's end was told, since
// the 30 days before it are then known in all, however little of each.
DaySum sum_days(const std::vector<Day>& days, std::int64_t first, std::int64_t last);

}  // namespace usaged::core
