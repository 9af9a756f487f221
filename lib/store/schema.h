#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "core/asset.h"
#include "core/error.h"
#include "store/connection.h"

// The migrations of a database, whichever engine it is of.
namespace usaged::store {

// "iusg": what marks a database file as ours, and names the lock of who writes one on a server.
inline constexpr int kApplicationId = 0x69757367;

using Migrations = std::span<const core::Asset>;

// The schema version that this program makes: the number of its last migration.
int schema_version();

// That a database, here, has a version that this program does not know.
core::Error made_by_newer(const std::string& place, std::int64_t version);

// Whether a database may be opened that move_store() has not completed.
enum class Incomplete { kRefused, kAllowed };

// Throws Error(kConfig) if it is such a one, and that is refused.
void check_complete(Connection& db, Incomplete incomplete);

// Whether a database of an earlier schema may be read, which is all right to copy it or to look
// whether it is whole.
enum class Earlier { kRefused, kAllowed };

// Throws Error(kStorage) unless a database of that version is this program's, and as
// check_complete(): for those who only read.
void check_readable(Connection& db, int version, Earlier earlier = Earlier::kRefused);

// The version of a database that has a table `migration`. Throws Error(kConfig) if a newer program
// made it, and Error(kStorage) if its migrations are not these.
int version_of(Connection& db, Migrations migrations);

// Applies those up to `to` that are missing by `version` (0: there is no table yet), each in a
// transaction: others may be about to do the same.
void migrate(Connection& db, Migrations migrations, int to, const std::function<int()>& version);

}  // namespace usaged::store
