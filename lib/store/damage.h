#pragma once

#include <string>
#include <vector>

#include "core/time.h"
#include "store/database.h"

// What becomes of the files of a damaged database: they are moved aside together, never deleted.
namespace usaged::store {

// Opens a database like open_writer(); but a damaged one is moved to `<database>.damaged-<now>`,
// and a new one begun. One whose damage was noted is read whole first, which takes some seconds a
// gigabyte. Throws Damaged where no database of ours was ever, and Error.
Connection open_or_set_aside(const std::string& path, const WriteLock& lock, core::Time now);

// Renames a database with its -wal and -shm to `<database>.<why>-<TIME>`; where it is then. Throws
// Error(kStorage).
std::string move_aside(const std::string& database, const char* why, core::Time now);

// The damaged files beside that of a database, in order of time, as long as nobody takes them away.
std::vector<std::string> set_aside(const std::string& database);

}  // namespace usaged::store
