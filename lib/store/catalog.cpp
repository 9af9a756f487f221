#include "store/catalog.h"

namespace usaged::store {

void SeriesCatalog::refresh(Connection& db) {
  const auto newest = db.execAndGet("SELECT ifnull(max(id), 0) FROM series").getInt64();
  {
    const std::shared_lock lock(mutex_);
    if (newest < static_cast<std::int64_t>(by_id_.size())) return;
  }
  const std::unique_lock lock(mutex_);
  Query query(
      db,
      "SELECT id, account, region, type, provider, currency FROM series WHERE id >= ? ORDER BY id");
  query.bind(1, static_cast<std::int64_t>(by_id_.size()));
  while (query.executeStep()) {
    const auto id = static_cast<std::uint32_t>(query.getColumn(0).getInt64());
    const auto [account, new_account] = account_index_.try_emplace(
        query.getColumn(1).getString(), static_cast<std::uint32_t>(accounts_.size()));
    if (new_account) {
      accounts_.push_back(account->first);
      ids_.emplace_back();
    }
    const auto [kind, new_kind] =
        kind_index_.try_emplace({query.getColumn(2).getString(), query.getColumn(3).getString(),
                                 query.getColumn(4).getString(), query.getColumn(5).getString()},
                                static_cast<std::uint32_t>(kinds_.size()));
    if (new_kind) {
      const auto& [region, type, provider, currency] = kind->first;
      kinds_.push_back({region, type, provider, currency});
    }
    ids_[account->second].push_back(id);
    by_id_.resize(id + 1);
    by_id_[id] = {account->second, kind->second};
  }
}

const std::vector<std::uint32_t>& SeriesCatalog::of_account(const std::string& account) const {
  static const std::vector<std::uint32_t> kNothing;
  const auto found = account_index_.find(account);
  return found == account_index_.end() ? kNothing : ids_[found->second];
}

}  // namespace usaged::store
