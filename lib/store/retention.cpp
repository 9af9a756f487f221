// What is forgotten, and how its space comes back.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "store/days.h"
#include "store/poll_day.h"
#include "store/rows.h"
#include "store/store.h"

namespace usaged::store {
namespace {

// Days that one call thins out; polls come at least daily, so that it catches up.
constexpr int kMostDays = 2;
// Rows of alerts, messages and silences that one call deletes.
constexpr int kMostEvents = 500;

}  // namespace

void Store::thin(const std::string& target, const std::string& region, core::Time now,
                 core::Seconds keep) {
  if (keep <= core::Seconds{0}) return;
  for (int i = 0; i < kMostDays; ++i) {
    const auto day = next_to_thin(target, region, core::day_of(now - keep));
    if (!day) break;
    const PollRef kept = keep_one_poll(target, region, *day);
    const auto note = [&] {
      Query thinned(db_, "UPDATE scope SET thinned = ? WHERE id = ?");
      thinned.bind(1, *day);
      thinned.bind(2, kept.scope);
      thinned.run();
    };
    in_steps(
        "thin out", [&](std::int64_t after) { return samples_.thin_some(kept, after); }, note);
    // The first day of a month that is done says that the month before is.
    const std::int64_t month = core::month_number(core::month_of(*day)) - 1;
    in_steps(
        "pack a month",
        [&](std::int64_t after) { return samples_.pack_some(kept.scope, month, after); }, [] {});
  }
  const std::lock_guard lock(mutex_);
  give_back_space();
}

// Only days that are settled.
std::optional<std::int64_t> Store::next_to_thin(const std::string& target,
                                                const std::string& region, std::int64_t before) {
  const std::lock_guard lock(mutex_);
  return guarded("thin out", path_, [&]() -> std::optional<std::int64_t> {
    Query query(db_,
                "SELECT min(p.started) / 86400 FROM scope s JOIN poll p ON p.target = s.target AND "
                "p.region = s.region WHERE s.target = ?1 AND s.region = ?2 AND p.started >= (1 + "
                "coalesce(s.thinned, "
                "-1)) * 86400 AND p.started < ?3 * 86400 AND p.started < (1 + coalesce(s.settled, "
                "-1)) * 86400");
    query.bind(1, target);
    query.bind(2, region);
    query.bind(3, before);
    if (!query.step() || query.is_null(0)) return std::nullopt;
    return query.integer(0);
  });
}

PollRef Store::keep_one_poll(const std::string& target, const std::string& region,
                             std::int64_t day) {
  const std::lock_guard lock(mutex_);
  return guarded("thin out", path_, [&] {
    Transaction transaction(db_);
    Query query(
        db_,
        "SELECT s.id, p.id, p.started FROM scope s JOIN poll p USING (target, region) WHERE target "
        "= ?1 AND region = ?2 AND started BETWEEN ?3 * 86400 AND ?3 * 86400 + 86399 ORDER BY "
        "outcome = 'ok' DESC, started DESC, p.id DESC");
    query.bind(1, target);
    query.bind(2, region);
    query.bind(3, day);
    PollRef kept;
    std::vector<std::int64_t> others;
    while (query.step()) {
      const std::int64_t id = query.integer(1);
      if (kept.poll == 0) {
        kept = {query.integer(0), id, time_at(query, 2)};
      } else {
        others.push_back(id);
      }
    }
    if (others.empty()) return kept;
    Query interval(db_, "UPDATE poll SET interval = ? WHERE id = ? AND outcome = 'ok'");
    interval.bind(1, interval_that_covers(kept.poll));
    interval.bind(2, kept.poll);
    interval.run();
    Query totals(db_, "DELETE FROM poll_total WHERE poll_id = ?");
    Query poll(db_, "DELETE FROM poll WHERE id = ?");
    for (const std::int64_t id : others) {
      for (Query* statement : {&totals, &poll}) {
        statement->bind(1, id);
        statement->run();
        statement->reset();
      }
    }
    keep_poll_day(db_, kept.scope, day);
    transaction.commit();
    return kept;
  });
}

// A time is known within twice the interval of a poll. The interval by which one poll makes known
// what it and those after it did until the next day's end, or until the first gap among them.
std::int64_t Store::interval_that_covers(std::int64_t poll_id) {
  Query query(
      db_,
      "SELECT q.started, q.interval FROM poll p JOIN poll q ON q.target = p.target AND q.region = "
      "p.region AND q.started BETWEEN p.started AND (p.started / 86400 + 2) * 86400 - 1 AND "
      "q.outcome = 'ok' WHERE p.id = ? ORDER BY q.started");
  query.bind(1, poll_id);
  std::int64_t first = 0;
  std::int64_t covered = 0;
  while (query.step()) {
    const std::int64_t started = query.integer(0);
    if (covered == 0) first = covered = started;
    if (started > covered) break;
    covered = std::max(covered, started + 2 * query.integer(1));
  }
  return std::max<std::int64_t>((covered - first + 1) / 2, 1);
}

void Store::expire(core::Time now, core::Seconds keep) {
  if (keep <= core::Seconds{0}) return;
  // With an alert go its events, and what was told of them.
  constexpr std::array<std::pair<const char*, const char*>, 3> kEnded{
      {{"alert", "x.state = 'resolved' AND x.ends_at < ?1"},
       {"notification",
        "x.finished < ?1 AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.notification_id = x.id)"},
       {"silence", "x.ends_at < ?1"}}};
  const std::lock_guard lock(mutex_);
  guarded("expire", path_, [&] {
    const std::int64_t before = core::unix_seconds(now - keep);
    // Mostly there is none, and every transaction waits for the disk.
    const bool any = std::ranges::any_of(kEnded, [&](const auto& ended) {
      Query query(db_, fmt::format("SELECT EXISTS (SELECT 1 FROM {} x WHERE {})", ended.first,
                                   ended.second));
      query.bind(1, before);
      query.step();
      return query.integer(0) != 0;
    });
    if (!any) return;
    Transaction transaction(db_);
    for (const auto& [table, ended] : kEnded) {
      Query statement(
          db_, fmt::format("DELETE FROM {0} WHERE id IN (SELECT id FROM {0} x WHERE {1} LIMIT ?2)",
                           table, ended));
      statement.bind(1, before);
      statement.bind(2, kMostEvents);
      statement.run();
    }
    transaction.commit();
  });
  give_back_space();
}

void Store::give_back_space() {
  guarded("give back space", path_, [&] { db_.engine().give_back_space(); });
}

}  // namespace usaged::store
