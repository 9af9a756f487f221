#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <unordered_map>

#include "store/rows.h"
#include "store/store.h"
#include "store/totals.h"

namespace usaged::store {
namespace {

using core::Record;
using core::Seconds;
using core::Time;

// Later than any record, so that every day counts as over.
constexpr std::int64_t kFarAway = 253402300799;

std::string target_of(const Record& record) {
  return record.target.empty()                 ? "import"
         : record.target.starts_with("import") ? record.target
                                               : "import-" + record.target;
}

auto order(const Record& record) {
  return std::tuple(target_of(record), record.region, record.taken_at);
}

// The time between the polls of a scope: as it says, else the most usual one.
Seconds interval_of(std::span<const Record> records) {
  std::map<Seconds, int> counts;
  for (std::size_t i = 1; i < records.size(); ++i) {
    const Seconds step = records[i].taken_at - records[i - 1].taken_at;
    if (step > Seconds{0}) ++counts[step];
  }
  const auto most = std::ranges::max_element(counts, {}, &std::pair<const Seconds, int>::second);
  return most == counts.end() ? core::kHour : std::clamp(most->first, core::kMinute, core::kDay);
}

}  // namespace

Store::ImportResult Store::import_records(std::vector<Record> records, bool all_or_nothing,
                                          const std::function<void(const core::BadRow&)>& bad) {
  std::ranges::stable_sort(records, {}, order);
  ImportResult result;
  std::vector<std::pair<std::string, std::string>> scopes;
  {
    const std::lock_guard lock(mutex_);
    guarded("import", path_, [&] {
      Changes transaction(*this);
      for (auto from = records.begin(); from != records.end();) {
        auto to = from;
        while (to != records.end() && target_of(*to) == target_of(*from) &&
               to->region == from->region) {
          ++to;
        }
        import_scope({from, to}, target_of(*from), result, bad);
        scopes.emplace_back(target_of(*from), from->region);
        from = to;
      }
      if (result.bad == 0 || !all_or_nothing) {
        transaction.commit();
        return;
      }
      scopes.clear();
      result.added = 0;
    });
  }
  for (const auto& [target, region] : scopes) settle(target, region, core::from_unix(kFarAway));
  sum_days();
  return result;
}

// The records of one target and region, in order of time.
void Store::import_scope(std::span<const Record> records, const std::string& target,
                         ImportResult& result,
                         const std::function<void(const core::BadRow&)>& bad) {
  const std::string& region = records.front().region;
  const Seconds usual = interval_of(records);
  Query add_scope(db_, "INSERT INTO scope (target, region) VALUES (?, ?) ON CONFLICT DO NOTHING");
  add_scope.bind(1, target);
  add_scope.bind(2, region);
  add_scope.run();
  Query find_scope(db_, "SELECT id FROM scope WHERE target = ? AND region = ?");
  find_scope.bind(1, target);
  find_scope.bind(2, region);
  find_scope.step();
  const std::int64_t scope = find_scope.integer(0);
  samples_.unsettle(scope);
  Query unsettle(db_, "DELETE FROM poll_day WHERE scope_id = ?");
  unsettle.bind(1, scope);
  unsettle.run();

  Query find(
      db_,
      "SELECT id FROM poll WHERE target = ? AND region = ? AND started = ? AND outcome = 'ok'");
  Query add(db_,
            "INSERT INTO poll (target, region, slot, interval, started, finished, "
            "outcome) VALUES (?1, ?2, ?3, ?4, ?3, ?3, 'ok') RETURNING id");
  SeriesIndex& index = index_of(region);
  for (auto from = records.begin(); from != records.end();) {
    PollRef poll{scope, 0, from->taken_at};
    find.bind(1, target);
    find.bind(2, region);
    find.bind(3, static_cast<std::int64_t>(core::unix_seconds(poll.at)));
    if (find.step()) poll.poll = find.integer(0);
    find.reset();
    if (poll.poll == 0) {
      const Seconds interval = from->interval > Seconds{0} ? from->interval : usual;
      add.bind(1, target);
      add.bind(2, region);
      add.bind(3, static_cast<std::int64_t>(core::unix_seconds(poll.at)));
      add.bind(4, static_cast<std::int64_t>(interval.count()));
      poll.poll = add.run_for_id();
    }
    std::map<std::int64_t, Reading> readings;
    for (const Sample& one : samples_.of(poll)) {
      if (!one.reading.has(Reading::kGone)) readings.emplace(one.series, one.reading);
    }
    for (; from != records.end() && from->taken_at == poll.at; ++from) {
      const core::UsageTotal& usage = from->usage;
      const auto [place, fresh] = readings.try_emplace(index.find(usage, poll.at).id,
                                                       make_reading(usage.total, usage.cost));
      if (fresh) {
        ++result.added;
      } else if (total_of(place->second) == usage.total && cost_of(place->second) == usage.cost) {
        ++result.known;
      } else {
        ++result.bad;
        bad({from->line,
             fmt::format("account {} in {}: {} at {} is there already with other numbers",
                         usage.account, region, usage.type, core::format_time(poll.at))});
      }
    }
    std::vector<Sample> samples;
    for (const auto& [series, reading] : readings) samples.push_back({series, reading});
    samples_.remove(poll);
    samples_.put(poll, samples);
  }
  finish_import(scope, target, region);
}

// What a poll no longer has is gone; the polls' numbers; days to settle again; and, where targets
// are asked, since when this one is not.
void Store::finish_import(std::int64_t scope, const std::string& target,
                          const std::string& region) {
  struct Known {
    std::string account;
    std::size_t kind = 0;
    std::int64_t first_seen = 0;
    bool sighted = false;  // by this target
  };
  std::unordered_map<std::int64_t, Known> known;
  SeriesIndex& index = index_of(region);
  Query series(db_,
               "SELECT account, type, provider, currency, first_seen FROM series WHERE id = ?");
  const auto find = [&](std::int64_t id) -> Known& {
    const auto [place, fresh] = known.try_emplace(id);
    if (fresh) {
      series.bind(1, id);
      series.step();
      const core::UsageTotal usage{series.text(0), series.text(1), series.text(2),
                                   series.text(3), std::nullopt,   std::nullopt};
      place->second.account = usage.account;
      place->second.first_seen = series.integer(4);
      series.reset();
      place->second.kind = index.find(usage, core::from_unix(0)).kind;
    }
    return place->second;
  };
  const auto bound = [&](const char* sql, std::int64_t first,
                         std::optional<std::int64_t> second = std::nullopt) {
    Query statement(db_, sql);
    statement.bind(1, first);
    if (second) statement.bind(2, *second);
    statement.run();
  };
  std::vector<PollRef> polls;
  Query in_order(db_,
                 "SELECT id, started FROM poll WHERE target = ? AND region = ? AND "
                 "outcome = 'ok' ORDER BY started, id");
  in_order.bind(1, target);
  in_order.bind(2, region);
  while (in_order.step()) {
    polls.push_back({scope, in_order.integer(0), time_at(in_order, 1)});
  }
  Query counts(db_, "UPDATE poll SET series = ?, accounts = ? WHERE id = ?");
  Query sight(db_,
              "INSERT INTO series_target (target, series_id) VALUES (?, ?) ON CONFLICT DO NOTHING");
  std::vector<Sample> before;
  for (const PollRef& poll : polls) {
    std::vector<Sample> samples = samples_.of(poll);
    std::erase_if(samples, [](const Sample& one) { return one.reading.has(Reading::kGone); });
    PollTotals totals;
    std::set<std::string> accounts;
    for (const Sample& one : samples) {
      Known& what = find(one.series);
      totals.add(what.kind, total_of(one.reading), cost_of(one.reading));
      accounts.insert(what.account);
      if (!what.sighted) {
        what.sighted = true;
        if (core::unix_seconds(poll.at) < what.first_seen) {
          bound("UPDATE series SET first_seen = ?2 WHERE id = ?1", one.series,
                core::unix_seconds(poll.at));
        }
        sight.bind(1, target);
        sight.bind(2, one.series);
        sight.run();
        sight.reset();
      }
    }
    bound("DELETE FROM poll_total WHERE poll_id = ?", poll.poll);
    totals.write(db_, poll.poll, index.kinds());
    counts.bind(1, static_cast<std::int64_t>(samples.size()));
    counts.bind(2, static_cast<std::int64_t>(accounts.size()));
    counts.bind(3, poll.poll);
    counts.run();
    counts.reset();
    std::vector<Sample> lost;
    std::ranges::set_difference(before, samples, std::back_inserter(lost), {}, &Sample::series,
                                &Sample::series);
    for (Sample& one : lost) one.reading = Reading{Reading::kGone};
    std::vector<Sample> all;
    std::ranges::merge(samples, lost, std::back_inserter(all), {}, &Sample::series,
                       &Sample::series);
    samples_.remove(poll);
    samples_.put(poll, all);
    before = std::move(samples);
  }
  // Whoever else asks there may have seen the same.
  const auto run = [&](const char* sql) {
    Query statement(db_, sql);
    statement.bind(1, target);
    statement.bind(2, region);
    statement.run();
  };
  run("INSERT INTO overlap (region, target, other, accounts) SELECT ?2, CASE WHEN ?1 < s.target "
      "THEN ?1 ELSE s.target END, CASE WHEN ?1 < s.target THEN s.target ELSE ?1 END, 0 FROM "
      "(SELECT "
      "DISTINCT target FROM poll WHERE region = ?2 AND target <> ?1) s WHERE true ON CONFLICT DO "
      "NOTHING");
  run("UPDATE scope SET settled = NULL WHERE target = ?1 AND region = ?2");
  run("UPDATE scope SET removed = (SELECT started + 2 * interval FROM poll WHERE target = ?1 AND "
      "region = ?2 ORDER BY started DESC, id DESC LIMIT 1) WHERE target = ?1 AND region = ?2 AND "
      "EXISTS (SELECT 1 FROM scope WHERE "
      "target NOT LIKE 'import%')");
}

}  // namespace usaged::store
