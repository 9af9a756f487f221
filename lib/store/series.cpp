#include "store/series.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "store/database.h"

namespace usaged::store {
namespace {

// Ids follow each other: 32 bits hold them.
std::uint32_t checked(const Query& query, std::int64_t id) {
  if (id < 0 || id >= std::numeric_limits<std::uint32_t>::max()) {
    throw Damaged(fmt::format("{}: there can be no series {}", query.place(), id));
  }
  return static_cast<std::uint32_t>(id);
}

}  // namespace

SeriesIndex::SeriesIndex(Connection& db, std::string region) : db_(db), region_(std::move(region)) {
  Query query(db_, "SELECT id, type, provider, currency FROM kind WHERE region = ? ORDER BY id");
  query.bind(1, region_);
  while (query.step()) {
    kinds_.push_back({query.integer(0), query.text(1), query.text(2), query.text(3)});
  }
}

SeriesIndex::Found SeriesIndex::find(const core::UsageTotal& total, core::Time first_seen) {
  const std::uint32_t kind = kind_of(total.type, total.provider, total.currency);
  std::vector<Found>& all = of_account(total.account);
  const auto found = std::ranges::find(all, kind, &Found::kind);
  if (found != all.end()) return *found;
  // Another process may have made it meanwhile: then it is read, by a change that is none.
  Query insert(
      db_,
      "INSERT INTO series (account, region, type, provider, currency, first_seen) VALUES (?, ?, ?, "
      "?, ?, ?) ON CONFLICT (account, region, type, provider, currency) DO UPDATE SET first_seen = "
      "series.first_seen RETURNING id");
  insert.bind(1, total.account);
  insert.bind(2, region_);
  insert.bind(3, total.type);
  insert.bind(4, total.provider);
  insert.bind(5, total.currency);
  insert.bind(6, static_cast<std::int64_t>(core::unix_seconds(first_seen)));
  return all.emplace_back(Found{checked(insert, insert.run_for_id()), kind});
}

// Kinds follow each other as they did for the account before.
std::uint32_t SeriesIndex::kind_of(const std::string& type, const std::string& provider,
                                   const std::string& currency) {
  const auto count = static_cast<std::uint32_t>(kinds_.size());
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t at = (last_kind_ + 1 + i) % count;
    const Kind& kind = kinds_[at];
    if (kind.type == type && kind.provider == provider && kind.currency == currency) {
      return last_kind_ = at;
    }
  }
  Query insert(db_,
               "INSERT INTO kind (region, type, provider, currency) VALUES (?, ?, ?, ?) ON "
               "CONFLICT (region, "
               "type, provider, currency) DO UPDATE SET type = excluded.type RETURNING id");
  insert.bind(1, region_);
  insert.bind(2, type);
  insert.bind(3, provider);
  insert.bind(4, currency);
  kinds_.push_back({insert.run_for_id(), type, provider, currency});
  return last_kind_ = count;
}

std::vector<SeriesIndex::Found>& SeriesIndex::of_account(const std::string& account) {
  if (last_account_ != nullptr && *last_account_ == account) return *of_last_account_;
  const auto [place, is_new] = accounts_.try_emplace(account);
  if (is_new) {
    Query query(db_,
                "SELECT id, type, provider, currency FROM series WHERE account = ? AND region = ?");
    query.bind(1, account);
    query.bind(2, region_);
    while (query.step()) {
      place->second.push_back(
          {checked(query, query.integer(0)), kind_of(query.text(1), query.text(2), query.text(3))});
    }
  }
  last_account_ = &place->first;
  of_last_account_ = &place->second;
  return place->second;
}

}  // namespace usaged::store
