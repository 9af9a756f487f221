#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "core/time.h"
#include "core/usage.h"

namespace usaged::store {

// The ids of the series of one region, made where there is none yet. For one transaction: it keeps
// what it has looked up.
class SeriesIds {
 public:
  SeriesIds(SQLite::Database& db, std::string region);

  std::int64_t id_of(const core::UsageTotal& total, core::Time first_seen);

 private:
  struct Known {
    std::string type;
    std::string provider;
    std::string currency;
    std::int64_t id;
  };
  // Those of an account.
  std::vector<Known>& of_account(const std::string& account);

  SQLite::Database& db_;
  std::string region_;
  SQLite::Statement find_;
  SQLite::Statement insert_;
  std::unordered_map<std::string, std::vector<Known>> accounts_;
};

}  // namespace usaged::store
