#include "store/totals.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "store/days.h"
#include "store/store.h"

namespace usaged::store {
namespace {

void bind(SQLite::Statement& statement, int index, const std::optional<double>& value) {
  if (value) {
    statement.bind(index, *value);
  } else {
    statement.bind(index);
  }
}

// The days and months of one kind, or of one account.
struct DaySums {
  std::map<std::int64_t, GroupDay> days;
  std::map<std::int64_t, GroupMonth> months;

  void add(const std::vector<core::Day>& all) {
    for (const core::Day& day : all) days[day.day].add(group_day(day));
    if (all.empty()) return;
    const std::int64_t last = month_number(month_of(all.back().day));
    for (std::int64_t month = month_number(month_of(all.front().day)); month <= last; ++month) {
      if (const auto sum = month_of_series(all, month)) months[month].add(*sum);
    }
  }
};

// Writes those rows of day_by_NAME and month_by_NAME that differ. `bind_key` binds the columns of
// the key and returns the number of the next.
template <typename BindKey>
void write_sums(SQLite::Database& db, const DaySums& sums, const char* name, const char* key,
                BindKey bind_key) {
  const auto upsert = [&](const char* table, const char* at, const char* what) {
    std::string marks;
    for (const char* c = key; *c != '\0'; ++c) marks += *c == ',' ? "?, " : "";
    return fmt::format(
        "INSERT INTO {0}_by_{1} ({2}, {3}, {4}, low, high, estimate) VALUES ({5}?, ?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET {4} = excluded.{4}, low = excluded.low, high = excluded.high, "
        "estimate = excluded.estimate WHERE {4} <> excluded.{4} OR low <> excluded.low OR high IS "
        "NOT excluded.high OR estimate IS NOT excluded.estimate",
        table, name, key, at, what, marks);
  };
  SQLite::Statement day_row(db, upsert("day", "day", "tag"));
  for (const auto& [day, usage] : sums.days) {
    const int column = bind_key(day_row);
    day_row.bind(column, day);
    day_row.bind(column + 1, std::string(core::day_tag_name(usage.tag)));
    day_row.bind(column + 2, usage.low);
    bind(day_row, column + 3, usage.high);
    bind(day_row, column + 4, usage.estimate);
    day_row.exec();
    day_row.reset();
  }
  SQLite::Statement month_row(db, upsert("month", "month", "days"));
  for (const auto& [month, usage] : sums.months) {
    const int column = bind_key(month_row);
    month_row.bind(column, month);
    month_row.bind(column + 1, usage.days);
    month_row.bind(column + 2, usage.low);
    bind(month_row, column + 3, usage.high);
    bind(month_row, column + 4, usage.estimate);
    month_row.exec();
    month_row.reset();
  }
}

}  // namespace

std::int64_t kind_id(SQLite::Database& db, const std::string& region, const std::string& type,
                     const std::string& provider, const std::string& currency) {
  SQLite::Statement find(
      db, "SELECT id FROM kind WHERE region = ? AND type = ? AND provider = ? AND currency = ?");
  find.bind(1, region);
  find.bind(2, type);
  find.bind(3, provider);
  find.bind(4, currency);
  if (find.executeStep()) return find.getColumn(0).getInt64();
  SQLite::Statement add(db,
                        "INSERT INTO kind (region, type, provider, currency) VALUES (?, ?, ?, ?)");
  add.bind(1, region);
  add.bind(2, type);
  add.bind(3, provider);
  add.bind(4, currency);
  add.exec();
  return db.getLastInsertRowid();
}

void PollTotals::add(const core::UsageTotal& usage) {
  auto place = std::ranges::find_if(sums_, [&usage](const Sum& sum) {
    return sum.type == usage.type && sum.provider == usage.provider &&
           sum.currency == usage.currency;
  });
  if (place == sums_.end()) {
    place = sums_.insert(sums_.end(), Sum{usage.type, usage.provider, usage.currency});
  }
  ++place->series;
  place->total += usage.total.value_or(0);
  place->cost += usage.cost.value_or(0);
  place->no_total += usage.total ? 0 : 1;
  place->no_cost += usage.cost ? 0 : 1;
}

void PollTotals::write(SQLite::Database& db, std::int64_t poll_id,
                       const std::string& region) const {
  SQLite::Statement insert(
      db,
      "INSERT INTO poll_total (poll_id, kind_id, series, total, cost, no_total, no_cost) VALUES "
      "(?, ?, ?, ?, ?, ?, ?)");
  for (const Sum& sum : sums_) {
    insert.bind(1, poll_id);
    insert.bind(2, kind_id(db, region, sum.type, sum.provider, sum.currency));
    insert.bind(3, sum.series);
    insert.bind(4, sum.total);
    insert.bind(5, sum.cost);
    insert.bind(6, sum.no_total);
    insert.bind(7, sum.no_cost);
    insert.exec();
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
        SQLite::Statement query(db_, "SELECT region, settled FROM unsummed");
        while (query.executeStep()) {
          regions.emplace_back(query.getColumn(0), query.getColumn(1).getInt64());
        }
      });
    }
    if (regions.empty()) continue;
    Reader reader(path_);
    for (const auto& region : regions) {
      sum_region(reader, region.first);
      const std::lock_guard writer(mutex_);
      guarded("sum days", path_, [&] {
        SQLite::Statement done(db_, "DELETE FROM unsummed WHERE region = ? AND settled = ?");
        done.bind(1, region.first);
        done.bind(2, region.second);
        done.exec();
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
      rows, {}, [](const SeriesRow& row) { return std::tie(row.account, row.currency); });
  const auto in_transaction = [this](auto action) {
    const std::lock_guard lock(mutex_);
    guarded("sum days", path_, [&] {
      SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
      action();
      transaction.commit();
    });
  };
  Rebuilder rebuilder(reader);
  std::map<std::tuple<std::string, std::string, std::string>, std::array<DaySums, 2>> kinds;
  DaySums account;
  for (auto row = rows.begin(); row != rows.end(); ++row) {
    auto& kind = kinds[{row->type, row->provider, row->currency}];
    kind[1].add(rebuilder.days(*row, core::Metric::kTotal));
    const std::vector<core::Day> costs = rebuilder.days(*row, core::Metric::kCost);
    kind[0].add(costs);
    account.add(costs);
    const auto next = std::next(row);
    if (next != rows.end() && next->account == row->account && next->currency == row->currency) {
      continue;
    }
    in_transaction([&] {
      write_sums(db_, account, "account", "account, region, currency",
                 [&](SQLite::Statement& statement) {
                   statement.bind(1, row->account);
                   statement.bind(2, region);
                   statement.bind(3, row->currency);
                   return 4;
                 });
    });
    account = {};
  }
  for (const auto& kind : kinds) {
    in_transaction([&] {
      const auto& [type, provider, currency] = kind.first;
      const auto& sums = kind.second;
      const std::int64_t id = kind_id(db_, region, type, provider, currency);
      for (const core::Metric metric : {core::Metric::kCost, core::Metric::kTotal}) {
        const DaySums& sum = sums[metric == core::Metric::kCost ? 0 : 1];
        write_sums(db_, sum, "kind", "kind_id, metric", [&](SQLite::Statement& statement) {
          statement.bind(1, id);
          statement.bind(2, std::string(core::metric_name(metric)));
          return 3;
        });
      }
    });
  }
}

}  // namespace usaged::store
