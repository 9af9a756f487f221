#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/time.h"

// Whether a database is whole.
namespace usaged::store {

// What reading all of a database found.
struct Verification {
  std::vector<std::string> problems;  // none: it is whole
  std::int64_t bytes = 0;
  int schema = 0;  // its version
  std::int64_t polls = 0;
  std::int64_t transactions = 0;     // that were stored
  std::optional<core::Time> newest;  // good poll
};

// Reads all of a database: SQLite's own check, references, samples and times that can't be, that it
// is ours and made by the migrations that this program knows, and that it has not lost its end (the
// high-water mark beside it, if there is one). The daemon may be running. Throws Error(kStorage) if
// it can't be read at all. It may be of an earlier schema.
Verification verify(const std::string& path);

}  // namespace usaged::store
