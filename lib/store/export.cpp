#include "store/export.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "store/days.h"
#include "store/rows.h"
#include "store/samples.h"
#include "store/selection.h"

namespace usaged::store {
namespace {

// By account; the configuration's before that of Organizations.
std::map<std::string, std::string> account_names(Reader& reader) {
  return guarded("read accounts", reader.path(), [&] {
    std::map<std::string, std::string> names;
    for (const char* sql : {"SELECT id, name FROM organization_account WHERE name <> ''",
                            "SELECT id, name FROM account WHERE name <> ''"}) {
      Query query(reader.db(), sql);
      while (query.step()) names[query.text(0)] = query.text(1);
    }
    return names;
  });
}

}  // namespace

void each_record(Reader& reader, const Filter& filter, core::Time start, core::Time end,
                 const std::function<void(const core::Record&)>& use) {
  const Selection selection(reader, {filter, {}, core::Metric::kCost});
  guarded("export", reader.path(), [&] {
    // Ranks of series in the order of an export, by account first.
    std::unordered_map<std::int64_t, std::pair<std::size_t, const SeriesRow*>> known;
    std::vector<const SeriesRow*> in_order;
    for (const SeriesRow& row : selection.series()) in_order.push_back(&row);
    std::ranges::sort(in_order, {}, [](const SeriesRow* row) {
      return std::tie(row->account(), row->type(), row->provider(), row->currency());
    });
    for (std::size_t i = 0; i < in_order.size(); ++i) known[in_order[i]->id] = {i, in_order[i]};

    struct Poll {
      PollRef ref;
      core::Record record;
    };
    std::vector<Poll> polls;
    Query query(
        reader.db(),
        "SELECT p.id, target, region, started, interval, s.id FROM poll p JOIN scope s USING "
        "(target, region) WHERE outcome = 'ok' AND started BETWEEN ? AND ? ORDER BY started, p.id");
    query.bind(1, static_cast<std::int64_t>(core::unix_seconds(start)));
    query.bind(2, static_cast<std::int64_t>(core::unix_seconds(end)));
    while (query.step()) {
      Poll poll{{query.integer(5), query.integer(0), time_at(query, 3)}, {}};
      poll.record.target = query.text(1);
      poll.record.region = query.text(2);
      if (!matches(filter.targets, poll.record.target) ||
          !matches(filter.regions, poll.record.region)) {
        continue;
      }
      poll.record.taken_at = poll.ref.at;
      poll.record.interval = interval_at(query, 4);
      polls.push_back(std::move(poll));
    }
    for (Poll& poll : polls) {
      reader.check_deadline();
      std::vector<std::tuple<std::size_t, const SeriesRow*, Reading>> rows;
      for (const Sample& sample : reader.samples().of(poll.ref)) {
        const auto found = known.find(sample.series);
        if (found == known.end() || sample.reading.has(Reading::kGone)) continue;
        rows.emplace_back(found->second.first, found->second.second, sample.reading);
      }
      std::ranges::sort(rows, {}, [](const auto& row) { return std::get<0>(row); });
      for (const auto& [rank, row, reading] : rows) {
        const SeriesKind& kind = row->kind();
        poll.record.usage = {row->account(), kind.type,         kind.provider,
                             kind.currency,  total_of(reading), cost_of(reading)};
        use(poll.record);
      }
    }
  });
}

void each_snapshot(Reader& reader, core::Time end,
                   const std::function<void(const PollRow&, const Snapshot&)>& use) {
  guarded("replay", reader.path(), [&] {
    Query polls(reader.db(),
                fmt::format("SELECT {} FROM poll WHERE outcome <> 'running' AND started <= ? ORDER "
                            "BY started, id",
                            kPollColumns));
    polls.bind(1, static_cast<std::int64_t>(core::unix_seconds(end)));
    std::vector<PollRow> rows;
    while (polls.step()) rows.push_back(poll_row(polls));
    std::map<std::pair<std::string, std::string>, std::int64_t> scopes;
    Query scope(reader.db(), "SELECT target, region, id FROM scope");
    while (scope.step()) scopes[{scope.text(0), scope.text(1)}] = scope.integer(2);
    const SeriesCatalog& catalog = *reader.catalog();
    reader.catalog()->refresh(reader.db());
    for (const PollRow& poll : rows) {
      Snapshot snapshot;
      for (const Sample& sample :
           reader.samples().of({scopes[{poll.target, poll.region}], poll.id, poll.started})) {
        if (sample.reading.has(Reading::kGone)) continue;
        const auto lock = catalog.lock();
        const SeriesKind& kind = catalog.kind_of(sample.series);
        snapshot.totals.push_back({catalog.account_of(sample.series), kind.type, kind.provider,
                                   kind.currency, total_of(sample.reading),
                                   cost_of(sample.reading)});
      }
      use(poll, snapshot);
    }
  });
}

std::int64_t each_charge(Reader& reader, const Filter& filter, core::Time start, core::Time end,
                         core::Time now, const std::function<void(const core::Charge&)>& use) {
  const std::int64_t first = core::day_of(start);
  const std::int64_t last = std::min(core::day_of(end), core::day_of(now) - 1);
  const auto tags = load_tags(reader);
  const auto names = account_names(reader);
  const auto find = [](const auto& map, const std::string& account) {
    const auto found = map.find(account);
    return found == map.end() ? typename std::decay_t<decltype(map)>::mapped_type{} : found->second;
  };
  const Selection selection(reader, {filter, {}, core::Metric::kCost});
  Rebuilder rebuilder(reader);
  std::int64_t unknown = 0;
  for (const SeriesRow& row : selection.series()) {
    core::Charge charge;
    charge.account = row.account();
    charge.account_name = find(names, row.account());
    charge.tags = find(tags, row.account());
    charge.region = row.region();
    charge.usage_type = row.type();
    charge.provider = row.provider();
    charge.currency = row.currency();
    std::map<std::int64_t, std::optional<double>> usage;
    for (const core::Day& day : rebuilder.days(row, core::Metric::kTotal)) {
      usage[day.day] = day.estimate;
    }
    for (const core::Day& day : rebuilder.days(row, core::Metric::kCost)) {
      if (day.day < first || day.day > last) continue;
      if (!day.estimate) {
        ++unknown;
        continue;
      }
      const GroupDay cost = group_day(day);
      charge.day = day.day;
      charge.tag = std::string(core::day_tag_name(day.tag));
      charge.cost = *day.estimate;
      charge.cost_low = cost.low;
      charge.cost_high = cost.high;
      const auto found = usage.find(day.day);
      charge.usage = found == usage.end() ? std::nullopt : found->second;
      use(charge);
    }
  }
  return unknown;
}

}  // namespace usaged::store
