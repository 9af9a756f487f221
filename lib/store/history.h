#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/alert.h"
#include "core/delta.h"
#include "core/step.h"
#include "core/time.h"
#include "core/usage.h"
#include "store/question.h"
#include "store/reader.h"

namespace usaged::store {

// The value of a group at one moment.
struct GroupValue {
  core::ValueAt at;
  core::Time oldest;  // of the polls that the value is made of
  core::Time newest;
  core::Time began;  // since when each of its regions has been asked
};

// One series as it was last seen.
struct LatestRow {
  std::string account;
  std::string region;
  std::string type;
  std::string provider;
  std::string currency;
  std::string target;
  core::Time taken_at;
  std::optional<double> total;
  std::optional<double> cost;
  bool stale = false;  // the poll after it is overdue
};

struct LatestAnswer {
  std::vector<LatestRow> rows;  // by account, region, type
  Completeness completeness;    // of all polls; its unknown values are those of the rows
  std::string next_page;        // where this one ended; empty: it is the last
};

struct HistoryLine {
  Group group;
  std::vector<std::optional<double>> values;  // one for each of the answer's times
  std::vector<bool> absent;                   // it was not there, rather than unknown
};

struct HistoryAnswer {
  std::vector<core::Time> times;
  std::vector<HistoryLine> lines;
  Completeness completeness;
  std::string next_page;
};

// What is said of a history beside its points.
struct HistorySummary {
  Completeness completeness;
  std::string next_page;
};

// Keeps the so many lines that are largest at their newest, and adds one for each currency and unit
// with the sum of the rest, whose labels are all "other".
void keep_top(std::vector<HistoryLine>& lines, std::size_t top, core::Metric metric);

// One series' part in the change of a group.
struct Contributor {
  std::string account;
  std::string region;
  std::string type;
  std::string provider;
  double change = 0;
};

struct DeltaRow {
  Group group;
  core::Delta delta;
  GroupValue before;
  GroupValue after;
  // If asked for: what made the change. The split is of costs only, and needs every number of the
  // group; contributors are the largest, in order.
  std::optional<core::CostSplit> split{};
  std::vector<Contributor> contributors{};
};

struct DeltaAnswer {
  std::vector<DeltaRow> rows;  // largest change first, unknown ones last
  core::Time start;
  core::Time end;
  Completeness completeness;
};

// Every group at some moments.
struct Moments {
  std::vector<Group> groups;
  std::vector<std::vector<GroupValue>> values;  // by moment, then by group
};

// Questions about the stored snapshots.
//
// The value at time t is that of the newest good poll at or before t, if t is within twice its
// interval; else it is unknown. A group whose polls are unknown in part is unknown as a whole: a
// sum of what happens to be there would look like a fall in cost. Where several targets see one
// series, the newest poll that has it counts.
class History {
 public:
  explicit History(Reader& reader) : reader_(reader) {}

  // Every matching series as last seen, however long ago. Targets and regions that are no longer
  // asked are left out. What several targets see is there once, or once for each `by_target`. A
  // page has so many rows.
  LatestAnswer latest(const Filter& filter, core::Time now, bool by_target = false,
                      const Page& page = {});

  // A line for each group that was there at any point of [start, end], a point each `step`. Without
  // a step: a point at each poll if there are no more than 500, else the smallest round step that
  // gives no more. Throws Error(kInvalid) for more than 11,000 points a line, more than kMostValues
  // in all, or an empty range.
  HistoryAnswer history(const Question& question, core::Time start, core::Time end,
                        std::optional<core::Step> step, core::Time now);
  static constexpr std::size_t kMostValues = 500000;

  // The same points in order of time, for answers of any size: none is held. `values` are those of
  // `groups`, in their order, the absent ones among them.
  using UsePoint = std::function<void(core::Time, const std::vector<Group>& groups,
                                      const std::vector<GroupValue>& values)>;
  HistorySummary each_point(const Question& question, core::Time start, core::Time end,
                            std::optional<core::Step> step, core::Time now, const UsePoint& use);

  // The value of each group at each of the times, which are in order.
  Moments at(const Question& question, const std::vector<core::Time>& times);

  // The change of each group from `start` to `end`. With `contributors`, so many of the series that
  // made it, and the split into volume and price.
  DeltaAnswer deltas(const Question& question, core::Time start, core::Time end, core::Time now,
                     int contributors = 0);

 private:
  HistorySummary walk(const Question& question, core::Time start, core::Time end,
                      const std::optional<core::Step>& step, core::Time now,
                      std::size_t most_values, const UsePoint& use);

  Reader& reader_;
};

}  // namespace usaged::store
