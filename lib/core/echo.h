#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/daily.h"
#include "core/time.h"

namespace usaged::core {

// What a number lies within, and a guess.
struct Part {
  double low = 0;
  std::optional<double> high = 0;      // nullopt: nothing bounds it
  std::optional<double> estimate = 0;  // nullopt: there is none
};

// What is known of a group's usage on one day that is over.
struct UsageDay {
  std::int64_t day = 0;  // since the epoch
  Part usage;
};

// The usage of (from, to], each day even in itself. Days that are not there are not known. `days`
// are in order.
Part usage_between(const std::vector<UsageDay>& days, Time from, Time to);

// By how much the usage of a day up to some moment differs from an even day's, as the sums of that
// day say: the sum at the moment against the straight line between the sums at its two midnights.
// (The day that left the window meanwhile is taken to be even.) So the usage of (a, b] is
// usage_between(a, b) + bend(b) - bend(a).
double bend(double sum, double at_begin, double at_end, double fraction_of_day);

// A change of a 30-day sum, by the days that came into its window and those that left it:
//
//   R(end) - R(start) = usage of (start, end] - usage of (start - 30 d, end - 30 d]
//                     = entered - left
//
// With `usual`, what as many days have by the median of the days that are known,
//
//   change = (entered - usual) + (usual - left) = fresh + echo
//
// so a fall after a spike of 30 days ago is all echo, and a new spike on that day is fresh.
struct Echo {
  Part entered;
  Part left;
  std::optional<double> usual;
  std::optional<double> fresh;
  std::optional<double> echo;
};

// `left` is what the days before say of the usage of (start - 30 d, end - 30 d]. It is narrowed by
// two facts: usage is not negative, so left >= -change; and if the window is 30 days or less, what
// left it was all in R(start), so left <= before.
Echo explain(double before, double after, Seconds window, Part left,
             std::optional<double> usual_a_day);

}  // namespace usaged::core
