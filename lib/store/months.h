#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "core/forecast.h"
#include "store/history.h"
#include "store/reader.h"

namespace usaged::store {

// One calendar month (UTC) of one group, as far as it is over.
struct MonthRow {
  std::chrono::year_month month;
  int days = 0;  // that are exact or bounded, of the series that has most
  int days_in_month = 0;
  double low = 0;
  std::optional<double> high = 0;  // nullopt: nothing bounds it
  std::optional<double> estimate = 0;
  // Of the month that runs: what it will have in all at its end; low and high as core::Forecast has
  // them. nullopt if too little is known, and for months that are over.
  std::optional<core::Forecast> projected{};
  // The day at whose end the budget is passed, by the estimates and the forecast; nullopt: not in
  // this month, or not known.
  std::optional<std::chrono::sys_days> budget_passed{};
};

struct MonthLine {
  Group group;
  std::vector<MonthRow> months;  // in order; the last one runs
};

struct MonthAnswer {
  std::vector<MonthLine> lines;
  Completeness completeness;
};

// The last `count` months, the one of `now` among them, for each group. Throws Error(kInvalid) for
// what daily() refuses.
MonthAnswer months(Reader& reader, const Question& question, int count,
                   std::optional<double> budget, core::Time now);

}  // namespace usaged::store
