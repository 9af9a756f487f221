#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "store/connection.h"
#include "store/series.h"

// The sums that are kept beside what they are made of, so that questions about the whole
// organization need not read every series.
namespace usaged::store {

// The sums of one poll by kind (table `poll_total`).
class PollTotals {
 public:
  // `kind` is an index of the region's kinds.
  void add(std::size_t kind, const std::optional<double>& total, const std::optional<double>& cost);
  // In the caller's transaction.
  void write(Connection& db, std::int64_t poll_id, const std::vector<Kind>& kinds) const;

 private:
  struct Sum {
    std::int64_t series = 0;
    double total = 0;
    double cost = 0;
    std::int64_t no_total = 0;
    std::int64_t no_cost = 0;
  };
  std::vector<Sum> sums_;  // by kind
};

}  // namespace usaged::store
