#include "store/reader.h"

#include <map>
#include <nlohmann/json.hpp>

#include "store/rows.h"
#include "store/sample_table.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;

// The newest good poll of each target in a region, or, if it is empty, everywhere.
std::vector<PollRef> newest_good(Connection& db, const std::string& region) {
  Query query(db,
              "SELECT s.id, p.id, p.started FROM scope s JOIN poll p ON p.id = (SELECT q.id FROM "
              "poll q WHERE q.target = s.target AND q.region = s.region AND q.outcome = 'ok' ORDER "
              "BY q.started DESC, q.id DESC LIMIT 1) WHERE ?1 = '' OR s.region = ?1");
  query.bind(1, region);
  std::vector<PollRef> polls;
  while (query.step()) {
    polls.push_back({query.integer(0), query.integer(1), time_at(query, 2)});
  }
  return polls;
}

// What a month of what a trial covers will cost.
class TrialCosts {
 public:
  explicit TrialCosts(Reader& reader)
      : reader_(reader),
        price_(reader.db(),
               "SELECT price, currency FROM unit_price WHERE region = ? AND type = ? LIMIT 1"),
        earlier_(reader.db(),
                 "SELECT p.id, p.started FROM scope s JOIN poll p ON p.target = s.target AND "
                 "p.region = s.region WHERE s.id = ?1 AND p.outcome = 'ok' AND p.started BETWEEN "
                 "?2 - 30 * 3600 AND ?2 - 86400 ORDER BY p.started DESC") {}

  // Into the row; nothing if a part of it is not known.
  void put(TrialRow& row) {
    const auto [polls, is_new] = newest_.try_emplace(row.region);
    if (is_new) polls->second = newest_good(reader_.db(), row.region);
    std::optional<double> cost;
    SeriesCatalog& catalog = *reader_.catalog();
    catalog.refresh(reader_.db());
    const auto lock = catalog.lock();
    for (const std::uint32_t series : catalog.of_account(row.trial.account)) {
      const SeriesKind& kind = catalog.kind_of(series);
      if (kind.region != row.region || !core::trial_covers(row.trial.type, kind.type)) continue;
      const auto usage = monthly_usage(polls->second, series, row.trial.start);
      if (!usage) continue;
      const auto price = *usage ? price_of(kind) : std::nullopt;
      if (!price) return;
      if (cost && price->currency != row.currency) return;
      row.currency = price->currency;
      cost = cost.value_or(0) + **usage * price->amount;
    }
    row.monthly_cost_after = cost;
  }

 private:
  // Of a series, by the first of the polls that has it; nullopt if none has, and within that if it
  // is not known.
  std::optional<std::optional<double>> monthly_usage(const std::vector<PollRef>& polls,
                                                     std::int64_t series,
                                                     const std::optional<core::Time>& trial_start) {
    for (const PollRef& poll : polls) {
      const auto last = reader_.samples().find(poll, series);
      if (!last || last->has(Reading::kGone)) continue;
      const auto before = day_before(poll, series);
      return core::monthly_usage(total_of(*last), before ? total_of(*before) : std::nullopt,
                                 trial_start, poll.at);
    }
    return std::nullopt;
  }

  std::optional<Reading> day_before(const PollRef& poll, std::int64_t series) {
    std::optional<Reading> reading;
    earlier_.bind(1, poll.scope);
    earlier_.bind(2, core::unix_seconds(poll.at));
    while (!reading && earlier_.step()) {
      reading =
          reader_.samples().find({poll.scope, earlier_.integer(0), time_at(earlier_, 1)}, series);
    }
    earlier_.reset();
    return reading;
  }

  struct Price {
    double amount;  // of a unit
    std::string currency;
  };
  std::optional<Price> price_of(const SeriesKind& kind) {
    price_.bind(1, kind.region);
    price_.bind(2, kind.type);
    std::optional<Price> price;
    if (price_.step()) price = {price_.real(0), price_.text(1)};
    price_.reset();
    return price;
  }

  Reader& reader_;
  Query price_;
  Query earlier_;
  std::map<std::string, std::vector<PollRef>> newest_;  // by region
};

}  // namespace

Reader::Reader(const std::string& path, std::shared_ptr<SeriesCatalog> catalog)
    : path_(path),
      db_(is_postgres(path) ? open_postgres_reader(path) : open_reader(path)),
      samples_(db_),
      catalog_(catalog ? std::move(catalog) : std::make_shared<SeriesCatalog>(path)) {
  if (!is_postgres(path)) add_sample_table(db_);
}

void Reader::set_deadline(std::chrono::milliseconds limit) {
  deadline_ = std::chrono::steady_clock::now() + limit;
  db_.engine().set_deadline(*deadline_);
}

void Reader::check_deadline() const {
  if (deadline_ && std::chrono::steady_clock::now() > *deadline_) {
    throw Error(ErrorCode::kUnavailable,
                "the question took too long; ask for less (a shorter range, a larger step)");
  }
}

std::vector<PollRow> Reader::polls(const std::string& target, const std::string& region,
                                   const std::string& outcome, std::int64_t before, int limit) {
  return guarded("read polls", path_, [&] {
    Query query(db_,
                fmt::format("SELECT {} FROM poll WHERE (?1 = '' OR target = ?1) AND (?2 = '' OR "
                            "region = ?2) AND (?3 = '' OR outcome = ?3) AND (?4 = 0 OR id < ?4) "
                            "ORDER BY id DESC LIMIT ?5",
                            kPollColumns));
    query.bind(1, target);
    query.bind(2, region);
    query.bind(3, outcome);
    query.bind(4, before);
    query.bind(5, limit);
    std::vector<PollRow> rows;
    while (query.step()) rows.push_back(poll_row(query));
    return rows;
  });
}

std::vector<ScopeRow> Reader::scopes() {
  return guarded("read polls", path_, [&] {
    std::vector<ScopeRow> scopes;
    const auto newest = [&](const char* condition) {
      return fmt::format(
          "SELECT {} FROM poll WHERE id IN (SELECT (SELECT p.id FROM poll p WHERE p.target = "
          "s.target AND p.region = s.region {} ORDER BY p.id DESC LIMIT 1) FROM scope s) ORDER BY "
          "target, region",
          kPollColumns, condition);
    };
    std::map<std::pair<std::string, std::string>, PollRow> good;
    Query good_polls(db_, newest("AND p.outcome = 'ok'"));
    while (good_polls.step()) {
      const PollRow row = poll_row(good_polls);
      good.emplace(std::pair(row.target, row.region), row);
    }
    Query failures(
        db_,
        "SELECT count(*) FROM poll WHERE target = ? AND region = ? AND id > ? AND outcome <> "
        "'running'");
    Query removed(db_,
                  "SELECT 1 FROM scope WHERE target = ? AND region = ? AND removed IS NOT NULL");
    Query first(db_, "SELECT min(started) FROM poll WHERE target = ? AND region = ?");
    Query all(db_, newest(""));
    while (all.step()) {
      ScopeRow scope;
      scope.newest = poll_row(all);
      const auto found = good.find({scope.newest.target, scope.newest.region});
      if (found != good.end()) scope.newest_good = found->second;
      failures.bind(1, scope.newest.target);
      failures.bind(2, scope.newest.region);
      failures.bind(3, scope.newest_good ? scope.newest_good->id : 0);
      if (failures.step()) scope.failures = static_cast<int>(failures.integer(0));
      failures.reset();
      removed.bind(1, scope.newest.target);
      removed.bind(2, scope.newest.region);
      scope.removed = removed.step();
      removed.reset();
      first.bind(1, scope.newest.target);
      first.bind(2, scope.newest.region);
      if (first.step()) {
        scope.first_attempt = time_at(first, 0);
      }
      first.reset();
      scopes.push_back(std::move(scope));
    }
    return scopes;
  });
}

std::vector<std::pair<std::string, std::string>> Reader::unpolled_scopes() {
  return guarded("read targets", path_, [&] {
    Query query(db_,
                "SELECT target, region FROM scope s WHERE removed IS NULL AND NOT "
                "EXISTS (SELECT 1 FROM poll p WHERE p.target = s.target AND p.region = "
                "s.region) ORDER BY target, region");
    std::vector<std::pair<std::string, std::string>> scopes;
    while (query.step()) {
      scopes.emplace_back(query.text(0), query.text(1));
    }
    return scopes;
  });
}

std::string Reader::revision() {
  return guarded("read the revision", path_, [&] {
    // A poll changes when it ends; the newest are enough, since older ones have ended.
    Query query(
        db_,
        "SELECT * FROM (SELECT max(id), count(finished), max(finished) FROM (SELECT id, finished "
        "FROM poll ORDER BY id DESC LIMIT 1000) n) p, (SELECT max(id) FROM alert_event) e, (SELECT "
        "max(id), CAST(sum(ends_at) AS BIGINT) FROM silence) s, (SELECT max(id) FROM notification) "
        "m, (SELECT "
        "count(*) FROM notification WHERE state = 'pending') w");
    query.step();
    std::string text;
    for (int i = 0; i < 8; ++i) {
      text += (i > 0 ? "." : "") + query.text(i);
    }
    return text;
  });
}

std::vector<AccountRow> Reader::accounts() {
  return guarded("read accounts", path_, [&] {
    std::map<std::string, AccountRow> rows;
    Query seen(db_, "SELECT account, min(first_seen) FROM series GROUP BY account");
    while (seen.step()) {
      rows[seen.text(0)].first_seen = time_at(seen, 1);
    }
    const std::vector<PollRef> newest = newest_good(db_, "");
    catalog_->refresh(db_);
    const auto lock = catalog_->lock();
    for (const PollRef& poll : newest) {
      for (const Sample& sample : samples_.of(poll)) {
        if (sample.reading.has(Reading::kGone)) continue;
        rows[catalog_->account_of(sample.series)].active = true;
      }
    }
    Query listed(db_, "SELECT id, min(name), min(status) FROM organization_account GROUP BY id");
    while (listed.step()) {
      AccountRow& row = rows[listed.text(0)];
      row.known.name = listed.text(1);
      row.organization_status = listed.text(2);
    }
    Query names(db_, "SELECT id, name FROM account WHERE name <> ''");
    while (names.step()) {
      rows[names.text(0)].known.name = names.text(1);
    }
    Query tags(db_, "SELECT account, name, value FROM account_tag");
    while (tags.step()) {
      rows[tags.text(0)].known.tags[tags.text(1)] = tags.text(2);
    }
    Query missing(db_,
                  "SELECT account, target, region, since, error FROM missing_account "
                  "ORDER BY target, region");
    while (missing.step()) {
      rows[missing.text(0)].missing.push_back(
          {missing.text(1), missing.text(2), time_at(missing, 3), missing.text(4)});
    }
    std::vector<AccountRow> result;
    for (auto& [id, row] : rows) {
      row.id = id;
      result.push_back(std::move(row));
    }
    return result;
  });
}

std::vector<std::string> Reader::tag_names() {
  return guarded("read tags", path_, [&] {
    Query query(db_, "SELECT DISTINCT name FROM account_tag ORDER BY name");
    std::vector<std::string> names;
    while (query.step()) names.push_back(query.text(0));
    return names;
  });
}

std::vector<TrialRow> Reader::trials(const std::vector<std::string>& accounts) {
  return guarded("read free trials", path_, [&] {
    TrialCosts costs(*this);
    Query query(
        db_,
        "SELECT account, region, type, started, ends, status FROM free_trial WHERE ?1 = '[]' OR "
        "account IN (SELECT value FROM json_each(?1)) ORDER BY account, region, type");
    query.bind(1, nlohmann::json(accounts).dump());
    std::vector<TrialRow> rows;
    while (query.step()) {
      TrialRow row;
      row.region = query.text(1);
      row.trial = {query.text(0), query.text(2), optional_time(query, 3), optional_time(query, 4),
                   query.text(5)};
      if (row.trial.status == "ACTIVE") costs.put(row);
      rows.push_back(std::move(row));
    }
    return rows;
  });
}

std::vector<std::string> Reader::accounts_with_trials(core::Time after, core::Time until) {
  return guarded("read free trials", path_, [&] {
    Query query(db_,
                "SELECT DISTINCT account FROM free_trial WHERE ends > ? AND ends <= ? ORDER BY 1");
    query.bind(1, static_cast<std::int64_t>(core::unix_seconds(after)));
    query.bind(2, static_cast<std::int64_t>(core::unix_seconds(until)));
    std::vector<std::string> accounts;
    while (query.step()) accounts.push_back(query.text(0));
    return accounts;
  });
}

std::vector<TrialErrorRow> Reader::trial_errors(const std::vector<std::string>& accounts) {
  return guarded("read free trials", path_, [&] {
    Query query(
        db_,
        "SELECT account, region, code, message FROM free_trial_error WHERE ?1 = '[]' OR account IN "
        "(SELECT value FROM json_each(?1)) ORDER BY account, region");
    query.bind(1, nlohmann::json(accounts).dump());
    std::vector<TrialErrorRow> rows;
    while (query.step()) {
      rows.push_back({query.text(0), query.text(1), query.text(2), query.text(3)});
    }
    return rows;
  });
}

std::vector<OverlapRow> Reader::overlaps() {
  return guarded("read overlaps", path_, [&] {
    Query query(
        db_,
        "SELECT target, other, region, accounts FROM overlap WHERE accounts > 0 ORDER BY region, "
        "target, other");
    std::vector<OverlapRow> rows;
    while (query.step()) {
      rows.push_back({query.text(0), query.text(1), query.text(2), query.integer(3)});
    }
    return rows;
  });
}

std::vector<BehaviourRow> Reader::behaviours() {
  return guarded("read behaviours", path_, [&] {
    Query query(
        db_, "SELECT target, type, behaviour, reason, since FROM behaviour ORDER BY target, type");
    std::vector<BehaviourRow> rows;
    while (query.step()) {
      rows.push_back({query.text(0), query.text(1), core::parse_behaviour(query.text(2)),
                      query.text(3), time_at(query, 4)});
    }
    return rows;
  });
}

std::vector<RefreshRow> Reader::refreshes() {
  return guarded("read refreshes", path_, [&] {
    Query query(db_,
                "SELECT kind, target, region, attempted, succeeded, error FROM refresh "
                "ORDER BY kind, target, region");
    std::vector<RefreshRow> rows;
    while (query.step()) {
      rows.push_back({query.text(0), query.text(1), query.text(2), time_at(query, 3),
                      optional_time(query, 4), query.text(5)});
    }
    return rows;
  });
}

std::vector<core::Alert> Reader::alerts(const std::string& state, std::int64_t before, int limit) {
  return guarded("read alerts", path_, [&] {
    Query query(db_, fmt::format("SELECT {} FROM alert WHERE (?1 = '' OR state = ?1) "
                                 "AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3",
                                 kAlertColumns));
    query.bind(1, state);
    query.bind(2, before);
    query.bind(3, limit);
    std::vector<core::Alert> alerts;
    while (query.step()) alerts.push_back(alert_row(query));
    return alerts;
  });
}

std::optional<core::Alert> Reader::alert(std::int64_t id) {
  return guarded("read alert", path_, [&]() -> std::optional<core::Alert> {
    Query query(db_, fmt::format("SELECT {} FROM alert WHERE id = ?", kAlertColumns));
    query.bind(1, id);
    if (!query.step()) return std::nullopt;
    return alert_row(query);
  });
}

std::vector<AlertEventRow> Reader::alert_events(std::int64_t alert_id) {
  return guarded("read alert", path_, [&] {
    Query query(db_,
                "SELECT at, change, before, after FROM alert_event WHERE alert_id = ? ORDER BY id");
    query.bind(1, alert_id);
    std::vector<AlertEventRow> events;
    while (query.step()) {
      events.push_back(
          {time_at(query, 0), query.text(1), optional_double(query, 2), optional_double(query, 3)});
    }
    return events;
  });
}

std::vector<NotificationRow> Reader::notifications(const std::string& state, std::int64_t before,
                                                   int limit) {
  return guarded("read notifications", path_, [&] {
    Query query(
        db_,
        "SELECT id, uid, receiver, created, state, attempts, next_attempt, finished, error, "
        "reason, group_key FROM notification WHERE (?1 = '' OR state = ?1) AND (?2 = 0 OR id < ?2) "
        "ORDER BY id DESC "
        "LIMIT ?3");
    query.bind(1, state);
    query.bind(2, before);
    query.bind(3, limit);
    std::vector<NotificationRow> rows;
    while (query.step()) {
      NotificationRow row;
      row.id = query.integer(0);
      row.uid = query.text(1);
      row.receiver = query.text(2);
      row.created = time_at(query, 3);
      row.state = query.text(4);
      row.attempts = static_cast<int>(query.integer(5));
      row.next_attempt = time_at(query, 6);
      row.finished = optional_time(query, 7);
      row.error = query.text(8);
      row.reason = query.text(9);
      row.group_key = query.text(10);
      rows.push_back(std::move(row));
    }
    Query told(db_,
               "SELECT DISTINCT e.alert_id FROM delivery d JOIN alert_event e ON "
               "e.id = d.event_id WHERE d.notification_id = ? ORDER BY e.alert_id");
    for (NotificationRow& row : rows) {
      told.bind(1, row.id);
      while (told.step()) row.alerts.push_back(told.integer(0));
      told.reset();
    }
    return rows;
  });
}

std::vector<core::Silence> Reader::silences(const std::string& state, core::Time now,
                                            std::int64_t before, int limit) {
  return guarded("read silences", path_, [&] {
    Query query(db_,
                fmt::format("SELECT {} FROM silence WHERE (?1 = '' OR ?1 = CASE WHEN ends_at <= ?2 "
                            "THEN 'expired' WHEN starts_at > ?2 THEN 'pending' ELSE 'active' END) "
                            "AND (?3 = 0 OR id < ?3) ORDER BY id DESC LIMIT ?4",
                            kSilenceColumns));
    query.bind(1, state);
    query.bind(2, core::unix_seconds(now));
    query.bind(3, before);
    query.bind(4, limit);
    std::vector<core::Silence> silences;
    while (query.step()) silences.push_back(silence_row(query));
    return silences;
  });
}

std::int64_t Reader::poll_count() {
  return guarded("read polls", path_, [&] { return db_.integer("SELECT count(*) FROM poll"); });
}

std::vector<AlertCount> Reader::alert_counts() {
  return guarded("read alerts", path_, [&] {
    Query query(db_,
                "SELECT state, severity, count(*) FROM alert WHERE state <> 'resolved' "
                "GROUP BY state, severity");
    std::vector<AlertCount> counts;
    while (query.step()) {
      counts.push_back({query.text(0), query.text(1), query.integer(2)});
    }
    return counts;
  });
}

std::vector<Member> Reader::members() {
  return guarded("read the daemons", path_, [&] { return store::members(db_); });
}

Footprint Reader::footprint() {
  if (!is_postgres(path_)) return footprint_of_file(path_);
  return guarded("read the size", path_, [&] {
    return Footprint{
        .bytes = db_.integer("SELECT CAST(coalesce(sum(pg_total_relation_size(oid)), 0) AS BIGINT) "
                             "FROM pg_class WHERE relkind = 'r' AND relnamespace = "
                             "to_regnamespace(current_schema())")};
  });
}

std::vector<DeliveryCount> Reader::delivery_counts() {
  return guarded("read notifications", path_, [&] {
    Query query(
        db_,
        "SELECT receiver, state, count(*) FROM notification WHERE state <> 'delivered' GROUP BY "
        "receiver, state");
    std::vector<DeliveryCount> counts;
    while (query.step()) {
      counts.push_back({query.text(0), query.text(1), query.integer(2)});
    }
    return counts;
  });
}

ReaderPool::Lease ReaderPool::borrow(std::chrono::milliseconds limit) {
  std::unique_ptr<Reader> reader;
  {
    std::unique_lock lock(mutex_);
    const bool free =
        freed_.wait_for(lock, limit, [this] { return !free_.empty() || lent_ < most_; });
    if (!free) {
      throw Error(ErrorCode::kUnavailable, "too many questions at a time; ask again in a moment");
    }
    ++lent_;
    if (!free_.empty()) {
      reader = std::move(free_.back());
      free_.pop_back();
    }
  }
  if (!reader) {
    try {
      reader = std::make_unique<Reader>(path_, catalog_);
    } catch (...) {
      give_back(nullptr);
      throw;
    }
  }
  reader->set_deadline(limit);
  return {*this, std::move(reader)};
}

void ReaderPool::give_back(std::unique_ptr<Reader> reader) {
  const std::lock_guard lock(mutex_);
  --lent_;
  if (reader) free_.push_back(std::move(reader));
  freed_.notify_one();
}

}  // namespace usaged::store
