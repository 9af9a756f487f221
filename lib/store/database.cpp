#include "store/database.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "embedded_postgresql_migrations.h"
#include "embedded_sqlite_migrations.h"
#include "store/checked_pages.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;

constexpr int kBusyTimeoutMs = 5000;
constexpr int kJournalSizeLimit = 64 << 20;

// Before the first connection: SQLite counts every allocation under one mutex of the whole process,
// which readers side by side wait for.
void configure_sqlite() {
  static std::once_flag once;
  std::call_once(once, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
}

// A connection is used by one thread at a time, so SQLite needs no lock for it.
Connection open(const std::string& path, int flags, const WriteLock* lock = nullptr) {
  configure_sqlite();
  SQLite::Database db(path, flags | SQLite::OPEN_NOMUTEX, 0, checked_pages());
  // While it reads the schema, SQLite would shorten an error of its own.
  sqlite3_extended_result_codes(db.getHandle(), 1);
  int bytes = kChecksumBytes;  // of a new one; another has them, or not
  sqlite3_file_control(db.getHandle(), "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
  return Connection(std::make_unique<SqliteEngine>(std::move(db), lock));
}

std::int64_t pragma(Connection& db, const std::string& name) {
  return db.integer("PRAGMA " + name);
}

// Sets a pragma and reads it back: SQLite ignores what it doesn't know.
void set_pragma(Connection& db, const std::string& name, std::int64_t value) {
  db.execute(fmt::format("PRAGMA {} = {}", name, value));
  if (pragma(db, name) != value) {
    throw Error(ErrorCode::kStorage, "{}: this SQLite does not take PRAGMA {} = {}",
                db.engine().place(), name, value);
  }
}

void set_common(Connection& db) {
  sqlite(db).setBusyTimeout(kBusyTimeoutMs);
  set_pragma(db, "trusted_schema", 0);
  set_pragma(db, "cell_size_check", 1);
  set_pragma(db, "foreign_keys", 1);
}

// Throws unless the database is ours and its migrations are the ones that this program knows: as
// kConfig what only an operator can mend, so that no service manager tries it again. Returns its
// version; 0 for a new one.
int check_ours(Connection& db) {
  const std::string& path = db.engine().place();
  const auto tables = db.integer("SELECT count(*) FROM sqlite_schema");
  const std::int64_t id = pragma(db, "application_id");
  if (tables == 0 && id == 0) return 0;
  if (id != kApplicationId) {
    throw Error(ErrorCode::kConfig,
                "{}: is a database of another program (application_id {:#x}); it was left as it is",
                path, id);
  }
  return version_of(db, sqlite_migrations::kAssets);
}

}  // namespace

std::int64_t transactions_of(Connection& db) {
  return db.integer("SELECT transactions FROM written");
}

void set_checkpoint_on_close(Connection& db, bool on) {
  sqlite3_db_config(sqlite(db).getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on ? 0 : 1, nullptr);
}

void require_file(const std::string& database, std::string_view instead) {
  if (!is_postgres(database)) return;
  throw Error(ErrorCode::kInvalid, "{}: is on a server; {}", place_of(database), instead);
}

Connection open_writer(const std::string& path, const WriteLock& lock, int version,
                       Incomplete incomplete) {
  return guarded("open", path, [&] {
    const std::int64_t expected = lock.high_water().value_or(0);
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
      if (expected > 0) {
        throw Error(ErrorCode::kConfig,
                    "{}: is not there, though {} transactions were stored in it; put it back, or "
                    "delete {}.lock to start a new history",
                    path, expected, path);
      }
      lock.set_high_water(0);  // one is made from here on
    } else if (info.st_size == 0 && (expected > 0 || !lock.high_water())) {
      throw Damaged(fmt::format(
          "{}: the file is empty, which a database never is; move it away to start a new history",
          path));
    }
    Connection db = open(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, &lock);
    set_checkpoint_on_close(db, false);
    set_common(db);
    if (check_ours(db) > 0) {
      const std::int64_t found = transactions_of(db);
      if (found < expected) {
        throw Damaged(fmt::format(
            "{}: has {} of the {} transactions that were stored: its end is lost (a missing or "
            "damaged {}-wal, or an older copy)",
            path, found, expected, path));
      }
    } else {
      // Pages can be given back while it is at work.
      db.execute("PRAGMA auto_vacuum = INCREMENTAL");
    }
    if (Query journal(db, "PRAGMA journal_mode = WAL");
        !journal.step() || journal.text(0) != "wal") {
      throw Error(ErrorCode::kStorage, "{}: the file system does not carry a write-ahead log",
                  path);
    }
    set_pragma(db, "synchronous", 2);
    set_pragma(db, "journal_size_limit", kJournalSizeLimit);
    migrate(db, sqlite_migrations::kAssets, version, [&db] { return check_ours(db); });
    check_complete(db, incomplete);
    set_checkpoint_on_close(db, true);
    return db;
  });
}

Connection open_reader(const std::string& path, Earlier earlier) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    throw Error(ErrorCode::kStorage, "{}: there is no such database, or this user may not see it",
                path);
  }
  const auto prepare = [earlier](Connection db) {
    set_common(db);
    db.execute("PRAGMA wal_autocheckpoint = 0");
    db.execute("PRAGMA query_only = 1");
    // In kB; SQLite's own 2 MB hold the months of few series.
    db.execute("PRAGMA cache_size = -8000");
    check_readable(db, check_ours(db), earlier);
    return db;
  };
  return guarded("open", path, [&] {
    try {
      return prepare(open(path, SQLite::OPEN_READONLY));
    } catch (const SQLite::Exception&) {
      // Without the right to write the folder there can be no -shm. Where no -wal exists either,
      // nobody is writing and the file can be read as it stands.
      if (std::filesystem::exists(path + "-wal", ignored)) throw;
      std::string uri = "file:";
      for (const char c : path) {
        uri += c == '?' || c == '#' || c == '%'
                   ? fmt::format("%{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)))
                   : std::string(1, c);
      }
      return prepare(open(uri + "?immutable=1", SQLite::OPEN_READONLY | SQLite::OPEN_URI));
    }
  });
}

namespace {

int version_there(Connection& db) {
  if (db.integer("SELECT to_regclass('migration') IS NOT NULL") == 0) return 0;
  return version_of(db, postgresql_migrations::kAssets);
}

}  // namespace

Connection open_postgres_writer(const std::string& url, Incomplete incomplete) {
  return guarded("open", url, [&] {
    auto made = std::make_unique<PostgresEngine>(url, PostgresEngine::Access::kWrite);
    PostgresEngine& engine = *made;
    Connection db(std::move(made));
    migrate(db, postgresql_migrations::kAssets, schema_version(),
            [&db] { return version_there(db); });
    check_complete(db, incomplete);
    engine.know(schema_version());
    // Of processes that are long gone.
    engine.execute("DELETE FROM written WHERE at < now() - interval '1 day'");
    return db;
  });
}

Connection open_postgres_reader(const std::string& url) {
  return guarded("open", url, [&] {
    Connection db(std::make_unique<PostgresEngine>(url, PostgresEngine::Access::kRead));
    check_readable(db, version_there(db));
    return db;
  });
}

}  // namespace usaged::store
