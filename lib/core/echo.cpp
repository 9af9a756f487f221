#include "core/echo.h"

#include <algorithm>

namespace usaged::core {

Part usage_between(const std::vector<UsageDay>& days, Time from, Time to) {
  Part sum;
  const std::int64_t first = day_of(from);
  auto at = std::ranges::lower_bound(days, first, {}, &UsageDay::day);
  for (std::int64_t day = first; midnight(day) < to; ++day) {
    while (at != days.end() && at->day < day) ++at;
    if (at == days.end() || at->day != day) {
      sum.high.reset();
      sum.estimate.reset();
      continue;
    }
    const Seconds length = std::min(to, midnight(day + 1)) - std::max(from, midnight(day));
    const double share = static_cast<double>(length.count()) / 86400;
    const Part& usage = at->usage;
    sum.low += share * usage.low;
    if (!usage.high) sum.high.reset();
    if (sum.high) *sum.high += share * *usage.high;
    if (!usage.estimate) sum.estimate.reset();
    if (sum.estimate) *sum.estimate += share * *usage.estimate;
  }
  return sum;
}

double bend(double sum, double at_begin, double at_end, double fraction_of_day) {
  return sum - at_begin - fraction_of_day * (at_end - at_begin);
}

Echo explain(double before, double after, Seconds window, Part left,
             std::optional<double> usual_a_day) {
  const double change = after - before;
  left.low = std::max({left.low, -change, 0.0});
  if (window <= 30 * kDay) left.high = std::min(left.high.value_or(before), before);
  // What rounding leaves.
  if (left.high) left.high = std::max(*left.high, left.low);
  if (left.estimate) {
    left.estimate = std::max(*left.estimate, left.low);
    if (left.high) left.estimate = std::min(*left.estimate, *left.high);
  } else if (left.high && *left.high == left.low) {
    left.estimate = left.low;
  }
  Echo result;
  result.left = left;
  const auto plus_change = [change](const std::optional<double>& value) {
    return value ? std::optional(std::max(0.0, *value + change)) : std::nullopt;
  };
  result.entered = {std::max(0.0, left.low + change), plus_change(left.high),
                    plus_change(left.estimate)};
  if (usual_a_day) {
    result.usual = *usual_a_day * static_cast<double>(window.count()) / 86400;
    if (left.estimate) {
      result.echo = *result.usual - *left.estimate;
      result.fresh = change - *result.echo;
    }
  }
  return result;
}

}  // namespace usaged::core
