#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "core/time.h"

namespace usaged::core {

// How far apart the points of a history are.
struct Step {
  Step() = default;
  Step(Seconds length) : seconds(length) {}  // NOLINT(google-explicit-constructor)

  bool raw = false;    // a point at each poll
  int months = 0;      // calendar months (UTC), else
  Seconds seconds{0};  // so long
};

// Reads "raw", calendar months ("1mo", "3mo", up to 120) or a duration (parse_duration). Throws
// Error(kInvalid) naming what is allowed.
Step parse_step(std::string_view text);

// The points of a step, not raw, in [start, end]: multiples of it since the epoch; of whole weeks
// since a Monday; of months the first of January, and every so many months from there.
// Throws Error(kInvalid) for more than `most`.
std::vector<Time> step_times(const Step& step, Time start, Time end, std::size_t most);

}  // namespace usaged::core
