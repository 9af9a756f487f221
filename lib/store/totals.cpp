#include "store/totals.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "store/days.h"
#include "store/store.h"

namespace usaged::store {
namespace {

void bind(Query& statement, int index, const std::optional<double>& value) {
  if (value) {
    statement.bind(index, *value);
  } else {
    statement.bind_null(index);
  }
}

// The days and months of one kind, or of one account.
struct DaySums {
  std::map<std::int64_t, GroupDay> days;
  std::map<std::int64_t, GroupMonth> months;

  void add(const std::vector<core::Day>& all) {
    for (const core::Day& day : all) days[day.day].add(group_day(day));
    if (all.empty()) return;
    const std::int64_t last = core::month_number(core::month_of(all.back().day));
    for (std::int64_t month = core::month_number(core::month_of(all.front().day)); month <= last;
         ++month) {
      if (const auto sum = month_of_series(all, month)) months[month].add(*sum);
    }
  }
};

using KindKey = std::tuple<std::string, std::string, std::string>;  // type, provider, currency

std::int64_t kind_id(Connection& db, const std::string& region, const KindKey& kind) {
  Query find(db,
             "SELECT id FROM kind WHERE region = ? AND type = ? AND provider = ? AND currency = ?");
  find.bind(1, region);
  find.bind(2, std::get<0>(kind));
  find.bind(3, std::get<1>(kind));
  find.bind(4, std::get<2>(kind));
  if (!find.step()) {
    throw core::Error(core::ErrorCode::kInternal, "a kind of series in {} has no row", region);
  }
  return find.integer(0);
}

// Writes those rows of day_by_NAME and month_by_NAME that differ.
class SumWriter {
 public:
  // `key` names the columns of the key.
  SumWriter(Connection& db, const std::string& name, const std::vector<std::string>& key)
      : day_(db, upsert("day_by_" + name, key, "day", "tag")),
        month_(db, upsert("month_by_" + name, key, "month", "days")),
        first_(static_cast<int>(key.size()) + 1) {}

  // `bind_key` binds the columns of the key.
  template <typename BindKey>
  void write(const DaySums& sums, BindKey bind_key) {
    for (const auto& [day, usage] : sums.days) {
      bind_key(day_);
      day_.bind(first_, day);
      day_.bind(first_ + 1, std::string(core::day_tag_name(usage.tag)));
      write(day_, usage);
    }
    for (const auto& [month, usage] : sums.months) {
      bind_key(month_);
      month_.bind(first_, month);
      month_.bind(first_ + 1, usage.days);
      write(month_, usage);
    }
  }

 private:
  static std::string upsert(const std::string& table, const std::vector<std::string>& key,
                            const char* at, const char* what) {
    std::string columns;
    std::string marks;
    for (const std::string& column : key) {
      columns += column + ", ";
      marks += "?, ";
    }
    return fmt::format(
        "INSERT INTO {0} ({1}{2}, {3}, low, high, estimate) VALUES ({4}?, ?, ?, ?, ?) ON CONFLICT "
        "({1}{2}) DO UPDATE SET {3} = excluded.{3}, low = excluded.low, high = excluded.high, "
        "estimate = "
        "excluded.estimate WHERE {0}.{3} <> excluded.{3} OR {0}.low <> excluded.low OR "
        "{0}.high IS DISTINCT FROM excluded.high OR {0}.estimate IS DISTINCT FROM "
        "excluded.estimate",
        table, columns, at, what, marks);
  }

  template <typename Sum>
  void write(Query& row, const Sum& usage) {
    row.bind(first_ + 2, usage.low);
    bind(row, first_ + 3, usage.high);
    bind(row, first_ + 4, usage.estimate);
    row.run();
    row.reset();
  }

  Query day_;
  Query month_;
  int first_;
};

// Rows that are written in one transaction, at most about: some 20 ms.
constexpr std::size_t kRowsAtOnce = 5000;

}  // namespace

void PollTotals::add(std::size_t kind, const std::optional<double>& total,
                     const std::optional<double>& cost) {
  if (sums_.size() <= kind) sums_.resize(kind + 1);
  Sum& sum = sums_[kind];
  ++sum.series;
  sum.total += total.value_or(0);
  sum.cost += cost.value_or(0);
  sum.no_total += total ? 0 : 1;
  sum.no_cost += cost ? 0 : 1;
}

void PollTotals::write(Connection& db, std::int64_t poll_id, const std::vector<Kind>& kinds) const {
  Query insert(
      db,
      "INSERT INTO poll_total (poll_id, kind_id, series, total, cost, no_total, no_cost) VALUES "
      "(?, ?, ?, ?, ?, ?, ?)");
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const Sum& sum = sums_[i];
    if (sum.series == 0) continue;
    insert.bind(1, poll_id);
    insert.bind(2, kinds[i].id);
    insert.bind(3, sum.series);
    insert.bind(4, sum.total);
    insert.bind(5, sum.cost);
    insert.bind(6, sum.no_total);
    insert.bind(7, sum.no_cost);
    insert.run();
    insert.reset();
  }
}

void Store::sum_days() {
  sum_wanted_ = true;
  while (sum_wanted_) {
    const std::unique_lock lock(summing_, std::try_to_lock);
    if (!lock) return;  // whoever has it looks again when it is done
    sum_wanted_ = false;
    std::vector<std::pair<std::string, std::int64_t>> regions;
    {
      const std::lock_guard writer(mutex_);
      guarded("sum days", path_, [&] {
        Query query(db_, "SELECT region, settled FROM unsummed");
        while (query.step()) {
          regions.emplace_back(query.text(0), query.integer(1));
        }
      });
    }
    if (regions.empty()) continue;
    Reader reader(path_);
    for (const auto& region : regions) {
      sum_region(reader, region.first);
      const std::lock_guard writer(mutex_);
      guarded("sum days", path_, [&] {
        Query done(db_, "DELETE FROM unsummed WHERE region = ? AND settled = ?");
        done.bind(1, region.first);
        done.bind(2, region.second);
        done.run();
      });
    }
  }
}

void Store::sum_region(Reader& reader, const std::string& region) {
  Question question;
  question.filter.regions = {region};
  const Selection selection(reader, question);
  std::vector<SeriesRow> rows = selection.series();
  std::ranges::stable_sort(
      rows, {}, [](const SeriesRow& row) { return std::tie(row.account(), row.currency()); });
  const auto in_transaction = [this](auto action) {
    const std::lock_guard lock(mutex_);
    guarded("sum days", path_, [&] {
      Transaction transaction(db_);
      action();
      transaction.commit();
    });
  };
  struct Account {
    std::string account;
    std::string currency;
    DaySums sums;
  };
  std::vector<Account> accounts;  // to be written
  std::size_t pending = 0;
  const auto write_accounts = [&] {
    in_transaction([&] {
      SumWriter writer(db_, "account", {"account", "region", "currency"});
      for (const Account& one : accounts) {
        writer.write(one.sums, [&](Query& statement) {
          statement.bind(1, one.account);
          statement.bind(2, region);
          statement.bind(3, one.currency);
        });
      }
    });
    accounts.clear();
    pending = 0;
  };
  Rebuilder rebuilder(reader);
  std::map<KindKey, std::array<DaySums, 2>> kinds;
  DaySums account;
  for (auto row = rows.begin(); row != rows.end(); ++row) {
    auto& kind = kinds[{row->type(), row->provider(), row->currency()}];
    kind[1].add(rebuilder.days(*row, core::Metric::kTotal));
    const std::vector<core::Day> costs = rebuilder.days(*row, core::Metric::kCost);
    kind[0].add(costs);
    account.add(costs);
    const auto next = std::next(row);
    if (next != rows.end() && next->account() == row->account() &&
        next->currency() == row->currency()) {
      continue;
    }
    pending += account.days.size() + account.months.size();
    accounts.push_back({row->account(), row->currency(), std::move(account)});
    account = {};
    if (pending >= kRowsAtOnce) write_accounts();
  }
  if (!accounts.empty()) write_accounts();
  for (const auto& kind : kinds) {
    in_transaction([&] {
      const std::int64_t id = kind_id(db_, region, kind.first);
      SumWriter writer(db_, "kind", {"kind_id", "metric"});
      for (const core::Metric metric : {core::Metric::kCost, core::Metric::kTotal}) {
        writer.write(kind.second[metric == core::Metric::kCost ? 0 : 1], [&](Query& statement) {
          statement.bind(1, id);
          statement.bind(2, std::string(core::metric_name(metric)));
        });
      }
    });
  }
}

}  // namespace usaged::store
