// Days that are over: what becomes of their polls.
#include <chrono>
#include <vector>

#include "store/days.h"
#include "store/poll_day.h"
#include "store/store.h"

namespace usaged::store {
namespace {

// A transaction that brings blocks into another form takes about so long: polls and readers go on
// after it.
constexpr std::chrono::milliseconds kStep{20};

}  // namespace

void Store::in_steps(const char* what, const NextBucket& next, const std::function<void()>& end) {
  std::optional<std::int64_t> bucket = -1;
  while (bucket) {
    const std::lock_guard lock(mutex_);
    guarded(what, path_, [&] {
      Transaction transaction(db_);
      const auto until = std::chrono::steady_clock::now() + kStep;
      while (bucket && std::chrono::steady_clock::now() < until) bucket = next(*bucket);
      if (!bucket) end();
      transaction.commit();
    });
  }
}

int Store::settle(const std::string& target, const std::string& region, core::Time now) {
  const std::int64_t today = core::day_of(now);  // an import settles all it has
  std::vector<std::int64_t> days;
  std::int64_t scope = 0;
  {
    const std::lock_guard lock(mutex_);
    guarded("settle", path_, [&] {
      Query query(
          db_,
          "SELECT DISTINCT s.id, started / 86400 FROM scope s JOIN poll USING (target, region) "
          "WHERE target = ?1 AND region = ?2 AND outcome = 'ok' AND started < ?3 * 86400 AND "
          "started >= (1 + coalesce(settled, -1)) * 86400 ORDER BY 2");
      query.bind(1, target);
      query.bind(2, region);
      query.bind(3, today);
      while (query.step()) {
        scope = query.integer(0);
        days.push_back(query.integer(1));
      }
    });
  }
  for (const std::int64_t day : days) {
    const auto note = [&] {
      Query unsummed(db_,
                     "INSERT INTO unsummed (region, settled) VALUES (?, 1) ON CONFLICT "
                     "(region) DO UPDATE SET settled = unsummed.settled + 1");
      unsummed.bind(1, region);
      unsummed.run();
      Query settled(db_, "UPDATE scope SET settled = ? WHERE id = ?");
      settled.bind(1, day);
      settled.bind(2, scope);
      settled.run();
      keep_poll_day(db_, scope, day);
    };
    in_steps(
        "settle", [&](std::int64_t after) { return samples_.settle_some(scope, day, after); },
        note);
  }
  return static_cast<int>(days.size());
}

}  // namespace usaged::store
