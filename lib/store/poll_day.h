#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "store/connection.h"

// The good polls of a settled day in one row (table `poll_day`).
//
// Format (varints, see varint.h): 1 (the version); how many; for each its id, its time, how much
// later than its slot that is, and its interval, each less that of the poll before.
namespace usaged::store {

struct GoodPoll {
  std::int64_t id = 0;
  core::Time taken_at;
  core::Time slot;
  core::Seconds interval{0};
  core::Time covered_until() const { return taken_at + 2 * interval; }
  bool operator==(const GoodPoll&) const = default;
};

// From the columns id, started, slot and interval of `poll`, of which this is the first.
GoodPoll good_poll(const Query& row, int column);

// In order of time, then of id.
std::string encode_polls(std::span<const GoodPoll> polls);
// Appends them. Throws Error(kStorage) if the bytes are damaged.
void decode_polls(std::string_view bytes, std::vector<GoodPoll>& polls);

// The good polls of a day, as `poll` has them; in that order.
std::vector<GoodPoll> polls_of_day(Connection& db, std::int64_t scope, std::int64_t day);

// Makes the row of a day from `poll`; to be called in the transaction that settles the day, and in
// each that changes polls of one that is settled.
void keep_poll_day(Connection& db, std::int64_t scope, std::int64_t day);

}  // namespace usaged::store
