#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/time.h"
#include "core/usage.h"
#include "store/connection.h"

namespace usaged::store {

// What a series is without its account: a row of `kind`.
struct Kind {
  std::int64_t id;
  std::string type;
  std::string provider;
  std::string currency;
};

// The series of one region, and their kinds, each read when it is first asked for and kept; made
// where there is none yet. After a transaction that failed it must be thrown away.
class SeriesIndex {
 public:
  SeriesIndex(Connection& db, std::string region);

  struct Found {
    std::uint32_t id;
    std::uint32_t kind;  // of kinds()
  };
  // Fast if those of an account follow each other.
  Found find(const core::UsageTotal& total, core::Time first_seen);

  const std::vector<Kind>& kinds() const { return kinds_; }

 private:
  std::uint32_t kind_of(const std::string& type, const std::string& provider,
                        const std::string& currency);
  std::vector<Found>& of_account(const std::string& account);

  Connection& db_;
  std::string region_;
  std::vector<Kind> kinds_;
  std::uint32_t last_kind_ = 0;
  std::unordered_map<std::string, std::vector<Found>> accounts_;
  const std::string* last_account_ = nullptr;
  std::vector<Found>* of_last_account_ = nullptr;
};

}  // namespace usaged::store
