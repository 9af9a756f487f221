#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "core/forecast.h"
#include "store/days.h"
#include "store/history.h"
#include "store/reader.h"

namespace usaged::store {

// One calendar month (UTC) of one group, as far as it is over.
struct MonthRow {
  std::chrono::year_month month;
  int days_in_month = 0;
  GroupMonth sum;
  // Of the month that runs: what it will have in all at its end; low and high as core::Forecast has
  // them. nullopt if too little is known, and for months that are over.
  std::optional<core::Forecast> projected{};
  // The day at whose end the budget is passed, by the estimates and the forecast; nullopt: not in
  // this month, or not known.
  std::optional<std::chrono::sys_days> budget_passed{};
};

struct MonthLine {
  Group group;
  std::size_t accounts = 0;      // that it is made of; 0 if the question does not tell them apart
  std::vector<MonthRow> months;  // in order; the last one runs
};

struct MonthAnswer {
  std::vector<MonthLine> lines;
  Completeness completeness;
  std::string next_page;
};

// The last `count` months, the one of `now` among them, for each group.
MonthAnswer months(Reader& reader, const Question& question, int count,
                   std::optional<double> budget, core::Time now);

}  // namespace usaged::store
