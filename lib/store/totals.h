#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/usage.h"

// The sums that are kept beside the rows that they are made of, so that questions about the whole
// organization need not read every series.
namespace usaged::store {

// The sums of one poll by kind (table `poll_total`).
class PollTotals {
 public:
  void add(const core::UsageTotal& usage);
  // In the caller's transaction.
  void write(SQLite::Database& db, std::int64_t poll_id, const std::string& region) const;

 private:
  struct Sum {
    std::string type;
    std::string provider;
    std::string currency;
    std::int64_t series = 0;
    double total = 0;
    double cost = 0;
    std::int64_t no_total = 0;
    std::int64_t no_cost = 0;
  };
  std::vector<Sum> sums_;  // there are few kinds
};

}  // namespace usaged::store
