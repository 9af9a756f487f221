#pragma once

#include <functional>
#include <string>

#include "core/time.h"
#include "store/verify.h"

// Copies of a database.
namespace usaged::store {

// Copies the database, of whichever schema, as it is at one moment, while whoever writes it goes
// on. The copy is one file, read whole and found good before it gets its name, so that what has the
// name is whole. `progress` is told how much is done, from 0 to 1. Returns what was found in the
// copy. Throws Error(kStorage), or Error(kConflict) if there is a file of that name.
Verification back_up(const std::string& database, const std::string& copy,
                     const std::function<void(double)>& progress = {});

// Puts a copy in the place of a database that nobody has open, and migrates it. What is there is
// moved aside, never deleted: `<database>.before-<TIME>`, its -wal with it. Returns where; empty if
// nothing was there. Throws Error(kConflict) if somebody writes the database, or Error(kStorage) if
// the copy is not whole, in which case nothing has changed.
std::string restore(const std::string& copy, const std::string& database, core::Time now);

}  // namespace usaged::store
