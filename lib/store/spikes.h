#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/spike.h"
#include "store/history.h"
#include "store/reader.h"

namespace usaged::store {

// One group, judged for a spike.
struct SpikeRow {
  Group group;
  core::Time from;  // of what was judged: about a day up to the newest poll
  core::Time to;
  core::Time oldest;                              // of the polls that the newest sum is made of
  std::optional<core::SpikeJudgement> judgement;  // nullopt: too little is known
};

// The days until yesterday of each group of one question, kept between evaluations: they change
// once a day, when it has been settled.
class SpikeMemory {
 public:
  struct Entry {
    std::vector<core::UsageDay> history;
    std::optional<core::Baseline> baseline;
    std::optional<std::int64_t> begins;  // the baseline, on which day
  };

  // Reads the days anew if they may have changed.
  void refresh(Reader& reader, const Question& question, core::Time now);
  // nullptr: nothing is known of the group.
  Entry* find(const Group& group);

 private:
  std::string state_;  // of what it was read
  std::map<std::pair<core::Labels, std::string>, Entry> entries_;
};

// Judges every group as of `now`, by the polls of the last day and of the one 30 days before, and
// the days rebuilt until yesterday. Nothing is said across a gap. The memory is of this question
// alone.
std::vector<SpikeRow> spikes(Reader& reader, const Question& question,
                             const core::SpikeOptions& options, core::Time now,
                             SpikeMemory& memory);

}  // namespace usaged::store
