#pragma once

#include <string>
#include <vector>

#include "core/delta.h"
#include "core/echo.h"
#include "store/days.h"
#include "store/history.h"

namespace usaged::store {

// A day that will leave the 30-day window.
struct Leaving {
  std::int64_t on = 0;                // the day that it leaves on: 30 days after its own
  std::optional<GroupDay> usage;      // what leaves; nullopt: not known
  std::optional<double> above_usual;  // of its estimate
};

struct EchoRow {
  Group group;
  core::Delta delta;
  std::optional<core::Echo> echo;  // nullopt: the change is not known
  std::vector<Leaving> leaving;    // the 30 days from that of `end` on
};

struct EchoAnswer {
  std::vector<EchoRow> rows;  // by labels
  core::Time start;
  core::Time end;
  Completeness completeness;
  std::string next_page;
};

// For each group, how its change from `start` to `end` came about, and what will leave the window
// in the 30 days after. Throws Error(kInvalid) for what deltas() or daily() refuse.
EchoAnswer echo(Reader& reader, const Question& question, core::Time start, core::Time end,
                core::Time now);

}  // namespace usaged::store
