#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace usaged::core {

// What the next days will have in all.
struct Forecast {
  std::vector<double> days;  // expected, one for each day ahead
  double expected = 0;       // their sum
  // Eight of ten times the sum should lie within; as far off as the same forecast would have been
  // at each earlier day of the history.
  double low = 0;
  double high = 0;
  int origins = 0;  // earlier days that this was tried on
};

// The weekdays' usual shares, times a level that follows the last weeks.
//
// The share of a weekday is its median over the last 8 weeks, against the mean of all seven. The
// level is the mean of the days divided by their shares, with half the weight for each week of age;
// a day counts for three times the usual at most, so that a spike does not set it.
//
// `history` is one number for each day up to and with `last_day` (since the epoch), oldest first.
// nullopt if it has less than 14 days. 0 days ahead are 0.
std::optional<Forecast> forecast(const std::vector<double>& history, std::int64_t last_day,
                                 int days_ahead);

}  // namespace usaged::core
