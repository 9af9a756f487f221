#include "store/days.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"
#include "core/trial.h"
#include "store/coverage.h"
#include "store/selection.h"

namespace usaged::store {
namespace {

using core::DayTag;
using core::Error;
using core::ErrorCode;
using core::Time;

constexpr std::int64_t kMostDays = 1100;

std::int64_t day_of(Time t) { return core::unix_seconds(t) / 86400; }

// The days on which each region was seen by a good poll.
std::map<std::string, std::set<std::int64_t>> seen_days(Reader& reader) {
  std::map<std::string, std::set<std::int64_t>> days;
  SQLite::Statement query(reader.db(),
                          "SELECT DISTINCT region, started / 86400 FROM poll WHERE outcome = 'ok'");
  while (query.executeStep()) {
    days[query.getColumn(0).getString()].insert(query.getColumn(1).getInt64());
  }
  return days;
}

// The sums of each chosen series, in order of days.
class Sums {
 public:
  Sums(Reader& reader, const Selection& selection, core::Metric metric)
      : seen_(seen_days(reader)), metric_(metric) {
    for (const SeriesRow& row : selection.series()) series_.emplace(row.id, Series{&row});
    // An account that was there before its series shows that nothing was used of it until then.
    SQLite::Statement accounts(
        reader.db(),
        "SELECT account, region, min(first_seen) FROM series GROUP BY account, region");
    while (accounts.executeStep()) {
      accounts_[{accounts.getColumn(0).getString(), accounts.getColumn(1).getString()}] =
          accounts.getColumn(2).getInt64();
    }
    // Nor is anything used before a trial begins.
    SQLite::Statement trials(
        reader.db(), "SELECT account, region, type, started FROM free_trial WHERE started > 0");
    while (trials.executeStep()) {
      trials_[{trials.getColumn(0).getString(), trials.getColumn(1).getString()}].emplace_back(
          trials.getColumn(2).getString(), trials.getColumn(3).getInt64() / 86400);
    }
    read(reader, selection);
  }

  template <typename Use>
  void each(Use use) const {
    for (const auto& [id, series] : series_) {
      if (series.sums.empty()) continue;
      core::DailyOptions options;
      options.rounding = series.rounding;
      use(id, core::rebuild_days(series.sums, options));
    }
  }

 private:
  struct Series {
    const SeriesRow* row;
    std::vector<core::DaySums> sums{};
    double rounding = 0;
  };

  void read(Reader& reader, const Selection& selection) {
    const char* columns = metric_ == core::Metric::kTotal ? "first_total, last_total, last_total"
                                                          : "first_cost, last_cost, last_total";
    // A few series are looked up, many are read with all there is.
    const bool few = selection.series().size() <= 64;
    SQLite::Statement query(
        reader.db(), fmt::format("SELECT series_id, day, first_at, last_at, {} FROM daily {} ORDER "
                                 "BY series_id, day",
                                 columns, few ? "WHERE series_id = ?" : ""));
    const auto rows = [&] {
      while (query.executeStep()) {
        const auto found = series_.find(query.getColumn(0).getInt64());
        if (found == series_.end() || query.isColumnNull(4) || query.isColumnNull(5)) continue;
        add(found->second, query);
      }
    };
    if (!few) return rows();
    for (const SeriesRow& row : selection.series()) {
      query.bind(1, row.id);
      rows();
      query.reset();
    }
  }

  void add(Series& series, SQLite::Statement& query) {
    core::DaySums sums;
    sums.day = query.getColumn(1).getInt64();
    sums.first_at = core::from_unix(query.getColumn(2).getInt64());
    sums.last_at = core::from_unix(query.getColumn(3).getInt64());
    sums.first = query.getColumn(4).getDouble();
    sums.last = query.getColumn(5).getDouble();
    const std::set<std::int64_t>& seen = seen_.at(series.row->region);
    if (series.sums.empty()) {
      sums.begins = true;
      sums.nothing_before = nothing_before(*series.row, sums.day, seen);
    } else {
      // Days that were seen without it in between: it was gone.
      const auto between = seen.upper_bound(series.sums.back().day);
      sums.begins = between != seen.end() && *between < sums.day;
    }
    // Counts are whole, so their sums and costs move in steps.
    if (core::unit_of(series.row->type) == core::Unit::kScans) {
      const double total = query.getColumn(6).getDouble();
      const double price = total > 0 ? sums.last / total : 0;
      series.rounding = std::max(series.rounding, metric_ == core::Metric::kTotal ? 1 : price);
    }
    series.sums.push_back(sums);
  }

  // The day before which nothing was used of a series: that of its trial's begin, or the last one
  // that a poll showed its account without it.
  std::optional<std::int64_t> nothing_before(const SeriesRow& row, std::int64_t day,
                                             const std::set<std::int64_t>& seen) const {
    if (const auto found = trials_.find({row.account, row.region}); found != trials_.end()) {
      for (const auto& [type, began] : found->second) {
        if (core::trial_covers(type, row.type)) return began;
      }
    }
    const bool account_was_there =
        accounts_.at({row.account, row.region}) < core::unix_seconds(row.first_seen);
    if (!account_was_there || day_of(row.first_seen) != day) return std::nullopt;
    const auto at = seen.lower_bound(day);
    if (at == seen.begin()) return std::nullopt;
    return *std::prev(at);
  }

  std::map<std::string, std::set<std::int64_t>> seen_;
  std::map<std::pair<std::string, std::string>, std::int64_t> accounts_;
  // Scan types with the day their trial began.
  std::map<std::pair<std::string, std::string>, std::vector<std::pair<std::string, std::int64_t>>>
      trials_;
  core::Metric metric_;
  std::map<std::int64_t, Series> series_;
};

void add(std::optional<GroupDay>& sum, const core::Day& day) {
  if (!sum) sum.emplace();
  sum->tag = std::max(sum->tag, day.tag);
  sum->low += day.low;
  if (std::isinf(day.high)) {
    sum->high.reset();
  } else if (sum->high) {
    *sum->high += day.high;
  }
  if (!day.estimate) {
    sum->estimate.reset();
  } else if (sum->estimate) {
    *sum->estimate += *day.estimate;
  }
}

}  // namespace

void rebuild_each(
    Reader& reader, const Question& question, const Selection& selection,
    const std::function<void(std::int64_t series, const std::vector<core::Day>& days)>& use) {
  if (!question.filter.targets.empty()) {
    throw Error(ErrorCode::kInvalid,
                "target: days are not kept by target; choose accounts or regions instead");
  }
  guarded("read days", reader.path(), [&] {
    const Sums sums(reader, selection, question.metric);
    sums.each([&](std::int64_t series, const std::vector<core::Day>& days) {
      reader.check_deadline();
      use(series, days);
    });
  });
}

DailyAnswer daily(Reader& reader, const Question& question, Time start, Time end, Time now) {
  const std::int64_t first = day_of(start);
  const std::int64_t last = std::min(day_of(end), day_of(now) - 1);
  if (end < start) throw Error(ErrorCode::kInvalid, "end: is before the start");
  if (last - first >= kMostDays) {
    throw Error(ErrorCode::kInvalid, "the range has {} days; {} are allowed", last - first + 1,
                kMostDays);
  }
  return guarded("read days", reader.path(), [&] {
    DailyAnswer answer;
    for (std::int64_t day = first; day <= last; ++day) answer.days.push_back(day);
    const Selection selection(reader, question);
    for (const Group& group : selection.groups()) {
      answer.lines.push_back({group, std::vector<std::optional<GroupDay>>(answer.days.size())});
    }
    rebuild_each(reader, question, selection,
                 [&](std::int64_t series, const std::vector<core::Day>& days) {
                   auto& line = answer.lines[selection.group_of(series)];
                   for (const core::Day& day : days) {
                     if (day.day < first || day.day > last) continue;
                     add(line.days[static_cast<std::size_t>(day.day - first)], day);
                   }
                 });
    std::erase_if(answer.lines, [](const DailyLine& line) {
      return std::ranges::none_of(line.days, [](const auto& day) { return day.has_value(); });
    });
    std::ranges::sort(answer.lines, [](const DailyLine& a, const DailyLine& b) {
      return std::tie(a.group.labels, a.group.currency) <
             std::tie(b.group.labels, b.group.currency);
    });
    const Time from = core::from_unix(first * 86400);
    const Time to = core::from_unix((last + 1) * 86400 - 1);
    if (first <= last) {
      answer.completeness =
          completeness(reader, load_scopes(reader, question.filter, from, to), from, to);
    }
    return answer;
  });
}

}  // namespace usaged::store
