#include <vector>

#include "store/store.h"

namespace usaged::store {

int Store::settle(const std::string& target, const std::string& region, core::Time now) {
  const std::int64_t today = core::day_of(now);  // an import settles all it has
  std::vector<std::int64_t> days;
  {
    const std::lock_guard lock(mutex_);
    guarded("settle", path_, [&] {
      SQLite::Statement query(
          db_,
          "SELECT DISTINCT started / 86400 FROM poll WHERE target = ?1 AND region = ?2 AND outcome "
          "= 'ok' AND started < ?3 * 86400 AND started >= (1 + ifnull((SELECT settled FROM scope "
          "WHERE target = ?1 AND region = ?2), -1)) * 86400 ORDER BY 1");
      query.bind(1, target);
      query.bind(2, region);
      query.bind(3, today);
      while (query.executeStep()) days.push_back(query.getColumn(0).getInt64());
    });
  }
  for (const std::int64_t day : days) {
    const std::lock_guard lock(mutex_);
    guarded("settle", path_, [&] {
      SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
      // Where two targets see a series, the day of the one that saw it more often counts.
      SQLite::Statement insert(
          db_,
          "INSERT INTO daily (series_id, day, first_at, first_total, first_cost, last_at, "
          "last_total, last_cost, min_total, max_total, min_cost, max_cost, samples) "
          "WITH polls AS MATERIALIZED (SELECT id, started FROM poll WHERE target = ?1 AND region = "
          "?2 AND outcome = 'ok' AND started BETWEEN ?3 * 86400 AND ?3 * 86400 + 86399), "
          "seen AS (SELECT v.series_id AS series_id, min(polls.started) AS first_at, "
          "max(polls.started) "
          "AS last_at, min(v.total) AS min_total, max(v.total) AS max_total, min(v.cost) AS "
          "min_cost, "
          "max(v.cost) AS max_cost, count(*) AS samples FROM polls JOIN sample v ON v.poll_id = "
          "polls.id WHERE v.gone = 0 AND v.total IS NOT NULL GROUP BY v.series_id) "
          "SELECT seen.series_id, ?3, p.started, a.total, a.cost, q.started, b.total, b.cost, "
          "min_total, max_total, min_cost, max_cost, samples FROM seen "
          "JOIN polls p ON p.started = first_at JOIN polls q ON q.started = last_at "
          "JOIN sample a ON a.poll_id = p.id AND a.series_id = seen.series_id "
          "JOIN sample b ON b.poll_id = q.id AND b.series_id = seen.series_id WHERE true "
          "ON CONFLICT DO UPDATE SET first_at = excluded.first_at, first_total = "
          "excluded.first_total, first_cost = excluded.first_cost, last_at = excluded.last_at, "
          "last_total = excluded.last_total, last_cost = excluded.last_cost, min_total = "
          "excluded.min_total, max_total = excluded.max_total, min_cost = excluded.min_cost, "
          "max_cost = excluded.max_cost, samples = excluded.samples WHERE excluded.samples > "
          "daily.samples");
      insert.bind(1, target);
      insert.bind(2, region);
      insert.bind(3, day);
      insert.exec();
      SQLite::Statement seen(
          db_,
          "INSERT OR IGNORE INTO series_target (target, series_id) SELECT DISTINCT ?1, v.series_id "
          "FROM poll p JOIN sample v ON v.poll_id = p.id WHERE p.target = ?1 AND p.region = ?2 AND "
          "p.outcome = 'ok' AND p.started BETWEEN ?3 * 86400 AND ?3 * 86400 + 86399 AND v.gone = "
          "0");
      seen.bind(1, target);
      seen.bind(2, region);
      seen.bind(3, day);
      seen.exec();
      SQLite::Statement unsummed(
          db_,
          "INSERT INTO unsummed (region, settled) VALUES (?, 1) ON CONFLICT DO "
          "UPDATE SET settled = settled + 1");
      unsummed.bind(1, region);
      unsummed.exec();
      SQLite::Statement note(db_,
                             "INSERT INTO scope (target, region, settled) VALUES (?, ?, ?) ON "
                             "CONFLICT DO UPDATE SET settled = excluded.settled");
      note.bind(1, target);
      note.bind(2, region);
      note.bind(3, day);
      note.exec();
      transaction.commit();
    });
  }
  return static_cast<int>(days.size());
}

}  // namespace usaged::store
