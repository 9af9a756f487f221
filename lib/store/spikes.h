#pragma once

#include <optional>
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

// Judges every group as of `now`, by the polls of the last day and of the one 30 days before, and
// the days rebuilt until yesterday. Nothing is said across a gap.
std::vector<SpikeRow> spikes(Reader& reader, const Question& question,
                             const core::SpikeOptions& options, core::Time now);

}  // namespace usaged::store
