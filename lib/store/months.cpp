#include "store/months.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "store/coverage.h"
#include "store/days.h"
#include "store/selection.h"

namespace usaged::store {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month;

// Of history, that a forecast is made from.
constexpr std::int64_t kForecastDays = 300;

// A group's estimates by day, for the forecast; a day on which it was not there has nothing.
class DayEstimates {
 public:
  void add(std::int64_t day, const GroupDay& usage) {
    auto& sum = sums_.try_emplace(day, 0.0).first->second;
    if (!usage.estimate) sum.reset();
    if (sum) *sum += *usage.estimate;
  }

  // Up to and with a day, after the newest that has none.
  std::vector<double> until(std::int64_t last) const {
    std::vector<double> history;
    if (sums_.empty()) return history;
    const std::int64_t first = std::max(sums_.begin()->first, last - kForecastDays);
    for (std::int64_t day = first; day <= last; ++day) {
      const auto found = sums_.find(day);
      if (found != sums_.end() && !found->second) {
        history.clear();
      } else {
        history.push_back(found == sums_.end() ? 0 : *found->second);
      }
    }
    return history;
  }

 private:
  std::map<std::int64_t, std::optional<double>> sums_;
};

void project(MonthRow& row, const std::vector<double>& history, std::int64_t last_day,
             std::optional<double> budget) {
  const std::int64_t end = core::first_day(row.month + std::chrono::months{1});
  const auto next = core::forecast(history, last_day, static_cast<int>(end - 1 - last_day));
  const auto passed = static_cast<std::size_t>(
      std::max<std::int64_t>(0, last_day + 1 - core::first_day(row.month)));
  const auto& estimate = row.sum.estimate;
  if (!next || !estimate || history.size() < passed) return;
  row.projected = next;
  row.projected->expected += *estimate;
  row.projected->low += *estimate;
  row.projected->high += *estimate;
  if (!budget) return;
  double sum = 0;
  for (std::int64_t day = core::first_day(row.month); day < end; ++day) {
    sum += day <= last_day ? history[history.size() - static_cast<std::size_t>(last_day + 1 - day)]
                           : next->days[static_cast<std::size_t>(day - last_day - 1)];
    if (sum > *budget) {
      row.budget_passed = sys_days{std::chrono::days{day}};
      return;
    }
  }
}

}  // namespace

MonthAnswer months(Reader& reader, const Question& question, int count,
                   std::optional<double> budget, core::Time now) {
  const std::int64_t today = core::day_of(now);
  const year_month running = core::month_of(today);
  const year_month first = running - std::chrono::months{count - 1};
  const core::Time from = core::midnight(core::first_day(first));
  const core::Time to = core::midnight(today) - core::Seconds{1};
  MonthAnswer answer;
  answer.completeness =
      completeness(reader, load_scopes(reader, question.filter, from, to), from, to);
  Days source(reader, question);
  const Selection& selection = source.selection();
  answer.next_page = selection.next_page();
  std::vector<DayEstimates> estimates(selection.groups().size());
  for (const Group& group : selection.groups()) {
    MonthLine& line = answer.lines.emplace_back(MonthLine{group, 0, {}});
    for (year_month month = first; month <= running; month += std::chrono::months{1}) {
      MonthRow& row = line.months.emplace_back();
      row.month = month;
      row.days_in_month = static_cast<int>(core::first_day(month + std::chrono::months{1}) -
                                           core::first_day(month));
    }
  }
  std::vector<std::set<std::string>> accounts(selection.groups().size());
  for (const SeriesRow& row : selection.series()) {
    if (row.account().empty()) continue;
    accounts[*selection.group_of(row.id, row.target())].insert(row.account());
  }
  source.each(
      {today - 1 - kForecastDays, today - 1, core::month_number(first),
       core::month_number(running)},
      [&](std::size_t group, std::int64_t day, const GroupDay& usage) {
        estimates[group].add(day, usage);
      },
      [&](std::size_t group, std::int64_t month, const GroupMonth& sum) {
        answer.lines[group]
            .months[static_cast<std::size_t>(month - core::month_number(first))]
            .sum.add(sum);
      });
  for (std::size_t i = 0; i < answer.lines.size(); ++i) {
    answer.lines[i].accounts = accounts[i].size();
    project(answer.lines[i].months.back(), estimates[i].until(today - 1), today - 1, budget);
    for (MonthRow& row : answer.lines[i].months) {
      // Days of it are over, and nothing is known of any.
      if (row.sum.days > 0 || core::first_day(row.month) >= today) continue;
      row.sum.high.reset();
      row.sum.estimate.reset();
    }
  }
  std::erase_if(answer.lines, [](const MonthLine& line) {
    return std::ranges::all_of(
        line.months, [](const MonthRow& row) { return row.sum.days == 0 && !row.projected; });
  });
  return answer;
}

}  // namespace usaged::store
