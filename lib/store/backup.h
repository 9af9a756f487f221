#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/time.h"

// Copies of a database, and whether one is whole.
namespace usaged::store {

// What reading all of a database found.
struct Verification {
  std::vector<std::string> problems;  // none: it is whole
  std::int64_t bytes = 0;
  int schema = 0;
  std::int64_t polls = 0;
  std::int64_t transactions = 0;     // that were stored
  std::optional<core::Time> newest;  // good poll
};

// Reads all of a database: SQLite's own check, references, that it is ours and made by the
// migrations that this program knows, and that it has not lost its end (the high-water mark beside
// it, if there is one). The daemon may be running. Throws Error(kStorage) if it can't be read at
// all.
Verification verify(const std::string& path);

// Copies the database as it is at one moment, while whoever writes it goes on. The copy is one
// file, read whole and found good before it gets its name, so that what has the name is whole.
// `progress` is told how much is done, from 0 to 1. Returns what was found in the copy. Throws
// Error(kStorage), or Error(kConflict) if there is a file of that name.
Verification back_up(const std::string& database, const std::string& copy,
                     const std::function<void(double)>& progress = {});

// Puts a copy in the place of a database that nobody has open. What is there is moved aside, never
// deleted: `<database>.before-<TIME>`, its -wal with it. Returns where; empty if nothing was there.
// Throws Error(kConflict) if somebody writes the database, or Error(kStorage) if the copy is not
// whole, in which case nothing has changed.
std::string restore(const std::string& copy, const std::string& database, core::Time now);

}  // namespace usaged::store
