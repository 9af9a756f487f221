#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace usaged::store {

// The right to write a database: held by one process at a time, through `<database>.lock`. The file
// also remembers how many transactions were stored, outside the database, so that one which lost
// its end (a damaged -wal, an old copy) is noticed.
class WriteLock {
 public:
  // Throws Error(kConflict) if another process has it.
  explicit WriteLock(const std::string& database);
  ~WriteLock();
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

  // nullopt: no database was ever made here.
  std::optional<std::int64_t> high_water() const;
  void set_high_water(std::int64_t transactions) const;

  // Whether somebody has met damage in the database; kept for the next process.
  bool damage_noted() const;
  void note_damage(bool damaged) const;

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace usaged::store
