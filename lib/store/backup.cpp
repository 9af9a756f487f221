#include "store/backup.h"

#include <filesystem>

#include "core/text.h"
#include "store/checked_pages.h"
#include "store/damage.h"
#include "store/database.h"
#include "store/disk.h"

namespace usaged::store {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;

constexpr int kPages = 1000;  // of 4 KB, between two reports

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

Verification require_whole(const std::string& path, const char* what) {
  Verification found = verify(path);
  if (found.problems.empty()) return found;
  throw Error(ErrorCode::kStorage, "{}: {}: {}", path, what, found.problems.front());
}

}  // namespace

Verification back_up(const std::string& database, const std::string& copy,
                     const std::function<void(double)>& progress) {
  require_file(database, "its own tools copy it (pg_dump)");
  std::error_code ignored;
  if (fs::exists(copy, ignored)) {
    throw Error(ErrorCode::kConflict, "{}: is there already", copy);
  }
  Connection from = open_reader(database, Earlier::kAllowed);
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
  if (found.schema != schema_version()) open_writer(database, lock);
  return aside;
}

}  // namespace usaged::store
