#include "store/days.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/trial.h"
#include "store/coverage.h"
#include "store/history.h"
#include "store/rows.h"
#include "store/selection.h"

namespace usaged::store {
namespace {

using core::DayTag;
using core::Error;
using core::ErrorCode;
using core::Time;

constexpr std::int64_t kMostDays = 1100;

void add_known(std::optional<double>& sum, const std::optional<double>& value) {
  if (!value) sum.reset();
  if (sum) *sum += *value;
}

// The series that each target has seen.
std::map<std::string, std::set<std::int64_t>> sights(Reader& reader) {
  std::map<std::string, std::set<std::int64_t>> seen;
  Query query(reader.db(), "SELECT target, series_id FROM series_target");
  while (query.step()) {
    seen[query.text(0)].insert(query.integer(1));
  }
  return seen;
}

Grain grain_of(const Question& question) {
  if (!question.filter.targets.empty()) return Grain::kSeries;
  if (std::ranges::find(question.group_by, "target") != question.group_by.end()) {
    return Grain::kSeries;
  }
  if (serves(Grain::kKind, question)) return Grain::kKind;
  return serves(Grain::kAccount, question) ? Grain::kAccount : Grain::kSeries;
}

core::DayTag parse_tag(std::string_view name) {
  for (const core::DayTag tag : {core::DayTag::kExact, core::DayTag::kBounded}) {
    if (core::day_tag_name(tag) == name) return tag;
  }
  return core::DayTag::kGap;
}

}  // namespace

GroupDay group_day(const core::Day& day) {
  GroupDay result{day.tag, day.low, day.high, day.estimate};
  if (std::isinf(day.high)) result.high.reset();
  return result;
}

void GroupDay::add(const GroupDay& other) {
  tag = std::max(tag, other.tag);
  low += other.low;
  add_known(high, other.high);
  add_known(estimate, other.estimate);
}

void GroupMonth::add(const GroupMonth& other) {
  days = std::max(days, other.days);
  low += other.low;
  add_known(high, other.high);
  add_known(estimate, other.estimate);
}

std::optional<GroupMonth> month_of_series(const std::vector<core::Day>& days, std::int64_t number) {
  const std::chrono::year_month month = core::month_from(number);
  const std::int64_t first = core::first_day(month);
  const std::int64_t last = core::first_day(month + std::chrono::months{1});
  if (days.empty() || days.back().day < first || days.front().day >= last) return std::nullopt;
  const core::DaySum sum = core::sum_days(days, first, last);
  GroupMonth result{sum.known, sum.bounds.low, sum.bounds.high, sum.estimate};
  if (std::isinf(sum.bounds.high)) result.high.reset();
  return result;
}

Rebuilder::Rebuilder(Reader& reader)
    : reader_(reader),
      first_seen_(reader.db(),
                  "SELECT s.first_seen, (SELECT min(first_seen) FROM series a WHERE a.account = "
                  "s.account AND a.region = s.region) FROM series s WHERE s.id = ?"),
      trials_(reader.db(),
              "SELECT type, started FROM free_trial WHERE account = ? AND region = ? AND started > "
              "0"),
      // CROSS JOIN: SQLite would read the polls of every region.
      polls_(reader.db(),
             "SELECT DISTINCT p.started / 86400 FROM scope s CROSS JOIN poll p WHERE p.target = "
             "s.target AND p.region = s.region AND s.region = ? AND p.outcome = 'ok'") {}

std::vector<core::Day> Rebuilder::days(const SeriesRow& row, core::Metric metric) {
  reader_.check_deadline();
  return guarded("read days", reader_.path(), [&] {
    const bool total = metric == core::Metric::kTotal;
    // Counts are whole, so their sums and costs move in steps.
    const bool counted = core::unit_of(row.type()) == core::Unit::kScans;
    const std::set<std::int64_t>& seen = seen_in(row.region());
    std::vector<core::DaySums> all;
    core::DailyOptions options;
    for (const Told& day : told(row)) {
      if (!total && !(day.first.has(Reading::kHasCost) && day.last.has(Reading::kHasCost)))
        continue;
      core::DaySums sums;
      sums.day = day.day;
      sums.first_at = core::from_unix(day.first_at.at);
      sums.last_at = core::from_unix(day.last_at.at);
      sums.first = total ? day.first.total : day.first.cost;
      sums.last = total ? day.last.total : day.last.cost;
      if (all.empty()) {
        sums.begins = true;
        sums.nothing_before = nothing_before(row, sums.day, seen);
      } else {
        // Days that were seen without it in between: it was gone.
        const auto between = seen.upper_bound(all.back().day);
        sums.begins = between != seen.end() && *between < sums.day;
      }
      if (counted) {
        const double price = day.last.total > 0 ? sums.last / day.last.total : 0;
        options.rounding = std::max(options.rounding, total ? 1 : price);
      }
      all.push_back(sums);
    }
    return all.empty() ? std::vector<core::Day>{} : core::rebuild_days(all, options);
  });
}

// Where two targets see a series, the day of the one that saw it more often counts.
const std::vector<Rebuilder::Told>& Rebuilder::told(const SeriesRow& row) {
  if (told_of_ == row.id) return told_;
  load(row.region(), Samples::bucket_of(row.id));
  told_.clear();
  std::vector<Reading> line;
  for (const LoadedBlock& block : blocks_) {
    const auto found = block.reader->find(row.id);
    if (!found) continue;
    block.reader->read(*found, line);
    const std::size_t begin = told_.size();
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (!line[i].has(Reading::kHasTotal)) continue;
      const Frame& frame = block.reader->frames()[i];
      const std::int64_t day = frame.at / 86400;
      if (told_.size() == begin || told_.back().day != day) {
        told_.push_back({day, frame, frame, line[i], line[i], 0});
      }
      told_.back().last_at = frame;
      told_.back().last = line[i];
      ++told_.back().samples;
    }
  }
  std::ranges::stable_sort(told_, {},
                           [](const Told& one) { return std::pair(one.day, -one.samples); });
  told_.erase(std::unique(told_.begin(), told_.end(),
                          [](const Told& a, const Told& b) { return a.day == b.day; }),
              told_.end());
  told_of_ = row.id;
  return told_;
}

void Rebuilder::load(const std::string& region, std::int64_t bucket) {
  if (loaded_ == std::pair(region, bucket)) return;
  blocks_.clear();
  Query scopes(reader_.db(), "SELECT id FROM scope WHERE region = ? ORDER BY id");
  scopes.bind(1, region);
  while (scopes.step()) {
    reader_.samples().each_settled(scopes.integer(0), bucket, [&](std::string_view bytes) {
      LoadedBlock& block = blocks_.emplace_back();
      block.bytes = bytes;
    });
  }
  for (LoadedBlock& block : blocks_) block.reader = std::make_unique<BlockReader>(block.bytes);
  loaded_ = {region, bucket};
}

const std::set<std::int64_t>& Rebuilder::seen_in(const std::string& region) {
  const auto [place, fresh] = seen_.try_emplace(region);
  if (fresh) {
    polls_.reset();
    polls_.bind(1, region);
    while (polls_.step()) place->second.insert(polls_.integer(0));
  }
  return place->second;
}

// The day before which nothing was used of a series: that of its trial's begin, or the last one
// that a poll showed its account without it.
std::optional<std::int64_t> Rebuilder::nothing_before(const SeriesRow& row, std::int64_t day,
                                                      const std::set<std::int64_t>& seen) {
  trials_.reset();
  trials_.bind(1, row.account());
  trials_.bind(2, row.region());
  while (trials_.step()) {
    if (core::trial_covers(trials_.text(0), row.type())) {
      return trials_.integer(1) / 86400;
    }
  }
  first_seen_.reset();
  first_seen_.bind(1, row.id);
  if (!first_seen_.step()) return std::nullopt;
  const std::int64_t first_seen = first_seen_.integer(0);
  const bool account_was_there = first_seen_.integer(1) < first_seen;
  first_seen_.reset();
  if (!account_was_there || first_seen / 86400 != day) return std::nullopt;
  const auto at = seen.lower_bound(day);
  if (at == seen.begin()) return std::nullopt;
  return *std::prev(at);
}

Days::Days(Reader& reader, const Question& question)
    : reader_(reader),
      question_(question),
      grain_(grain_of(question)),
      selection_(reader, question, grain_) {}

void Days::each(const Range& range, const UseDay& use_day, const UseMonth& use_month) {
  guarded("read days", reader_.path(), [&] {
    if (grain_ == Grain::kSeries) {
      each_of_series(range, use_day, use_month);
    } else {
      each_of_sums(range, use_day, use_month);
    }
  });
}

void Days::each_of_series(const Range& range, const UseDay& use_day, const UseMonth& use_month) {
  const auto& targets = question_.filter.targets;
  const bool by_sight = selection_.by_target() || !targets.empty();
  const auto seen = by_sight ? sights(reader_) : std::map<std::string, std::set<std::int64_t>>{};
  const auto has_seen = [&](const std::string& target, std::int64_t series) {
    const auto found = seen.find(target);
    return found != seen.end() && found->second.contains(series);
  };
  std::map<std::int64_t, std::vector<std::size_t>> groups;  // of each series
  for (const SeriesRow& row : selection_.series()) {
    bool chosen = true;
    if (selection_.by_target()) {
      chosen = has_seen(row.target(), row.id);
    } else if (by_sight) {
      chosen = std::ranges::any_of(
          targets, [&](const std::string& target) { return has_seen(target, row.id); });
    }
    if (chosen) groups[row.id].push_back(*selection_.group_of(row.id, row.target()));
  }
  Rebuilder rebuilder(reader_);
  std::int64_t done = 0;  // a series is there once for each target
  for (const SeriesRow& row : selection_.series()) {
    const auto found = groups.find(row.id);
    if (found == groups.end() || std::exchange(done, row.id) == row.id) continue;
    std::vector<core::Day> days = rebuilder.days(row, question_.metric);
    std::erase_if(days, [&](const core::Day& day) { return day.day > range.last; });
    for (const std::size_t group : found->second) {
      for (const core::Day& day : days) {
        if (day.day >= range.first) use_day(group, day.day, group_day(day));
      }
      for (std::int64_t number = range.first_month; number <= range.last_month; ++number) {
        if (const auto sum = month_of_series(days, number)) use_month(group, number, *sum);
      }
    }
  }
}

void Days::each_of_sums(const Range& range, const UseDay& use_day, const UseMonth& use_month) {
  const bool of_kinds = grain_ == Grain::kKind;
  const char* key =
      of_kinds ? "kind_id = ?3 AND metric = ?4" : "account = ?3 AND region = ?4 AND currency = ?5";
  const char* name = of_kinds ? "kind" : "account";
  Query days(reader_.db(),
             fmt::format("SELECT day, tag, low, high, estimate FROM day_by_{} WHERE day "
                         "BETWEEN ?1 AND ?2 AND {} ORDER BY day",
                         name, key));
  Query months(reader_.db(),
               fmt::format("SELECT month, days, low, high, estimate FROM month_by_{} WHERE "
                           "month BETWEEN ?1 AND ?2 AND {} ORDER BY month",
                           name, key));
  const auto bind = [&](Query& query, const SeriesRow& row, std::int64_t from, std::int64_t to) {
    query.reset();
    query.bind(1, from);
    query.bind(2, to);
    if (of_kinds) {
      query.bind(3, row.id);
      query.bind(4, std::string(core::metric_name(question_.metric)));
    } else {
      query.bind(3, row.account());
      query.bind(4, row.region());
      query.bind(5, row.currency());
    }
  };
  for (const SeriesRow& row : selection_.series()) {
    reader_.check_deadline();
    const std::size_t group = *selection_.group_of(row.id);
    bind(days, row, range.first, range.last);
    while (days.step()) {
      use_day(group, integer_within(days, 0, range.first, range.last),
              {parse_tag(days.text(1)), days.real(2), optional_double(days, 3),
               optional_double(days, 4)});
    }
    if (range.first_month > range.last_month) continue;
    bind(months, row, range.first_month, range.last_month);
    while (months.step()) {
      use_month(group, integer_within(months, 0, range.first_month, range.last_month),
                {static_cast<int>(months.integer(1)), months.real(2), optional_double(months, 3),
                 optional_double(months, 4)});
    }
  }
}

DailyAnswer daily(Reader& reader, const Question& question, Time start, Time end, Time now) {
  const std::int64_t first = core::day_of(start);
  const std::int64_t last = std::min(core::day_of(end), core::day_of(now) - 1);
  if (end < start) throw Error(ErrorCode::kInvalid, "end: is before the start");
  if (last - first >= kMostDays) {
    throw Error(ErrorCode::kInvalid, "the range has {} days; {} are allowed", last - first + 1,
                kMostDays);
  }
  DailyAnswer answer;
  for (std::int64_t day = first; day <= last; ++day) answer.days.push_back(day);
  Days source(reader, question);
  const Selection& selection = source.selection();
  if (selection.groups().size() * answer.days.size() > History::kMostValues) {
    throw Error(ErrorCode::kInvalid,
                "the answer would have {} days of {} groups, more than {} in all; choose a shorter "
                "range or a limit",
                answer.days.size(), selection.groups().size(), History::kMostValues);
  }
  for (const Group& group : selection.groups()) {
    answer.lines.push_back({group, std::vector<std::optional<GroupDay>>(answer.days.size())});
  }
  source.each({first, last}, [&](std::size_t group, std::int64_t day, const GroupDay& usage) {
    auto& sum = answer.lines[group].days[static_cast<std::size_t>(day - first)];
    if (!sum) sum.emplace();
    sum->add(usage);
  });
  std::erase_if(answer.lines, [](const DailyLine& line) {
    return std::ranges::none_of(line.days, [](const auto& day) { return day.has_value(); });
  });
  answer.next_page = selection.next_page();
  const Time from = core::midnight(first);
  const Time to = core::midnight(last + 1) - core::Seconds{1};
  if (first <= last) {
    answer.completeness =
        completeness(reader, load_scopes(reader, question.filter, from, to), from, to);
  }
  return answer;
}

}  // namespace usaged::store
