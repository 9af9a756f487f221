#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/daily.h"
#include "store/question.h"
#include "store/reader.h"
#include "store/samples.h"
#include "store/selection.h"

namespace usaged::store {

// One group's usage or cost of one UTC day. With several series, the range is the sum of theirs,
// and the tag the worst of theirs.
struct GroupDay {
  core::DayTag tag = core::DayTag::kExact;
  double low = 0;
  std::optional<double> high = 0;      // nullopt: nothing bounds it
  std::optional<double> estimate = 0;  // nullopt: there is none

  void add(const GroupDay& other);
};

// The same of the days of a calendar month that are over.
struct GroupMonth {
  int days = 0;  // that are exact or bounded, of the series that has most
  double low = 0;
  std::optional<double> high = 0;
  std::optional<double> estimate = 0;

  void add(const GroupMonth& other);
};

struct DailyLine {
  Group group;
  std::vector<std::optional<GroupDay>> days;  // nullopt: none of the group was there
};

struct DailyAnswer {
  std::vector<std::int64_t> days;  // since the epoch, in order
  std::vector<DailyLine> lines;
  Completeness completeness;
  std::string next_page;
};

// Where the days of a question come from: the sums that are kept, if they have what it asks for,
// else each series.
class Days {
 public:
  // Throws Error(kInvalid) as Selection does.
  Days(Reader& reader, const Question& question);

  const Selection& selection() const { return selection_; }

  // The days of [first, last], and the months of [first_month, last_month], up to the end of
  // `last`. Each comes with the group that it is of; what a group gets of one day or month adds up.
  using UseDay = std::function<void(std::size_t group, std::int64_t day, const GroupDay&)>;
  using UseMonth = std::function<void(std::size_t group, std::int64_t month, const GroupMonth&)>;
  struct Range {
    std::int64_t first;
    std::int64_t last;
    std::int64_t first_month = 0;
    std::int64_t last_month = -1;
  };
  void each(const Range& range, const UseDay& use_day, const UseMonth& use_month = {});

 private:
  void each_of_series(const Range& range, const UseDay& use_day, const UseMonth& use_month);
  void each_of_sums(const Range& range, const UseDay& use_day, const UseMonth& use_month);

  Reader& reader_;
  Question question_;
  Grain grain_;
  Selection selection_;
};

GroupDay group_day(const core::Day& day);
// The month (by number) of one series' days; nullopt if none of them is in it.
std::optional<GroupMonth> month_of_series(const std::vector<core::Day>& days, std::int64_t number);

// Rebuilds the days of one series after the other, from the first and the last sum of each day that
// is settled. Fast if the series are in order of id.
class Rebuilder {
 public:
  explicit Rebuilder(Reader& reader);

  std::vector<core::Day> days(const SeriesRow& row, core::Metric metric);

 private:
  // Of one series: the first and the last sum of a day that AWS told, whose totals are known.
  struct Told {
    std::int64_t day = 0;
    Frame first_at;
    Frame last_at;
    Reading first;
    Reading last;
    int samples = 0;
  };
  struct LoadedBlock {
    std::string bytes;
    std::unique_ptr<BlockReader> reader;
  };

  const std::vector<Told>& told(const SeriesRow& row);
  void load(const std::string& region, std::int64_t bucket);
  const std::set<std::int64_t>& seen_in(const std::string& region);
  std::optional<std::int64_t> nothing_before(const SeriesRow& row, std::int64_t day,
                                             const std::set<std::int64_t>& seen);

  Reader& reader_;
  Query first_seen_;
  Query trials_;
  Query polls_;
  std::map<std::string, std::set<std::int64_t>> seen_;  // days with a good poll, by region
  // The blocks of the series that were asked for last, and what they tell of the last one.
  std::pair<std::string, std::int64_t> loaded_{"", -1};  // region and bucket
  std::vector<LoadedBlock> blocks_;
  std::int64_t told_of_ = 0;
  std::vector<Told> told_;
};

// What was used, or what it cost, on each day of [start, end], as core::rebuild_days() has it from
// the sums of the days that are over. The day of `now` is left out, since it isn't.
// Throws Error(kInvalid) for an empty range or more than 1100 days. By or of a target means the
// series that it has seen, whoever told their days.
DailyAnswer daily(Reader& reader, const Question& question, core::Time start, core::Time end,
                  core::Time now);

}  // namespace usaged::store
