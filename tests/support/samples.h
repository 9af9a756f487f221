#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "store/reader.h"
#include "store/rows.h"

namespace usaged::support {

// What a good poll said of a series.
struct SampleRow {
  std::int64_t poll = 0;
  std::int64_t series = 0;
  std::optional<double> total;
  std::optional<double> cost;
  bool gone = false;
  friend bool operator==(const SampleRow&, const SampleRow&) = default;
};

// All of them, by poll and series.
inline std::vector<SampleRow> sample_rows(const std::string& database) {
  store::Reader reader(database);
  store::Query polls(reader.db(),
                     "SELECT s.id, p.id, p.started FROM poll p JOIN scope s USING (target, region) "
                     "WHERE p.outcome = 'ok' ORDER BY p.id");
  std::vector<SampleRow> rows;
  while (polls.step()) {
    const store::PollRef poll{polls.integer(0), polls.integer(1),
                              core::from_unix(polls.integer(2))};
    for (const store::Sample& one : reader.samples().of(poll)) {
      rows.push_back({poll.poll, one.series, store::total_of(one.reading),
                      store::cost_of(one.reading), one.reading.has(store::Reading::kGone)});
    }
  }
  return rows;
}

}  // namespace usaged::support
