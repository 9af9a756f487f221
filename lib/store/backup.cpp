#include "store/backup.h"

#include <charconv>
#include <filesystem>
#include <fstream>

#include "core/text.h"
#include "store/block.h"
#include "store/checked_pages.h"
#include "store/damage.h"
#include "store/database.h"
#include "store/disk.h"
#include "store/rows.h"

namespace usaged::store {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;

constexpr int kPages = 1000;  // of 4 KB, between two reports
constexpr int kMostProblems = 20;

// Removes a file that did not become what it should.
class Draft {
 public:
  explicit Draft(std::string path) : path_(std::move(path)) { remove(); }
  ~Draft() { remove(); }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  const std::string& path() const { return path_; }

 private:
  void remove() const {
    std::error_code ignored;
    for (const char* end : {"", "-journal", "-wal", "-shm"}) fs::remove(path_ + end, ignored);
  }
  std::string path_;
};

[[noreturn]] void fail(const std::string& path, const char* what, int error) {
  throw Error(ErrorCode::kStorage, "{}: {}: {}", path, what, core::errno_text(error));
}

// Gives a file that is complete its name.
void put_in_place(const std::string& from, const std::string& to) {
  sync_file(from);
  std::error_code error;
  fs::rename(from, to, error);
  if (error) fail(to, "can't be put there", error.value());
  sync_folder_of(to);
}

// How many transactions were stored, as is noted beside a database; 0 if nothing is.
std::int64_t high_water_beside(const std::string& path) {
  std::ifstream file(path + ".lock");
  std::string text;
  std::getline(file, text);
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Verification require_whole(const std::string& path, const char* what) {
  Verification found = verify(path);
  if (found.problems.empty()) return found;
  throw Error(ErrorCode::kStorage, "{}: {}: {}", path, what, found.problems.front());
}

}  // namespace

Verification verify(const std::string& path) {
  require_file(path, "its own tools check it (pg_amcheck)");
  const std::int64_t expected = high_water_beside(path);
  Connection db = open_reader(path);
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
    Query blocks(
        db,
        "SELECT b.id, s.target, s.region, b.data FROM sample_block b JOIN scope s ON s.id = "
        "b.scope_id");
    std::vector<Reading> readings;
    int damaged = 0;
    while (damaged < kMostProblems && blocks.step()) {
      try {
        const BlockReader block(blocks.blob(3));
        for (std::size_t i = 0; i < block.size(); ++i) block.read(i, readings);
      } catch (const Error&) {
        ++damaged;
        result.problems.push_back(fmt::format("block {} of samples of {} in {} can't be read",
                                              blocks.integer(0), blocks.text(1), blocks.text(2)));
      }
    }
    result.schema = schema_version();
    result.bytes = db.integer("PRAGMA page_count") * db.integer("PRAGMA page_size");
    Query polls(db, "SELECT count(*), max(CASE WHEN outcome = 'ok' THEN started END) FROM poll");
    polls.step();
    result.polls = polls.integer(0);
    if (!polls.is_null(1)) {
      result.newest = core::from_unix(polls.integer(1));
    }
    result.transactions = transactions_of(db);
    if (result.transactions < expected) {
      result.problems.push_back(
          fmt::format("it has {} of the {} transactions that were stored: its end is lost",
                      result.transactions, expected));
    }
    return result;
  });
}

Verification back_up(const std::string& database, const std::string& copy,
                     const std::function<void(double)>& progress) {
  require_file(database, "its own tools copy it (pg_dump)");
  std::error_code ignored;
  if (fs::exists(copy, ignored)) {
    throw Error(ErrorCode::kConflict, "{}: is there already", copy);
  }
  Connection from = open_reader(database);
  const Draft draft(copy + ".partial");
  guarded("back up", database, [&] {
    // A reader's moment lasts as long as its transaction: so the writer never makes it begin anew.
    const Moment moment(from);
    from.integer("SELECT count(*) FROM sqlite_schema");
    SQLite::Database to(draft.path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 0,
                        checked_pages());
    sqlite3_backup* backup =
        sqlite3_backup_init(to.getHandle(), "main", sqlite(from).getHandle(), "main");
    if (backup == nullptr) {
      throw Error(ErrorCode::kStorage, "{}: {}", draft.path(), to.getErrorMsg());
    }
    int result = SQLITE_OK;
    while (result == SQLITE_OK) {
      result = sqlite3_backup_step(backup, kPages);
      const int all = sqlite3_backup_pagecount(backup);
      if (progress && all > 0) {
        progress(1 - static_cast<double>(sqlite3_backup_remaining(backup)) / all);
      }
    }
    sqlite3_backup_finish(backup);
    if (result != SQLITE_DONE) {
      throw Error(ErrorCode::kStorage, "{}: can't be copied to {}: {}", database, draft.path(),
                  sqlite3_errstr(result));
    }
    // One file, whoever opens it.
    to.execAndGet("PRAGMA journal_mode = DELETE");
  });
  Verification found = require_whole(draft.path(), "the copy is not whole, and was not kept");
  put_in_place(draft.path(), copy);
  return found;
}

std::string restore(const std::string& copy, const std::string& database, core::Time now) {
  require_file(database, "its own tools restore it (pg_restore)");
  const WriteLock lock(database);
  require_whole(copy, "is not whole; nothing has changed");
  const Draft draft(database + ".partial");
  const Verification found = back_up(copy, draft.path());  // with its -wal, if it has one
  std::string aside;
  if (fs::exists(database)) aside = move_aside(database, "before", now);
  put_in_place(draft.path(), database);
  lock.set_high_water(found.transactions);
  lock.note_damage(false);
  return aside;
}

}  // namespace usaged::store
