#include "store/schema.h"

#include <charconv>

#include "core/text.h"
#include "embedded_sqlite_migrations.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;

int number_of(const core::Asset& migration) {
  int number = 0;
  std::from_chars(migration.name.data(), migration.name.data() + migration.name.size(), number);
  return number;
}

std::string checksum(const core::Asset& migration) {
  return core::hex(core::sha256(migration.text));
}

}  // namespace

int schema_version() { return number_of(sqlite_migrations::kAssets.back()); }

Error made_by_newer(const std::string& place, std::int64_t version) {
  return Error(
      ErrorCode::kConfig,
      "{}: was made by a newer version (its schema is {} or above, this program knows {}); "
      "it was left as it is. Install the newer version again",
      place, version, schema_version());
}

void check_complete(Connection& db, Incomplete incomplete) {
  if (incomplete == Incomplete::kAllowed) return;
  Query source(db, "SELECT source FROM moving");
  if (!source.step()) return;
  throw Error(ErrorCode::kConfig,
              "{0}: is a copy of {1} that is not complete; `inspector-usaged migrate-store {1} "
              "{0}` goes on with it",
              db.engine().place(), source.text(0));
}

void check_readable(Connection& db, int version, Earlier earlier) {
  if (version != schema_version() && (version == 0 || earlier == Earlier::kRefused)) {
    throw Error(ErrorCode::kStorage,
                "{}: its schema is older than this program; start the daemon once to migrate it",
                db.engine().place());
  }
  check_complete(db, Incomplete::kRefused);
}

int version_of(Connection& db, Migrations migrations) {
  const std::string& place = db.engine().place();
  Query applied(db, "SELECT version, name, checksum FROM migration ORDER BY version");
  int version = 0;
  while (applied.step()) {
    const std::int64_t found = applied.integer(0);
    if (found > schema_version()) throw made_by_newer(place, found);
    // Each follows the one before.
    if (found != version + 1 ||
        applied.text(2) != checksum(migrations[static_cast<std::size_t>(version)])) {
      throw Error(ErrorCode::kStorage,
                  "{}: its migration {} is not the one of this program; it was left as it is",
                  place, applied.text(1));
    }
    ++version;
  }
  return version;
}

void migrate(Connection& db, Migrations migrations, int to, const std::function<int()>& version) {
  const int before = version();
  for (const core::Asset& migration : migrations) {
    const int number = number_of(migration);
    if (number <= before || number > to) continue;
    Transaction transaction(db);
    if (number <= version()) continue;
    db.execute(std::string(migration.text));
    Query record(db, "INSERT INTO migration (version, name, checksum) VALUES (?, ?, ?)");
    record.bind(1, number);
    record.bind(2, std::string(migration.name));
    record.bind(3, checksum(migration));
    record.run();
    transaction.commit();
  }
}

}  // namespace usaged::store
