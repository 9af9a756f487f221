#pragma once

#include <sqlite3.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "store/postgres.h"
#include "store/schema.h"
#include "store/sqlite.h"
#include "store/write_lock.h"

namespace usaged::store {

// A database whose content is not what was written, or that lost what was written last.
struct Damaged : core::Error {
  explicit Damaged(const std::string& message)
      : Error(core::ErrorCode::kStorage, message + "; restore a backup") {}
};

// Runs `action` and turns what an engine throws into an Error: kUnavailable for a question that ran
// out of time or a busy database, kStorage for the rest, of damage as Damaged.
template <typename Action>
auto guarded(std::string_view what, const std::string& path, Action action) {
  try {
    return action();
  } catch (const SQLite::Exception& e) {
    const int code = e.getErrorCode() & 0xff;
    if (code == SQLITE_INTERRUPT) {
      throw core::Error(core::ErrorCode::kUnavailable,
                        "{}: took too long; ask for less (a shorter range, a larger step)", what);
    }
    if (e.getExtendedErrorCode() == SQLITE_IOERR_DATA) {
      throw Damaged(
          fmt::format("{}: {}: a page of the file has been damaged, or written by another program",
                      path, what));
    }
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) {
      throw Damaged(
          fmt::format("{}: {}: {} (SQLite {})", path, what, e.what(), e.getExtendedErrorCode()));
    }
    const auto kind =
        code == SQLITE_BUSY ? core::ErrorCode::kUnavailable : core::ErrorCode::kStorage;
    throw core::Error(kind, "{}: {}: {} (SQLite {})", path, what, e.what(),
                      e.getExtendedErrorCode());
  } catch (const PostgresError& e) {
    throw error_of(e, path, what);
  }
}

// Throws Error(kInvalid) if a database is on a server: `instead` says what does there what only a
// file lets us do.
void require_file(const std::string& database, std::string_view instead);

// Opens a database for writing, creates or migrates it, and sets what is needed so that a commit
// survives a power loss. Throws Error(kStorage) if the file is not ours, is empty though it was not
// about to be made, is damaged, or was made by a newer version. Migrates to `version`, if it is not
// there yet: to that of this program, but for tests of upgrades.
Connection open_writer(const std::string& path, const WriteLock& lock,
                       int version = schema_version(),
                       Incomplete incomplete = Incomplete::kRefused);

// Opens a database for reading. It must exist and be ours, of this version's schema unless an
// earlier one is allowed.
Connection open_reader(const std::string& path, Earlier earlier = Earlier::kRefused);

// Opens one on a server for writing; creates or migrates it. Others may have it open. Throws
// Error(kConfig) if it was made by a newer version, else as guarded().
Connection open_postgres_writer(const std::string& url,
                                Incomplete incomplete = Incomplete::kRefused);

// Opens one on a server for reading. Throws Error(kStorage) if its schema is not this version's,
// else as guarded().
Connection open_postgres_reader(const std::string& url);

// Whether closing it moves what is in its -wal into the file: not where the two are to be kept as
// they are.
void set_checkpoint_on_close(Connection& db, bool on);

// How many transactions have been stored in it.
std::int64_t transactions_of(Connection& db);

}  // namespace usaged::store
