#include "store/series.h"

#include <algorithm>
#include <utility>

namespace usaged::store {

SeriesIds::SeriesIds(SQLite::Database& db, std::string region)
    : db_(db),
      region_(std::move(region)),
      find_(db, "SELECT type, provider, currency, id FROM series WHERE account = ? AND region = ?"),
      insert_(db,
              "INSERT INTO series (account, region, type, provider, currency, first_seen) VALUES "
              "(?, ?, ?, ?, ?, ?)") {}

std::int64_t SeriesIds::id_of(const core::UsageTotal& total, core::Time first_seen) {
  std::vector<Known>& all = of_account(total.account);
  const auto found = std::ranges::find_if(all, [&total](const Known& one) {
    return one.type == total.type && one.provider == total.provider &&
           one.currency == total.currency;
  });
  if (found != all.end()) return found->id;
  insert_.bind(1, total.account);
  insert_.bind(2, region_);
  insert_.bind(3, total.type);
  insert_.bind(4, total.provider);
  insert_.bind(5, total.currency);
  insert_.bind(6, static_cast<std::int64_t>(core::unix_seconds(first_seen)));
  insert_.exec();
  insert_.reset();
  all.push_back({total.type, total.provider, total.currency, db_.getLastInsertRowid()});
  return all.back().id;
}

std::vector<SeriesIds::Known>& SeriesIds::of_account(const std::string& account) {
  const auto [place, is_new] = accounts_.try_emplace(account);
  if (!is_new) return place->second;
  find_.bind(1, account);
  find_.bind(2, region_);
  while (find_.executeStep()) {
    place->second.push_back({find_.getColumn(0), find_.getColumn(1), find_.getColumn(2),
                             find_.getColumn(3).getInt64()});
  }
  find_.reset();
  return place->second;
}

}  // namespace usaged::store
