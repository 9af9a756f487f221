#include "store/verify.h"

#include <array>
#include <charconv>
#include <fstream>

#include "store/block.h"
#include "store/catalog.h"
#include "store/database.h"
#include "store/poll_day.h"
#include "store/rows.h"

namespace usaged::store {
namespace {

constexpr int kMostProblems = 20;

// How many transactions were stored, as is noted beside a database; 0 if nothing is.
std::int64_t high_water_beside(const std::string& path) {
  std::ifstream file(path + ".lock");
  std::string text;
  std::getline(file, text);
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Numbers of rows that can't be. False if there are some, which those who read the rows would meet.
bool find_wrong_numbers(Connection& db, std::vector<std::string>& problems) {
  struct Column {
    const char* table;
    const char* name;
    std::int64_t least = -kMostSeconds;
    std::int64_t most = kMostSeconds;
  };
  constexpr auto kColumns = std::to_array<Column>({
      {"poll", "slot"},
      {"poll", "interval", 1},
      {"poll", "started"},
      {"poll", "finished"},
      {"scope", "removed"},
      {"scope", "settled", -kFarthestDay, kFarthestDay},
      {"scope", "thinned", -kFarthestDay, kFarthestDay},
      {"poll_day", "day", -kFarthestDay, kFarthestDay},
      {"series", "first_seen"},
      {"missing_account", "since"},
      {"refresh", "attempted"},
      {"refresh", "succeeded"},
      {"free_trial", "started"},
      {"free_trial", "ends"},
      {"behaviour", "updated"},
      {"behaviour", "since"},
      {"alert", "pending_since"},
      {"alert", "counted_until"},
      {"alert", "starts_at"},
      {"alert", "ends_at"},
      {"alert", "calm_since"},
      {"alert", "acked_at"},
      {"alert_event", "at"},
      {"notification", "created"},
      {"notification", "tried_from"},
      {"notification", "next_attempt"},
      {"notification", "finished"},
      {"silence", "starts_at"},
      {"silence", "ends_at"},
      {"silence", "created_at"},
  });
  bool right = true;
  Query known(db, "SELECT 1 FROM pragma_table_info(?) WHERE name = ?");
  for (const Column& column : kColumns) {
    known.bind(1, column.table);
    known.bind(2, column.name);
    const bool there = known.step();
    known.reset();
    if (!there) continue;  // an earlier schema
    const std::int64_t wrong =
        db.integer(fmt::format("SELECT count(*) FROM {} WHERE {} NOT BETWEEN {} AND {}",
                               column.table, column.name, column.least, column.most));
    if (wrong == 0) continue;
    right = false;
    problems.push_back(
        fmt::format("{}.{}: {} of its values can't be", column.table, column.name, wrong));
  }
  return right;
}

// Blocks of samples that can't be read, or are of series that are not there.
void find_wrong_blocks(Connection& db, const std::string& path,
                       std::vector<std::string>& problems) {
  SeriesCatalog catalog(path);
  try {
    catalog.refresh(db);
  } catch (const Damaged& e) {
    problems.emplace_back(e.what());
    return;
  }
  Query blocks(db,
               "SELECT b.id, s.target, s.region, b.data FROM sample_block b JOIN scope s ON s.id = "
               "b.scope_id");
  std::vector<Reading> readings;
  for (int wrong = 0; wrong < kMostProblems && blocks.step();) {
    const char* what = nullptr;
    try {
      const BlockReader block(blocks.blob(3));
      for (std::size_t i = 0; i < block.size(); ++i) {
        block.read(i, readings);
        if (!catalog.has(block.series(i))) what = "is of series that are not there";
      }
    } catch (const core::Error&) {
      what = "can't be read";
    }
    if (what == nullptr) continue;
    ++wrong;
    problems.push_back(fmt::format("block {} of samples of {} in {} {}", blocks.integer(0),
                                   blocks.text(1), blocks.text(2), what));
  }
}

// Settled days that are not what their polls are.
void find_wrong_days(Connection& db, std::vector<std::string>& problems) {
  Query days(
      db,
      "SELECT d.scope_id, d.day, d.polls, s.target, s.region FROM poll_day d JOIN scope s ON "
      "s.id = d.scope_id UNION ALL SELECT DISTINCT s.id, p.started / 86400, NULL, s.target, "
      "s.region FROM "
      "scope s JOIN poll p USING (target, region) WHERE p.outcome = 'ok' AND p.started / "
      "86400 <= s.settled AND NOT EXISTS (SELECT 1 FROM poll_day d WHERE d.scope_id = s.id "
      "AND d.day = p.started / 86400)");
  for (int wrong = 0; wrong < kMostProblems && days.step();) {
    std::vector<GoodPoll> kept;
    try {
      if (!days.is_null(2)) decode_polls(days.blob(2), kept);
    } catch (const core::Error&) {
      kept.clear();
    }
    if (!kept.empty() && kept == polls_of_day(db, days.integer(0), days.integer(1))) continue;
    ++wrong;
    problems.push_back(fmt::format("the polls of {} in {} on {} are not those of its day",
                                   days.text(3), days.text(4),
                                   core::format_day(core::day_of(midnight_at(days, 1)))));
  }
}

}  // namespace

Verification verify(const std::string& path) {
  require_file(path, "its own tools check it (pg_amcheck)");
  const std::int64_t expected = high_water_beside(path);
  Connection db = open_reader(path, Earlier::kAllowed);
  return guarded("verify", path, [&] {
    Verification result;
    // One moment for all that is read.
    const Moment moment(db);
    Query integrity(db, fmt::format("PRAGMA integrity_check({})", kMostProblems));
    while (integrity.step()) {
      const std::string line = integrity.text(0);
      if (line != "ok") result.problems.push_back(line);
    }
    Query references(db, "PRAGMA foreign_key_check");
    int dangling = 0;
    while (references.step() && ++dangling <= kMostProblems) {
      result.problems.push_back(fmt::format("a row of {} refers to a row of {} that is missing",
                                            references.text(0), references.text(2)));
    }
    find_wrong_blocks(db, path, result.problems);
    const bool right = find_wrong_numbers(db, result.problems);
    if (right) find_wrong_days(db, result.problems);
    result.schema = static_cast<int>(db.integer("SELECT max(version) FROM migration"));
    result.bytes = db.integer("PRAGMA page_count") * db.integer("PRAGMA page_size");
    Query polls(db, "SELECT count(*), max(CASE WHEN outcome = 'ok' THEN started END) FROM poll");
    polls.step();
    result.polls = polls.integer(0);
    if (right) result.newest = optional_time(polls, 1);
    result.transactions = transactions_of(db);
    if (result.transactions < expected) {
      result.problems.push_back(
          fmt::format("it has {} of the {} transactions that were stored: its end is lost",
                      result.transactions, expected));
    }
    return result;
  });
}

}  // namespace usaged::store
