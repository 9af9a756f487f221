#include "store/history.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "store/coverage.h"
#include "store/samples.h"
#include "store/selection.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;
using core::Seconds;
using core::Time;

constexpr std::size_t kMostPoints = 11000;
constexpr std::size_t kPollPoints = 500;
// Up to so many series of a region are looked up one by one; more are read with their whole
// snapshot.
constexpr std::size_t kPointLookups = 64;

// The ids of a selection's series, by region; of each region nullopt if it has more than are looked
// up.
class FewSeries {
 public:
  using Ids = std::optional<std::vector<std::int64_t>>;

  explicit FewSeries(const Selection& selection) {
    for (const SeriesRow& row : selection.series()) {
      if (!region_ || row.region() != *region_) {
        region_ = &row.region();
        ids_ = &by_region_.try_emplace(row.region(), std::in_place).first->second;
      }
      // A series is there once for each target.
      if (!*ids_ || (!(*ids_)->empty() && (*ids_)->back() == row.id)) continue;
      (*ids_)->push_back(row.id);
      if ((*ids_)->size() > kPointLookups) ids_->reset();
    }
  }

  const Ids& in(const std::string& region) const {
    static const Ids kNothing(std::in_place);
    const auto found = by_region_.find(region);
    return found == by_region_.end() ? kNothing : found->second;
  }

 private:
  std::map<std::string, Ids> by_region_;
  const std::string* region_ = nullptr;
  Ids* ids_ = nullptr;
};

// Calls use(series, reading) for what a poll says of a selection, which has these few in the
// region, or of all there are; in order of series, and not of what is gone.
template <typename Use>
void each_sample(Samples& samples, const FewSeries::Ids& few, const Scope& scope,
                 const GoodPoll& good, const Use& use) {
  const PollRef poll = scope.ref(good);
  if (few) {
    samples.each(poll, *few, [&](std::int64_t series, const Reading& reading) {
      if (!reading.has(Reading::kGone)) use(series, reading);
    });
    return;
  }
  for (const Sample& sample : samples.of(poll)) {
    if (!sample.reading.has(Reading::kGone)) use(sample.series, sample.reading);
  }
}

constexpr Time kNever{Seconds::min()};

// One number of one snapshot: of a series, or the sum of a kind.
struct Number {
  std::int64_t series;
  std::optional<double> value;
  std::int64_t unknown;  // series of a kind that have no number
};

// The sums of polls serve if no two polls of a moment show the same series. Targets that overlapped
// at any time are in the table `overlap`.
Grain grain_of(Reader& reader, const Question& question, const std::vector<Scope>& scopes) {
  if (!serves(Grain::kKind, question)) return Grain::kSeries;
  if (std::ranges::find(question.group_by, "target") != question.group_by.end()) {
    return Grain::kKind;
  }
  std::set<std::pair<std::string, std::string>> chosen;
  for (const Scope& scope : scopes) chosen.emplace(scope.target, scope.region);
  return guarded("read overlaps", reader.path(), [&] {
    Query query(reader.db(), "SELECT target, other, region FROM overlap");
    while (query.step()) {
      const std::string region = query.text(2);
      if (chosen.contains({query.text(0), region}) && chosen.contains({query.text(1), region})) {
        return Grain::kSeries;
      }
    }
    return Grain::kKind;
  });
}

}  // namespace

// The sums of every group at chosen times. Asked in order of time, it reads each snapshot once.
class Snapshots {
 public:
  Snapshots(Reader& reader, const Question& question, std::vector<Scope> scopes, Grain grain)
      : reader_(reader),
        metric_(question.metric),
        scopes_(std::move(scopes)),
        grain_(grain),
        selection_(reader, question, grain),
        few_(selection_),
        samples_(reader.samples()) {
    samples_.forget();
    for (const Scope& scope : scopes_) {
      Region& region = regions_[scope.region];
      region.scopes.push_back({&scope});
      region.few = &few_.in(scope.region);
    }
  }

  const std::vector<Group>& groups() const { return selection_.groups(); }
  const std::vector<Scope>& scopes() const { return scopes_; }

  // Numbers that AWS left out, in the snapshots at the time last asked for.
  std::int64_t unknown_values() const {
    std::int64_t count = 0;
    for (const auto& [name, region] : regions_) count += region.unknown_values;
    return count;
  }

  // The value of each group at t. A group is absent if every poll that could show it is good and
  // doesn't. The values are there until it is asked again.
  const std::vector<GroupValue>& at(Time t) {
    check_deadline();
    GroupValue absent;
    absent.at.presence = core::Presence::kAbsent;
    values_.assign(groups().size(), absent);
    for (auto& [name, region] : regions_) {
      refresh(region, t);
      for (const auto& [group, part] : region.parts) add(values_[group], part);
    }
    return values_;
  }

  // Both numbers of each chosen series that is there at t; by target, if the question tells them
  // apart.
  using SeriesValues =
      std::map<std::string, std::unordered_map<std::int64_t, core::UsageValue>, std::less<>>;
  SeriesValues series_at(Time t) {
    return guarded("read snapshot", reader_.path(), [&] {
      SeriesValues all;
      for (auto& [name, region] : regions_) {
        for (const Source& source : sources_at(region, t)) {
          const std::string& target = source.scope->target;
          auto& values = all[selection_.by_target() ? target : ""];
          each_sample(
              samples_, *region.few, *source.scope, *source.poll,
              [&](std::int64_t series, const Reading& reading) {
                if (!selection_.group_of(series, target)) return;
                values.emplace(series, core::UsageValue{total_of(reading), cost_of(reading)});
              });
        }
      }
      return all;
    });
  }

  const Selection& selection() const { return selection_; }

 private:
  // What one region adds to one group.
  struct Part {
    double sum = 0;
    bool present = false;
    bool unknown = false;  // a number is missing, or the poll is
    bool gap = false;
    Time oldest = Time::max();
    Time newest = kNever;
    Time began = kNever;
  };

  // A scope, and the first of its polls after the time that was asked for last.
  struct Place {
    const Scope* scope;
    std::size_t after = 0;

    const GoodPoll* before(Time t) {
      const std::vector<GoodPoll>& polls = scope->polls;
      // Mostly the same one, or the next.
      while (after < polls.size() && polls[after].taken_at <= t) ++after;
      while (after > 0 && polls[after - 1].taken_at > t) --after;
      return after == 0 ? nullptr : &polls[after - 1];
    }
  };

  struct Region {
    std::vector<Place> scopes;
    const FewSeries::Ids* few = nullptr;
    std::vector<std::pair<std::int64_t, bool>> key;  // the polls that `parts` is made of; stale
    bool filled = false;
    std::map<std::size_t, Part> parts;  // by group; some may be of earlier polls, and say nothing
    std::int64_t unknown_values = 0;
  };

  static void add(GroupValue& value, const Part& part) {
    if (part.gap) {
      value.at = {core::Presence::kUnknown, std::nullopt};
    } else if (value.at.presence == core::Presence::kAbsent && part.present) {
      value.at = {core::Presence::kPresent, part.unknown ? std::nullopt : std::optional(part.sum)};
      value.oldest = part.oldest;
      value.newest = part.newest;
      value.began = part.began;
    } else if (value.at.presence == core::Presence::kPresent && part.present) {
      if (part.unknown) value.at.value.reset();
      if (value.at.value) *value.at.value += part.sum;
      value.oldest = std::min(value.oldest, part.oldest);
      value.newest = std::max(value.newest, part.newest);
      value.began = std::max(value.began, part.began);
    }
  }

  // A poll that says what a region had at some time.
  struct Source {
    const Scope* scope;
    const GoodPoll* poll;
    bool stale;
  };

  // The newest poll first; what it has hides what older ones of other targets have.
  const std::vector<Source>& sources_at(Region& region, Time t) {
    std::vector<Source>& sources = sources_;
    sources.clear();
    for (Place& place : region.scopes) {
      const Scope& scope = *place.scope;
      if (t < scope.first_good || t >= scope.ends) continue;
      const GoodPoll* poll = place.before(t);
      if (poll != nullptr) sources.push_back({&scope, poll, t > poll->covered_until()});
    }
    if (sources.size() > 1) {
      std::ranges::sort(sources, [](const Source& a, const Source& b) {
        return std::tuple(a.stale, b.poll->taken_at, b.poll->id) <
               std::tuple(b.stale, a.poll->taken_at, a.poll->id);
      });
    }
    return sources;
  }

  // Brings the parts of a region up to time t.
  void refresh(Region& region, Time t) {
    const std::vector<Source>& sources = sources_at(region, t);
    key_.clear();
    for (const Source& source : sources) key_.emplace_back(source.poll->id, source.stale);
    if (region.filled && key_ == region.key) return;
    region.key = key_;
    region.filled = true;
    for (auto& [group, part] : region.parts) part = {};
    region.unknown_values = 0;

    const bool distinct = sources.size() > 1 && grain_ == Grain::kSeries && !selection_.by_target();
    std::unordered_set<std::int64_t> seen;
    for (const auto& [scope, poll, stale] : sources) {
      for (const Number& number : snapshot(*region.few, *scope, *poll)) {
        const auto group = selection_.group_of(number.series, scope->target);
        if (!group) continue;
        if (distinct && !seen.insert(number.series).second) continue;
        Part& part = region.parts[*group];
        part.present = true;
        part.oldest = std::min(part.oldest, poll->taken_at);
        part.newest = std::max(part.newest, poll->taken_at);
        part.began = std::max(part.began, scope->first_good);
        if (stale) {
          part.gap = true;
        } else {
          part.sum += number.value.value_or(0);
          part.unknown = part.unknown || number.unknown > 0;
          region.unknown_values += number.unknown;
        }
      }
    }
  }

  // The chosen series of one poll that are not gone.
  const std::vector<Number>& snapshot(const FewSeries::Ids& few, const Scope& scope,
                                      const GoodPoll& good) {
    std::vector<Number>& numbers = numbers_;
    numbers.clear();
    guarded("read snapshot", reader_.path(), [&] {
      if (grain_ == Grain::kKind) {
        if (!sums_) {
          sums_.emplace(reader_.db(),
                        fmt::format("SELECT kind_id, {0}, no_{0} FROM poll_total WHERE poll_id = ?",
                                    core::metric_name(metric_)));
        }
        Query& sums = *sums_;
        sums.bind(1, good.id);
        while (sums.step()) {
          numbers.push_back({sums.integer(0), sums.real(1), sums.integer(2)});
        }
        sums.reset();
        return;
      }
      each_sample(samples_, few, scope, good, [&](std::int64_t series, const Reading& reading) {
        if (!few && !selection_.has(series)) return;
        const auto value = metric_ == core::Metric::kCost ? cost_of(reading) : total_of(reading);
        numbers.push_back({series, value, value ? 0 : 1});
      });
    });
    return numbers;
  }

  // Once so much was read that looking at the clock costs nothing beside it.
  void check_deadline() {
    constexpr std::size_t kOften = 1000;
    work_ += 1 + numbers_.size();
    if (work_ < kOften) return;
    work_ = 0;
    reader_.check_deadline();
  }

  Reader& reader_;
  std::size_t work_ = 0;
  core::Metric metric_;
  std::vector<Scope> scopes_;
  std::map<std::string, Region> regions_;
  Grain grain_;
  Selection selection_;
  FewSeries few_;
  Samples& samples_;
  std::optional<Query> sums_;
  // Of one moment; kept for their memory.
  std::vector<GroupValue> values_;
  std::vector<Source> sources_;
  std::vector<std::pair<std::int64_t, bool>> key_;
  std::vector<Number> numbers_;
};

namespace {

// The times of a history's points.
std::vector<Time> choose_times(const std::vector<Scope>& scopes, Time start, Time end,
                               std::optional<core::Step> step) {
  if (!step || step->raw) {
    std::vector<Time> polls;
    for (const Scope& scope : scopes) {
      for (std::size_t i = 0; i < scope.polls.size(); ++i) {
        polls.push_back(scope.polls[i].taken_at);
        // Where a gap begins, a point says so.
        const Time lost = scope.polls[i].covered_until() + Seconds{1};
        const bool gap =
            i + 1 == scope.polls.size() ? lost < scope.ends : scope.polls[i + 1].taken_at > lost;
        if (gap) polls.push_back(lost);
      }
    }
    std::erase_if(polls, [&](Time t) { return t < start || t > end; });
    if (!std::ranges::is_sorted(polls)) std::ranges::sort(polls);
    polls.erase(std::unique(polls.begin(), polls.end()), polls.end());
    if (step && polls.size() > kMostPoints) {
      throw Error(ErrorCode::kInvalid,
                  "the range holds {} polls, more than {}; choose a step or a shorter range",
                  polls.size(), kMostPoints);
    }
    if (step || polls.size() <= kPollPoints) return polls;
    constexpr std::array<int, 14> kRound{60,    300,   600,   900,   1800,   3600,   7200,
                                         10800, 21600, 43200, 86400, 172800, 604800, 2592000};
    for (const int round : kRound) {
      step = Seconds{round};
      if ((end - start) / step->seconds <= static_cast<std::int64_t>(kPollPoints)) break;
    }
  }
  if (step->months == 0 && step->seconds <= Seconds::zero()) {
    throw Error(ErrorCode::kInvalid, "step: must be longer than 0s");
  }
  return core::step_times(*step, start, end, kMostPoints);
}

void check_range(Time start, Time end) {
  if (start > end) {
    throw Error(ErrorCode::kInvalid, "start ({}) is after end ({})", core::format_time(start),
                core::format_time(end));
  }
}

}  // namespace

namespace {

// A series as last seen, before it is given a name.
struct LastSeen {
  const SeriesRow* series;
  const Scope* scope;
  const GoodPoll* poll;
  Reading reading;
};

// What the newest polls, newest first, say of a selection; of each series once, unless targets are
// told apart.
std::vector<LastSeen> last_seen(Reader& reader, const Selection& selection,
                                const std::vector<std::pair<const Scope*, const GoodPoll*>>& polls,
                                bool by_target) {
  std::vector<LastSeen> all;
  std::unordered_set<std::int64_t> seen;
  const FewSeries few(selection);
  Samples& samples = reader.samples();
  samples.forget();
  for (const auto& from : polls) {
    reader.check_deadline();
    auto row = selection.series().begin();
    each_sample(samples, few.in(from.first->region), *from.first, *from.second,
                [&](std::int64_t series, const Reading& reading) {
                  // Both are in order of id.
                  row = std::ranges::lower_bound(row, selection.series().end(), series, {},
                                                 &SeriesRow::id);
                  if (row == selection.series().end() || row->id != series) return;
                  if (!by_target && !seen.insert(series).second) return;
                  all.push_back({&*row, from.first, from.second, reading});
                });
  }
  return all;
}

LatestRow row_of(const LastSeen& one, Time now) {
  const SeriesRow& row = *one.series;
  return {row.account(),        row.region(),
          row.type(),           row.provider(),
          row.currency(),       one.scope->target,
          one.poll->taken_at,   total_of(one.reading),
          cost_of(one.reading), now > one.poll->covered_until()};
}

// What the next page goes on after.
std::string key_of(const LatestRow& row, bool by_target) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", row.account, row.region, row.type, row.provider,
                     row.currency, by_target ? row.target : "");
}

// Accounts that a filter allows in order from this one on, so many at most.
std::vector<std::string> accounts_from(Reader& reader, const Filter& filter,
                                       const std::string& first, std::size_t most) {
  if (filter.accounts.empty()) {
    SeriesCatalog& catalog = *reader.catalog();
    catalog.refresh(reader.db());
    const auto lock = catalog.lock();
    return catalog.accounts_from(first, most);
  }
  const std::set<std::string> allowed(filter.accounts.begin(), filter.accounts.end());
  std::vector<std::string> accounts;
  std::copy_if(allowed.lower_bound(first), allowed.end(), std::back_inserter(accounts),
               [&](const std::string&) { return accounts.size() < most; });
  return accounts;
}

}  // namespace

LatestAnswer History::latest(const Filter& filter, Time now, bool by_target, const Page& page) {
  std::vector<Scope> scopes = load_scopes(reader_, filter, now, now);
  std::erase_if(scopes, [&](const Scope& scope) { return scope.ends <= now; });

  LatestAnswer answer;
  answer.completeness.expected = static_cast<std::int64_t>(scopes.size());
  std::vector<std::pair<const Scope*, const GoodPoll*>> polls;
  for (const Scope& scope : scopes) {
    const GoodPoll* poll = scope.before(now);
    if (poll != nullptr) polls.emplace_back(&scope, poll);
    if (poll != nullptr && now <= poll->covered_until()) {
      ++answer.completeness.good;
    } else {
      const Time from = poll != nullptr ? poll->covered_until() : now;
      answer.completeness.gaps.push_back({scope.target, scope.region, from, now,
                                          gap_reason(reader_, scope, core::from_unix(0), now)});
    }
  }
  std::ranges::sort(polls, std::greater{}, [](const auto& one) {
    return std::pair(one.second->taken_at, one.second->id);
  });
  if (!polls.empty()) answer.completeness.newest = polls.front().second->taken_at;

  // Adds what these accounts have; false once the page is full.
  const auto add = [&](const Filter& chosen) {
    const Selection selection(reader_, {chosen, {}, core::Metric::kCost});
    std::vector<LastSeen> all = guarded("read snapshot", reader_.path(), [&] {
      return last_seen(reader_, selection, polls, by_target);
    });
    std::ranges::sort(all, {}, [](const LastSeen& one) {
      const SeriesRow& row = *one.series;
      return std::tie(row.account(), row.region(), row.type(), row.provider(), row.currency(),
                      one.scope->target);
    });
    for (const LastSeen& one : all) {
      LatestRow row = row_of(one, now);
      if (!page.after.empty() && key_of(row, by_target) <= page.after) continue;
      if (page.limit > 0 && answer.rows.size() == page.limit) {
        answer.next_page = key_of(answer.rows.back(), by_target);
        return false;
      }
      answer.completeness.unknown_values += (row.total ? 0 : 1) + (row.cost ? 0 : 1);
      answer.rows.push_back(std::move(row));
    }
    return true;
  };
  if (page.limit == 0) {
    add(filter);
    return answer;
  }
  // Few accounts at a time, more each time, beginning with the one that the last page ended in.
  Filter chosen = filter;
  std::string first = page.after.substr(0, page.after.find('\n'));
  for (std::size_t most = 4;; most *= 2) {
    chosen.accounts = accounts_from(reader_, filter, first, most);
    if (chosen.accounts.empty() || !add(chosen)) return answer;
    first = chosen.accounts.back() + '\0';
  }
}

void keep_top(std::vector<HistoryLine>& lines, std::size_t top, core::Metric metric) {
  if (lines.size() <= top) return;
  const auto newest = [](const HistoryLine& line) {
    for (auto value = line.values.rbegin(); value != line.values.rend(); ++value) {
      if (*value) return **value;
    }
    return 0.0;
  };
  std::ranges::stable_sort(lines, std::ranges::greater{}, newest);
  std::map<std::pair<std::string, core::Unit>, HistoryLine> others;
  for (std::size_t i = top; i < lines.size(); ++i) {
    const HistoryLine& line = lines[i];
    const core::Unit unit = metric == core::Metric::kTotal ? line.group.unit : core::Unit{};
    const auto [place, fresh] = others.try_emplace({line.group.currency, unit}, line);
    HistoryLine& sum = place->second;
    if (fresh) {
      for (auto& [name, value] : sum.group.labels) value = "other";
      continue;
    }
    for (std::size_t k = 0; k < sum.values.size(); ++k) {
      if (line.absent[k]) continue;
      if (sum.absent[k]) {
        sum.values[k] = line.values[k];
        sum.absent[k] = false;
      } else if (sum.values[k] && line.values[k]) {
        *sum.values[k] += *line.values[k];
      } else {
        sum.values[k].reset();
      }
    }
  }
  lines.resize(top);
  for (auto& [key, line] : others) lines.push_back(std::move(line));
}

HistorySummary History::walk(const Question& question, Time start, Time end,
                             const std::optional<core::Step>& step, Time now,
                             std::size_t most_values, const UsePoint& use) {
  check_range(start, end);
  end = std::min(end, now);
  if (start > end) return {};
  std::vector<Scope> scopes = load_scopes(reader_, question.filter, start, end);
  const Grain grain = grain_of(reader_, question, scopes);
  Snapshots snapshots(reader_, question, std::move(scopes), grain);
  const std::vector<Time> times = choose_times(snapshots.scopes(), start, end, step);
  const std::size_t groups = snapshots.groups().size();
  if (groups * times.size() > most_values) {
    throw Error(ErrorCode::kInvalid,
                "the answer would have {} points in each of {} groups, more than {} in all; choose "
                "a larger step, a shorter range or a limit, or ask for CSV or NDJSON",
                times.size(), groups, most_values);
  }
  for (const Time t : times) use(t, snapshots.groups(), snapshots.at(t));
  HistorySummary summary{completeness(reader_, snapshots.scopes(), start, end),
                         snapshots.selection().next_page()};
  summary.completeness.unknown_values = snapshots.unknown_values();
  return summary;
}

Moments History::at(const Question& question, const std::vector<Time>& times) {
  std::vector<Scope> scopes = load_scopes(reader_, question.filter, times.front(), times.back());
  const Grain grain = grain_of(reader_, question, scopes);
  Snapshots snapshots(reader_, question, std::move(scopes), grain);
  Moments moments{snapshots.groups(), {}};
  for (const Time t : times) moments.values.push_back(snapshots.at(t));
  return moments;
}

HistorySummary History::each_point(const Question& question, Time start, Time end,
                                   std::optional<core::Step> step, Time now, const UsePoint& use) {
  return walk(question, start, end, step, now, SIZE_MAX, use);
}

HistoryAnswer History::history(const Question& question, Time start, Time end,
                               std::optional<core::Step> step, Time now) {
  HistoryAnswer answer;
  std::vector<bool> seen;
  HistorySummary summary =
      walk(question, start, end, step, now, kMostValues,
           [&](Time t, const std::vector<Group>& groups, const std::vector<GroupValue>& values) {
             if (answer.times.empty()) {
               for (const Group& group : groups) answer.lines.push_back({group, {}, {}});
               seen.resize(groups.size());
             }
             answer.times.push_back(t);
             for (std::size_t i = 0; i < values.size(); ++i) {
               const bool absent = values[i].at.presence == core::Presence::kAbsent;
               answer.lines[i].values.push_back(values[i].at.value);
               answer.lines[i].absent.push_back(absent);
               seen[i] = seen[i] || !absent;
             }
           });
  std::size_t index = 0;
  std::erase_if(answer.lines, [&](const HistoryLine&) { return !seen[index++]; });
  answer.completeness = std::move(summary.completeness);
  answer.next_page = std::move(summary.next_page);
  return answer;
}

namespace {

// What made the change of each group: the split of its cost, and its largest contributors.
struct Causes {
  std::optional<core::CostSplit> split = core::CostSplit{};
  std::vector<Contributor> contributors;
};

std::vector<Causes> find_causes(Snapshots& snapshots, core::Metric metric, Time start, Time end,
                                int most) {
  const Selection& selection = snapshots.selection();
  const auto before = snapshots.series_at(start);
  const auto after = snapshots.series_at(end);
  std::vector<Causes> causes(selection.groups().size());
  const auto find = [](const Snapshots::SeriesValues& values, const SeriesRow& series) {
    const auto target = values.find(series.target());
    if (target == values.end()) return std::optional<core::UsageValue>{};
    const auto value = target->second.find(series.id);
    return value == target->second.end() ? std::nullopt : std::optional(value->second);
  };
  for (const SeriesRow& series : selection.series()) {
    const auto b = find(before, series);
    const auto a = find(after, series);
    if (!b && !a) continue;
    const core::UsageValue from = b.value_or(core::UsageValue{});
    const core::UsageValue to = a.value_or(core::UsageValue{});
    Causes& of = causes[*selection.group_of(series.id, series.target())];
    const auto part = core::split_cost(from, to);
    if (!part) {
      of.split.reset();
    } else if (of.split) {
      of.split->volume += part->volume;
      of.split->price += part->price;
    }
    const auto& x = metric == core::Metric::kCost ? from.cost : from.total;
    const auto& y = metric == core::Metric::kCost ? to.cost : to.total;
    if (!x || !y || *x == *y) continue;
    of.contributors.push_back(
        {series.account(), series.region(), series.type(), series.provider(), *y - *x});
  }
  for (Causes& of : causes) {
    std::ranges::stable_sort(of.contributors, std::ranges::greater{},
                             [](const Contributor& c) { return std::abs(c.change); });
    of.contributors.resize(std::min(of.contributors.size(), static_cast<std::size_t>(most)));
    if (metric != core::Metric::kCost) of.split.reset();
  }
  return causes;
}

}  // namespace

DeltaAnswer History::deltas(const Question& question, Time start, Time end, Time now,
                            int contributors) {
  check_range(start, end);
  end = std::min(end, now);
  check_range(start, end);
  const std::vector<Scope> scopes = load_scopes(reader_, question.filter, start, end);
  // What made a change is told by series.
  const Grain grain = contributors > 0 ? Grain::kSeries : grain_of(reader_, question, scopes);
  Snapshots snapshots(reader_, question, scopes, grain);
  const std::vector<GroupValue> before = snapshots.at(start);
  const std::vector<GroupValue> after = snapshots.at(end);

  std::vector<Causes> causes;
  if (contributors > 0) {
    causes = find_causes(snapshots, question.metric, start, end, contributors);
  }
  DeltaAnswer answer;
  answer.start = start;
  answer.end = end;
  for (std::size_t i = 0; i < before.size(); ++i) {
    DeltaRow row{snapshots.groups()[i], {}, before[i], after[i]};
    if (row.before.at.presence == core::Presence::kAbsent &&
        row.after.at.presence == core::Presence::kAbsent) {
      continue;
    }
    // A region that nobody had asked yet at the start says nothing of what was there.
    if (row.after.at.presence == core::Presence::kPresent && row.after.began > start) {
      row.before.at = {core::Presence::kUnknown, std::nullopt};
    }
    row.delta = core::delta(row.before.at, row.after.at);
    if (!causes.empty() && row.delta.change) {
      row.split = causes[i].split;
      row.contributors = std::move(causes[i].contributors);
    }
    answer.rows.push_back(std::move(row));
  }
  std::ranges::stable_sort(answer.rows, [](const DeltaRow& a, const DeltaRow& b) {
    const auto size = [](const DeltaRow& row) {
      return row.delta.change ? std::abs(*row.delta.change) : -1.0;
    };
    if (size(a) != size(b)) return size(a) > size(b);
    return std::tie(a.group.labels, a.group.currency) < std::tie(b.group.labels, b.group.currency);
  });
  answer.completeness = completeness(reader_, scopes, start, end);
  answer.completeness.unknown_values = snapshots.unknown_values();
  return answer;
}

}  // namespace usaged::store
