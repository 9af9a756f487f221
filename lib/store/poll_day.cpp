#include "store/poll_day.h"

#include "store/rows.h"
#include "store/varint.h"

namespace usaged::store {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr const char* kWhat = "a day of polls";

}  // namespace

GoodPoll good_poll(const Query& row, int column) {
  return {row.integer(column), time_at(row, column + 1), time_at(row, column + 2),
          interval_at(row, column + 3)};
}

std::string encode_polls(std::span<const GoodPoll> polls) {
  std::string out;
  put(out, kVersion);
  put(out, polls.size());
  GoodPoll before;
  for (const GoodPoll& poll : polls) {
    const auto late = poll.taken_at - poll.slot;
    put_signed(out, unsigned_of(poll.id - before.id));
    put_signed(out, unsigned_of((poll.taken_at - before.taken_at).count()));
    put_signed(out, unsigned_of((late - (before.taken_at - before.slot)).count()));
    put_signed(out, unsigned_of((poll.interval - before.interval).count()));
    before = poll;
  }
  return out;
}

void decode_polls(std::string_view bytes, std::vector<GoodPoll>& polls) {
  Bytes in(bytes, kWhat);
  if (in.number() != kVersion) throw_damaged(kWhat);
  std::uint64_t id = 0;
  std::uint64_t at = 0;
  std::uint64_t late = 0;
  std::uint64_t interval = 0;
  for (std::uint64_t left = in.number(); left > 0; --left) {
    id += in.signed_number();
    at += in.signed_number();
    late += in.signed_number();
    interval += in.signed_number();
    constexpr std::uint64_t kMost = kMostSeconds;
    if (at > kMost || interval == 0 || interval > kMost || late + kMost > 2 * kMost) {
      throw_damaged(kWhat);
    }
    polls.push_back({static_cast<std::int64_t>(id), core::from_unix(static_cast<std::int64_t>(at)),
                     core::from_unix(static_cast<std::int64_t>(at - late)),
                     core::Seconds{static_cast<std::int64_t>(interval)}});
  }
}

std::vector<GoodPoll> polls_of_day(Connection& db, std::int64_t scope, std::int64_t day) {
  Query query(
      db,
      "SELECT p.id, started, slot, interval FROM scope s JOIN poll p USING (target, region) "
      "WHERE s.id = ?1 AND outcome = 'ok' AND started BETWEEN ?2 * 86400 AND ?2 * 86400 + "
      "86399 ORDER BY started, p.id");
  query.bind(1, scope);
  query.bind(2, day);
  std::vector<GoodPoll> polls;
  while (query.step()) polls.push_back(good_poll(query, 0));
  return polls;
}

void keep_poll_day(Connection& db, std::int64_t scope, std::int64_t day) {
  const std::vector<GoodPoll> polls = polls_of_day(db, scope, day);
  const std::string bytes = encode_polls(polls);
  Query write(db, polls.empty()
                      ? "DELETE FROM poll_day WHERE scope_id = ?1 AND day = ?2"
                      : "INSERT INTO poll_day (scope_id, day, polls) VALUES (?1, ?2, ?3) "
                        "ON CONFLICT (scope_id, day) DO UPDATE SET polls = excluded.polls");
  write.bind(1, scope);
  write.bind(2, day);
  if (!polls.empty()) write.bind_blob(3, bytes);
  write.run();
}

}  // namespace usaged::store
