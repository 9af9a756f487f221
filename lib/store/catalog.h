#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <tuple>
#include <vector>

#include "core/interned.h"
#include "store/connection.h"
#include "store/postgres.h"

namespace usaged::store {

// What a series is without its account.
struct SeriesKind {
  core::Interned region;
  core::Interned type;
  core::Interned provider;
  core::Interned currency;
};

// The series of a database in memory, 8 bytes each beside their accounts: rows of `series` are only
// ever added, and their ids follow each other but for a few that a server left out. Readers share
// one; it grows as they look. What it refers to stays where it is.
class SeriesCatalog {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  struct Entry {
    std::uint32_t account = kNone;  // index of an account; kNone: no series has this id
    std::uint32_t kind = kNone;
  };

  explicit SeriesCatalog(const std::string& database) : place_(place_of(database)) {}

  // Adds what the database has had since. Throws Damaged if the id of one is none that ever was
  // given.
  void refresh(Connection& db);

  // While the rest is read.
  std::shared_lock<std::shared_mutex> lock() const { return std::shared_lock(mutex_); }
  const std::vector<Entry>& by_id() const { return by_id_; }
  const std::deque<std::string>& accounts() const { return accounts_; }
  const std::deque<SeriesKind>& kinds() const { return kinds_; }
  // Accounts in order from this one on, so many at most.
  std::vector<std::string> accounts_from(const std::string& first, std::size_t most) const;
  bool has(std::int64_t series) const;
  // Of a series that a sample names. Throws Damaged if there is none.
  const std::string& account_of(std::int64_t series) const {
    return accounts_[entry_of(series).account];
  }
  const SeriesKind& kind_of(std::int64_t series) const { return kinds_[entry_of(series).kind]; }
  // The ids of an account's series, in order.
  const std::vector<std::uint32_t>& of_account(const std::string& account) const;

 private:
  const Entry& entry_of(std::int64_t series) const;

  std::string place_;
  mutable std::shared_mutex mutex_;
  std::vector<Entry> by_id_;
  std::deque<std::string> accounts_;
  std::deque<std::vector<std::uint32_t>> ids_;  // by account
  std::map<std::string, std::uint32_t> account_index_;
  std::deque<SeriesKind> kinds_;
  std::map<std::tuple<core::Interned, core::Interned, core::Interned, core::Interned>,
           std::uint32_t>
      kind_index_;
};

}  // namespace usaged::store
