#include <algorithm>
#include <map>
#include <span>
#include <tuple>

#include "store/rows.h"
#include "store/series.h"
#include "store/store.h"
#include "store/totals.h"

namespace usaged::store {
namespace {

using core::Record;
using core::Seconds;
using core::Time;

// Later than any record, so that every day counts as over.
constexpr std::int64_t kFarAway = 253402300799;

std::string target_of(const Record& record) {
  return record.target.empty()                 ? "import"
         : record.target.starts_with("import") ? record.target
                                               : "import-" + record.target;
}

auto order(const Record& record) {
  return std::tuple(target_of(record), record.region, record.taken_at);
}

// The time between the polls of a scope: as it says, else the most usual one.
Seconds interval_of(std::span<const Record> records) {
  std::map<Seconds, int> counts;
  for (std::size_t i = 1; i < records.size(); ++i) {
    const Seconds step = records[i].taken_at - records[i - 1].taken_at;
    if (step > Seconds{0}) ++counts[step];
  }
  const auto most = std::ranges::max_element(counts, {}, &std::pair<const Seconds, int>::second);
  return most == counts.end() ? core::kHour : std::clamp(most->first, core::kMinute, core::kDay);
}

}  // namespace

Store::ImportResult Store::import_records(std::vector<Record> records, bool all_or_nothing,
                                          const std::function<void(const core::BadRow&)>& bad) {
  std::ranges::stable_sort(records, {}, order);
  ImportResult result;
  std::vector<std::pair<std::string, std::string>> scopes;
  {
    const std::lock_guard lock(mutex_);
    guarded("import", path_, [&] {
      SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
      for (auto from = records.begin(); from != records.end();) {
        auto to = from;
        while (to != records.end() && target_of(*to) == target_of(*from) &&
               to->region == from->region) {
          ++to;
        }
        import_scope({from, to}, target_of(*from), result, bad);
        scopes.emplace_back(target_of(*from), from->region);
        from = to;
      }
      if (result.bad == 0 || !all_or_nothing) {
        transaction.commit();
        const auto newest = db_.execAndGet("SELECT ifnull(max(id), 0) FROM poll").getInt64();
        lock_.set_high_water(newest);
        return;
      }
      scopes.clear();
      result.added = 0;
    });
  }
  for (const auto& [target, region] : scopes) settle(target, region, core::from_unix(kFarAway));
  sum_days();
  return result;
}

// The records of one target and region, in order of time.
void Store::import_scope(std::span<const Record> records, const std::string& target,
                         ImportResult& result,
                         const std::function<void(const core::BadRow&)>& bad) {
  const std::string& region = records.front().region;
  const Seconds usual = interval_of(records);
  SQLite::Statement find(
      db_,
      "SELECT id FROM poll WHERE target = ? AND region = ? AND started = ? AND outcome = 'ok'");
  SQLite::Statement add(db_,
                        "INSERT INTO poll (target, region, slot, interval, started, finished, "
                        "outcome) VALUES (?1, ?2, ?3, ?4, ?3, ?3, 'ok')");
  SQLite::Statement known(
      db_, "SELECT total, cost FROM sample WHERE poll_id = ? AND series_id = ? AND gone = 0");
  SQLite::Statement insert(db_,
                           "INSERT INTO sample (poll_id, series_id, total, cost) VALUES (?, ?, ?, "
                           "?) ON CONFLICT DO UPDATE SET total = excluded.total, cost = "
                           "excluded.cost, gone = 0");
  SeriesIds ids(db_, region);
  std::int64_t poll = 0;
  Time at{Seconds::min()};
  for (const Record& record : records) {
    if (record.taken_at != at) {
      at = record.taken_at;
      find.bind(1, target);
      find.bind(2, region);
      find.bind(3, static_cast<std::int64_t>(core::unix_seconds(at)));
      poll = find.executeStep() ? find.getColumn(0).getInt64() : 0;
      find.reset();
      if (poll == 0) {
        const Seconds interval = record.interval > Seconds{0} ? record.interval : usual;
        add.bind(1, target);
        add.bind(2, region);
        add.bind(3, static_cast<std::int64_t>(core::unix_seconds(at)));
        add.bind(4, static_cast<std::int64_t>(interval.count()));
        add.exec();
        add.reset();
        poll = db_.getLastInsertRowid();
      }
    }
    const std::int64_t series = ids.id_of(record.usage, at);
    known.bind(1, poll);
    known.bind(2, series);
    const bool there = known.executeStep();
    const bool same = there && optional_double(known.getColumn(0)) == record.usage.total &&
                      optional_double(known.getColumn(1)) == record.usage.cost;
    known.reset();
    if (same) {
      ++result.known;
    } else if (there) {
      ++result.bad;
      bad({record.line,
           fmt::format("account {} in {}: {} at {} is there already with other numbers",
                       record.usage.account, region, record.usage.type, core::format_time(at))});
    } else {
      ++result.added;
      insert.bind(1, poll);
      insert.bind(2, series);
      for (const auto& [column, value] :
           {std::pair(3, record.usage.total), std::pair(4, record.usage.cost)}) {
        if (value) {
          insert.bind(column, *value);
        } else {
          insert.bind(column);
        }
      }
      insert.exec();
      insert.reset();
    }
  }
  finish_import(target, region);
}

// What a poll no longer has is gone; the polls' numbers; days to settle again; and, where targets
// are asked, since when this one is not.
void Store::finish_import(const std::string& target, const std::string& region) {
  const auto run = [&](const char* sql) {
    SQLite::Statement statement(db_, sql);
    statement.bind(1, target);
    statement.bind(2, region);
    statement.exec();
  };
  run("DELETE FROM sample WHERE gone = 1 AND poll_id IN (SELECT id FROM poll WHERE target = ?1 AND "
      "region = ?2)");
  run("WITH polls AS (SELECT id, lead(id) OVER (ORDER BY started) AS next FROM poll WHERE target = "
      "?1 AND region = ?2 AND outcome = 'ok') INSERT INTO sample (poll_id, series_id, gone) SELECT "
      "polls.next, v.series_id, 1 FROM polls JOIN sample v ON v.poll_id = polls.id AND v.gone = 0 "
      "WHERE polls.next IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sample w WHERE w.poll_id = "
      "polls.next AND w.series_id = v.series_id)");
  run("DELETE FROM poll_total WHERE poll_id IN (SELECT id FROM poll WHERE target = ?1 AND region = "
      "?2)");
  SQLite::Statement samples(
      db_,
      "SELECT p.id, s.account, s.type, s.provider, s.currency, v.total, v.cost FROM poll p JOIN "
      "sample v ON v.poll_id = p.id JOIN series s ON s.id = v.series_id WHERE p.target = ? AND "
      "p.region = ? AND p.outcome = 'ok' AND v.gone = 0 ORDER BY p.id");
  samples.bind(1, target);
  samples.bind(2, region);
  std::int64_t poll = 0;
  PollTotals totals;
  while (samples.executeStep()) {
    if (const std::int64_t id = samples.getColumn(0).getInt64(); id != poll) {
      totals.write(db_, poll, region);
      totals = {};
      poll = id;
    }
    totals.add({samples.getColumn(1), samples.getColumn(2), samples.getColumn(3),
                samples.getColumn(4), optional_double(samples.getColumn(5)),
                optional_double(samples.getColumn(6))});
  }
  totals.write(db_, poll, region);
  run("UPDATE poll SET series = (SELECT count(*) FROM sample v WHERE v.poll_id = poll.id AND gone "
      "= "
      "0), accounts = (SELECT count(DISTINCT s.account) FROM sample v JOIN series s ON s.id = "
      "v.series_id WHERE v.poll_id = poll.id AND gone = 0) WHERE target = ?1 AND region = ?2");
  run("UPDATE series SET first_seen = min(first_seen, (SELECT min(p.started) FROM poll p JOIN "
      "sample "
      "v ON v.poll_id = p.id WHERE v.series_id = series.id AND p.target = ?1 AND p.region = ?2)) "
      "WHERE region = ?2 AND id IN (SELECT v.series_id FROM sample v JOIN poll p ON p.id = "
      "v.poll_id "
      "WHERE p.target = ?1 AND p.region = ?2)");
  // Whoever else asks there may have seen the same.
  run("INSERT OR IGNORE INTO overlap (target, other, region, accounts) SELECT min(?1, s.target), "
      "max(?1, s.target), ?2, 0 FROM (SELECT DISTINCT target FROM poll WHERE region = ?2 AND "
      "target "
      "<> ?1) s");
  run("INSERT INTO scope (target, region) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET settled = "
      "NULL");
  run("UPDATE scope SET removed = (SELECT max(started) + 2 * interval FROM poll WHERE target = ?1 "
      "AND region = ?2) WHERE target = ?1 AND region = ?2 AND EXISTS (SELECT 1 FROM scope WHERE "
      "target NOT LIKE 'import%')");
}

}  // namespace usaged::store
