#include "store/months.h"

#include <algorithm>
#include <map>

#include "store/days.h"

namespace usaged::store {
namespace {

using std::chrono::sys_days;
using std::chrono::year_month;
using std::chrono::year_month_day;

// Days of history that a forecast is made from.
constexpr core::Seconds kHistory = 300 * core::kDay;

year_month month_of(std::int64_t day) {
  const year_month_day date{sys_days{std::chrono::days{day}}};
  return date.year() / date.month();
}

std::int64_t first_day(year_month month) { return sys_days{month / 1}.time_since_epoch().count(); }

// The estimates of the days up to the last one, after the newest that has none. A day on which the
// group was not there had nothing.
std::vector<double> history_of(const DailyLine& line) {
  std::vector<double> history;
  bool begun = false;
  for (const auto& day : line.days) {
    begun = begun || day.has_value();
    if (!begun) continue;
    if (day && !day->estimate) {
      history.clear();
    } else {
      history.push_back(day ? *day->estimate : 0);
    }
  }
  return history;
}

void project(MonthRow& row, const std::vector<double>& history, std::int64_t last_day,
             std::optional<double> budget) {
  const std::int64_t end = first_day(row.month + std::chrono::months{1});
  const auto next = core::forecast(history, last_day, static_cast<int>(end - 1 - last_day));
  const auto passed =
      static_cast<std::size_t>(std::max<std::int64_t>(0, last_day + 1 - first_day(row.month)));
  if (!next || !row.estimate || history.size() < passed) return;
  row.projected = next;
  row.projected->expected += *row.estimate;
  row.projected->low += *row.estimate;
  row.projected->high += *row.estimate;
  if (!budget) return;
  double sum = 0;
  for (std::int64_t day = first_day(row.month); day < end; ++day) {
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
  const std::int64_t today = core::unix_seconds(now) / 86400;
  const year_month running = month_of(today);
  const year_month first = running - std::chrono::months{count - 1};
  const core::Time from = std::min(core::from_unix(first_day(first) * 86400), now - kHistory);
  const DailyAnswer days = daily(reader, question, from, now, now);
  MonthAnswer answer;
  answer.completeness = days.completeness;
  for (const DailyLine& line : days.lines) {
    MonthLine& out = answer.lines.emplace_back(MonthLine{line.group, {}});
    for (year_month month = first; month <= running; month += std::chrono::months{1}) {
      MonthRow row;
      row.month = month;
      const std::int64_t end = first_day(month + std::chrono::months{1});
      row.days_in_month = static_cast<int>(end - first_day(month));
      for (std::size_t i = 0; i < days.days.size(); ++i) {
        if (days.days[i] < first_day(month) || days.days[i] >= end || !line.days[i]) continue;
        const GroupDay& day = *line.days[i];
        row.days += day.tag == core::DayTag::kGap ? 0 : 1;
        row.low += day.low;
        if (!day.high) row.high.reset();
        if (row.high) *row.high += *day.high;
        if (!day.estimate) row.estimate.reset();
        if (row.estimate) *row.estimate += *day.estimate;
      }
      if (month == running) project(row, history_of(line), today - 1, budget);
      out.months.push_back(std::move(row));
    }
  }
  return answer;
}

}  // namespace usaged::store
