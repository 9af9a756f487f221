#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "core/time.h"
#include "store/poll_day.h"
#include "store/question.h"
#include "store/reader.h"
#include "store/samples.h"

// Which times are covered by good polls, and which are gaps.
namespace usaged::store {

// What one target sees in one region, over time.
struct Scope {
  std::int64_t id = 0;
  std::string target;
  std::string region;
  core::Time first_attempt;
  core::Time first_good;  // Time::max() if there was none
  core::Time last_attempt;
  core::Seconds interval;  // of the last attempt
  // Before this, one poll a day is left (Store::thin).
  core::Time thinned_until = core::from_unix(0);
  std::vector<GoodPoll> polls;  // in the range and the one before it, by time
  // Since when it is no longer asked. From then on there is nothing to know; until then, a time
  // without a covering poll is a gap.
  core::Time ends = core::Time::max();

  PollRef ref(const GoodPoll& poll) const { return {id, poll.id, poll.taken_at}; }

  // The newest good poll at or before t; nullptr if there is none.
  const GoodPoll* before(core::Time t) const {
    const auto after = std::ranges::upper_bound(polls, t, {}, &GoodPoll::taken_at);
    return after == polls.begin() ? nullptr : &*std::prev(after);
  }
};

// The scopes that a filter chooses, with the polls that say something of [start, end].
std::vector<Scope> load_scopes(Reader& reader, const Filter& filter, core::Time start,
                               core::Time end);

// Why a scope has a gap: the outcome of its last failed poll there.
std::string gap_reason(Reader& reader, const Scope& scope, core::Time from, core::Time to);

// Polls expected and good, and the gaps, in [start, end].
Completeness completeness(Reader& reader, const std::vector<Scope>& scopes, core::Time start,
                          core::Time end);

// What one target saw in one region on one UTC day.
struct CollectionDay {
  std::string target;
  std::string region;
  std::int64_t day = 0;  // since the epoch
  std::int64_t polls = 0;
  std::int64_t good = 0;
  // The share of the day that good polls cover, 0 to 1: of what is over of it, of what lies after
  // the first good poll, and of what lies before the target's end.
  double known = 1;
  std::string reason;  // of its longest gap, as a Gap has it; empty: it has none
};

// By target, region and day; the days on which a scope is asked, from its first good poll on.
std::vector<CollectionDay> collection_days(Reader& reader, const Filter& filter, core::Time start,
                                           core::Time end);

}  // namespace usaged::store
