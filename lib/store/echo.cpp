#include "store/echo.h"

#include <algorithm>
#include <map>

#include "store/selection.h"

namespace usaged::store {
namespace {

using core::Time;

constexpr std::int64_t kWindow = 30;
constexpr std::size_t kLeastKnown = 7;  // days that make a median

using GroupDays = std::map<std::int64_t, GroupDay>;

std::optional<double> usual_day(const GroupDays& days) {
  std::vector<double> known;
  for (const auto& [day, usage] : days) {
    if (usage.estimate) known.push_back(*usage.estimate);
  }
  if (known.size() < kLeastKnown) return std::nullopt;
  const auto middle = known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2);
  std::ranges::nth_element(known, middle);
  return *middle;
}

std::vector<core::UsageDay> usage_days(const GroupDays& days) {
  std::vector<core::UsageDay> result;
  for (const auto& [day, usage] : days) {
    result.push_back({day, {usage.low, usage.high, usage.estimate}});
  }
  return result;
}

}  // namespace

EchoAnswer echo(Reader& reader, const Question& question, Time start, Time end, Time now) {
  const DeltaAnswer deltas = History(reader).deltas(question, start, end, now);
  std::map<std::pair<core::Labels, std::string>, const DeltaRow*> changes;
  for (const DeltaRow& row : deltas.rows) changes[{row.group.labels, row.group.currency}] = &row;

  Days source(reader, question);
  const std::vector<Group>& groups = source.selection().groups();
  std::vector<GroupDays> days(groups.size());
  const std::int64_t today = core::day_of(now);
  source.each({core::day_of(deltas.start) - kWindow - 1, today - 1},
              [&](std::size_t group, std::int64_t day, const GroupDay& usage) {
                days[group][day].add(usage);
              });

  EchoAnswer answer;
  answer.start = deltas.start;
  answer.end = deltas.end;
  answer.completeness = deltas.completeness;
  answer.next_page = source.selection().next_page();
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto found = changes.find({groups[i].labels, groups[i].currency});
    if (found == changes.end() && days[i].empty()) continue;
    EchoRow& row = answer.rows.emplace_back();
    row.group = groups[i];
    const auto usual = usual_day(days[i]);
    if (found != changes.end()) {
      row.delta = found->second->delta;
      if (row.delta.before && row.delta.after) {
        const core::Seconds window = kWindow * core::kDay;
        const core::Part left =
            core::usage_between(usage_days(days[i]), answer.start - window, answer.end - window);
        row.echo = core::explain(*row.delta.before, *row.delta.after, answer.end - answer.start,
                                 left, usual);
      }
    }
    const std::int64_t first = core::day_of(answer.end);
    for (std::int64_t on = first; on < first + kWindow; ++on) {
      Leaving& leaving = row.leaving.emplace_back();
      leaving.on = on;
      const auto day = days[i].find(on - kWindow);
      if (day == days[i].end()) continue;
      leaving.usage = day->second;
      const auto& estimate = day->second.estimate;
      if (estimate && usual) leaving.above_usual = *estimate - *usual;
    }
  }
  return answer;
}

}  // namespace usaged::store
