#include "store/catalog.h"

#include "store/database.h"

namespace usaged::store {
namespace {

// A server may leave out ids, of what it took back; never this many at once.
constexpr std::int64_t kMostLeftOut = 10'000'000;

}  // namespace

void SeriesCatalog::refresh(Connection& db) {
  Query newest(db, "SELECT coalesce(max(id), 0) FROM series");
  newest.step();
  std::int64_t next = 0;
  {
    const std::shared_lock lock(mutex_);
    next = static_cast<std::int64_t>(by_id_.size());
  }
  if (newest.integer(0) < next) return;
  // Read before others have to wait.
  struct Row {
    std::uint32_t id;
    std::string account;
    core::Interned region, type, provider, currency;
  };
  std::vector<Row> rows;
  Query query(
      db,
      "SELECT id, account, region, type, provider, currency FROM series WHERE id >= ? ORDER BY id");
  query.bind(1, next);
  for (std::int64_t last = next; query.step(); last = query.integer(0)) {
    if (query.integer(0) - last > kMostLeftOut) {
      throw Damaged(fmt::format("{}: there can be no series {}, the last one before is {}", place_,
                                query.integer(0), last));
    }
    const auto text = [&query](int column) { return query.text(column); };
    rows.push_back({static_cast<std::uint32_t>(query.integer(0)), text(1), text(2), text(3),
                    text(4), text(5)});
  }
  const std::unique_lock lock(mutex_);
  for (const Row& row : rows) {
    if (row.id < by_id_.size()) continue;  // another was faster
    const auto [account, new_account] =
        account_index_.try_emplace(row.account, static_cast<std::uint32_t>(accounts_.size()));
    if (new_account) {
      accounts_.push_back(row.account);
      ids_.emplace_back();
    }
    const auto [kind, new_kind] =
        kind_index_.try_emplace({row.region, row.type, row.provider, row.currency},
                                static_cast<std::uint32_t>(kinds_.size()));
    if (new_kind) kinds_.push_back({row.region, row.type, row.provider, row.currency});
    ids_[account->second].push_back(row.id);
    by_id_.resize(row.id + 1);
    by_id_[row.id] = {account->second, kind->second};
  }
}

bool SeriesCatalog::has(std::int64_t series) const {
  return series >= 0 && static_cast<std::size_t>(series) < by_id_.size() &&
         by_id_[static_cast<std::size_t>(series)].kind != kNone;
}

const SeriesCatalog::Entry& SeriesCatalog::entry_of(std::int64_t series) const {
  if (!has(series)) {
    throw Damaged(fmt::format("{}: a sample is of series {}, which there is not", place_, series));
  }
  return by_id_[static_cast<std::size_t>(series)];
}

std::vector<std::string> SeriesCatalog::accounts_from(const std::string& first,
                                                      std::size_t most) const {
  std::vector<std::string> accounts;
  for (auto next = account_index_.lower_bound(first);
       next != account_index_.end() && accounts.size() < most; ++next) {
    accounts.push_back(next->first);
  }
  return accounts;
}

const std::vector<std::uint32_t>& SeriesCatalog::of_account(const std::string& account) const {
  static const std::vector<std::uint32_t> kNothing;
  const auto found = account_index_.find(account);
  return found == account_index_.end() ? kNothing : ids_[found->second];
}

}  // namespace usaged::store
