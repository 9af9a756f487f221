#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/daily.h"
#include "store/history.h"
#include "store/reader.h"
#include "store/selection.h"

namespace usaged::store {

// One group's usage or cost of one UTC day. With several series, the range is the sum of theirs,
// and the tag the worst of theirs.
struct GroupDay {
  core::DayTag tag = core::DayTag::kExact;
  double low = 0;
  std::optional<double> high = 0;      // nullopt: nothing bounds it
  std::optional<double> estimate = 0;  // nullopt: there is none
};

struct DailyLine {
  Group group;
  std::vector<std::optional<GroupDay>> days;  // nullopt: none of the group was there
};

struct DailyAnswer {
  std::vector<std::int64_t> days;  // since the epoch, in order
  std::vector<DailyLine> lines;
  Completeness completeness;
};

// Calls `use` with each series that a question chose and that has days, and its days. Throws
// Error(kInvalid) for a filter by target, since days are not kept by target.
void rebuild_each(
    Reader& reader, const Question& question, const Selection& selection,
    const std::function<void(std::int64_t series, const std::vector<core::Day>& days)>& use);

// What was used, or what it cost, on each day of [start, end], as core::rebuild_days() has it from
// the sums of the days that are over. The day of `now` is left out, since it isn't.
// Throws Error(kInvalid) for an empty range, more than 1100 days, or what rebuild_each() refuses.
DailyAnswer daily(Reader& reader, const Question& question, core::Time start, core::Time end,
                  core::Time now);

}  // namespace usaged::store
