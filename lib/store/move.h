#pragma once

#include <cstdint>
#include <functional>
#include <string>

// A store from one engine to the other.
namespace usaged::store {

struct Moved {
  std::int64_t rows = 0;
  std::int64_t resumed = 0;  // of which an earlier attempt had copied
  std::string sha256;        // of all of them, in hexadecimal digits: the same on both sides
};

// Copies all that a database has into another, which is made: from a file to a server, or back.
// What it copies from must have no writer meanwhile, and is only read. Rows go over in the order of
// their keys, some in a transaction, so that one that was cut short goes on where it was; then both
// are read whole and compared. Until that is done no daemon opens the new one. `progress` is told
// how much is done, from 0 to 1.
//
// Throws Error(kConflict) if the new one has something else in it, or if it differs in the end, and
// Error(kInvalid) unless one of the two is a file and the other on a server.
Moved move_store(const std::string& from, const std::string& to,
                 const std::function<void(double)>& progress = {});

}  // namespace usaged::store
