#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace usaged::store {

// "iusg": what marks a database file as ours.
inline constexpr int kApplicationId = 0x69757367;

// Runs `action` and turns what SQLite throws into an Error: kUnavailable for a question that ran
// out of time or a busy database, kStorage for the rest.
template <typename Action>
auto guarded(std::string_view what, const std::string& path, Action action) {
  try {
    return action();
  } catch (const SQLite::Exception& e) {
    const int code = e.getErrorCode();
    if (code == SQLITE_INTERRUPT) {
      throw core::Error(core::ErrorCode::kUnavailable,
                        "{}: took too long; ask for less (a shorter range, a larger step)", what);
    }
    const auto kind =
        code == SQLITE_BUSY ? core::ErrorCode::kUnavailable : core::ErrorCode::kStorage;
    throw core::Error(kind, "{}: {}: {} (SQLite {})", path, what, e.what(),
                      e.getExtendedErrorCode());
  }
}

// The right to write a database: held by one process at a time, through `<database>.lock`. The file
// also remembers the newest poll stored, outside the database, so that one which lost its end
// (a damaged -wal, an old copy) is noticed.
class WriteLock {
 public:
  // Throws Error(kConflict) if another process has it.
  explicit WriteLock(const std::string& database);
  ~WriteLock();
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

  std::int64_t high_water() const;
  void set_high_water(std::int64_t poll_id) const;

 private:
  std::string path_;
  int fd_ = -1;
};

// Opens a database for writing, creates or migrates it, and sets what is needed so that a commit
// survives a power loss. Throws Error(kStorage) if the file is not ours, is empty where it should
// not be, is damaged, or was made by a newer version.
SQLite::Database open_writer(const std::string& path);

// Opens a database for reading. It must exist and be ours, of this version's schema.
SQLite::Database open_reader(const std::string& path);

// The schema version that this program makes: the number of its last migration.
int schema_version();

}  // namespace usaged::store
