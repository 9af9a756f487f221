#include "store/spikes.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/echo.h"
#include "store/days.h"

namespace usaged::store {
namespace {

using core::kDay;
using core::kHour;
using core::Seconds;
using core::Time;

constexpr Seconds kWindow = 30 * kDay;
// A baseline looks no farther back.
constexpr std::int64_t kBaselineDays = 75;
// Polls come a little late or early.
constexpr Seconds kSlack{1800};
constexpr Seconds kLeastSpan = 18 * kHour;
constexpr Seconds kMostSpan = 30 * kHour;
constexpr std::size_t kLeastSteps = 6;
// Of a mean day: what rounding leaves, and no usage.
constexpr double kNothing = 0.01;

bool is_known(const GroupValue& value) {
  return value.at.presence == core::Presence::kPresent && value.at.value.has_value();
}

// What the sums of a day say of the hours in it, as of the poll at or before a moment.
std::optional<double> bend_at(Time moment, const std::map<Time, const GroupValue*>& values) {
  const std::int64_t day = core::day_of(moment);
  const auto find = [&](Time t) -> const GroupValue* {
    const auto found = values.find(t + kSlack);
    const bool good = found != values.end() && is_known(*found->second) &&
                      found->second->newest >= t - 2 * kSlack;
    return good ? found->second : nullptr;
  };
  const GroupValue* here = find(moment);
  const GroupValue* begin = find(core::midnight(day));
  const GroupValue* end = find(core::midnight(day + 1));
  if (here == nullptr || begin == nullptr || end == nullptr) return std::nullopt;
  const double fraction = static_cast<double>((moment - core::midnight(day)).count()) / 86400;
  return core::bend(*here->at.value, *begin->at.value, *end->at.value, fraction);
}

// The largest rise of each group from one poll to the next; 0 if there were few.
std::vector<double> largest_steps(Reader& reader, const Question& question, std::size_t groups,
                                  Time from, Time to) {
  std::vector<double> largest(groups, 0.0);
  std::vector<std::optional<double>> last(groups);
  std::vector<std::size_t> steps(groups, 0);
  History(reader).each_point(
      question, from, to, core::parse_step("raw"), to,
      [&](Time /*t*/, const std::vector<Group>& /*groups*/, const std::vector<GroupValue>& values) {
        for (std::size_t i = 0; i < groups; ++i) {
          if (!is_known(values[i])) continue;
          const double value = *values[i].at.value;
          if (last[i]) {
            largest[i] = std::max(largest[i], value - *last[i]);
            ++steps[i];
          }
          last[i] = value;
        }
      });
  for (std::size_t i = 0; i < groups; ++i) {
    if (steps[i] < kLeastSteps) largest[i] = 0;
  }
  return largest;
}

}  // namespace

void SpikeMemory::refresh(Reader& reader, const Question& question, Time now) {
  const std::int64_t today = core::day_of(now);
  // Days are added by settling, scope by scope, and then summed, region by region.
  const std::string state = guarded("read days", reader.path(), [&] {
    Query query(reader.db(),
                "SELECT (SELECT count(settled) || ' ' || coalesce(sum(settled), 0) FROM "
                "scope) || ' ' || (SELECT count(*) FROM unsummed)");
    query.step();
    return fmt::format("{} {}", today, query.text(0));
  });
  if (state == state_) return;
  entries_.clear();
  Days source(reader, question);
  std::vector<std::map<std::int64_t, GroupDay>> days(source.selection().groups().size());
  source.each({today - kBaselineDays, today - 1},
              [&](std::size_t group, std::int64_t day, const GroupDay& usage) {
                days[group][day].add(usage);
              });
  for (std::size_t i = 0; i < days.size(); ++i) {
    const Group& group = source.selection().groups()[i];
    std::vector<core::UsageDay>& history = entries_[{group.labels, group.currency}].history;
    history.reserve(days[i].size());
    for (const auto& [day, usage] : days[i]) {
      history.push_back({day, {usage.low, usage.high, usage.estimate}});
    }
  }
  state_ = state;
}

SpikeMemory::Entry* SpikeMemory::find(const Group& group) {
  const auto found = entries_.find({group.labels, group.currency});
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<SpikeRow> spikes(Reader& reader, const Question& question,
                             const core::SpikeOptions& options, Time now, SpikeMemory& memory) {
  memory.refresh(reader, question, now);
  const Time earlier = now - kDay + kSlack;
  // The moments that matter, in order, each once.
  std::set<Time> times{now, earlier};
  for (const Time moment : {now - kDay - kWindow, now - kWindow}) {
    times.insert({moment + kSlack, core::midnight(core::day_of(moment)) + kSlack,
                  core::midnight(core::day_of(moment) + 1) + kSlack});
  }
  const std::vector<Time> in_order(times.begin(), times.end());
  const Moments moments = History(reader).at(question, in_order);
  const auto index_of = [&](Time t) {
    return static_cast<std::size_t>(std::ranges::lower_bound(in_order, t) - in_order.begin());
  };

  std::vector<SpikeRow> rows;
  std::optional<std::vector<double>> steps;
  for (std::size_t i = 0; i < moments.groups.size(); ++i) {
    const GroupValue& before = moments.values[index_of(earlier)][i];
    const GroupValue& after = moments.values[index_of(now)][i];
    if (after.at.presence == core::Presence::kAbsent) continue;
    SpikeRow& row = rows.emplace_back();
    row.group = moments.groups[i];
    if (!is_known(before) || !is_known(after)) continue;
    row.from = before.newest;
    row.to = after.newest;
    row.oldest = after.oldest;
    const auto spans = {after.newest - before.newest, after.oldest - before.oldest};
    const bool a_day = std::ranges::all_of(
        spans, [](Seconds span) { return span >= kLeastSpan && span <= kMostSpan; });
    SpikeMemory::Entry* known = memory.find(row.group);
    if (!a_day || known == nullptr) continue;
    const double nothing = kNothing * *after.at.value / 30;
    const auto begins = core::first_used_day(known->history, nothing);
    if (begins != known->begins) {
      known->begins = begins;
      known->baseline = core::make_baseline(known->history, nothing);
    }
    const auto& baseline = known->baseline;
    if (!baseline) continue;
    std::map<Time, const GroupValue*> values;
    for (std::size_t k = 0; k < in_order.size(); ++k) values[in_order[k]] = &moments.values[k][i];
    const core::UsageByHours hours =
        core::usage_by_hours(*baseline, known->history, row.from - kWindow, row.to - kWindow,
                             bend_at(now - kDay - kWindow, values), bend_at(now - kWindow, values));
    const core::Part left = core::explain(*before.at.value, *after.at.value, row.to - row.from,
                                          hours.usage, std::nullopt)
                                .left;
    const auto judge = [&](double step) {
      return core::judge_spike(*baseline, options, row.from, row.to, *before.at.value,
                               *after.at.value, left, hours.doubt, step);
    };
    row.judgement = judge(0);
    if (!row.judgement->firing) continue;
    // Only what looks like a spike is looked at poll by poll.
    if (!steps) steps = largest_steps(reader, question, moments.groups.size(), earlier, now);
    row.judgement = judge(steps->at(i));
  }
  return rows;
}

}  // namespace usaged::store
