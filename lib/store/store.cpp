#include "store/store.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "store/damage.h"
#include "store/poll_day.h"
#include "store/rows.h"
#include "store/sample_table.h"
#include "store/totals.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;
using core::Time;
using core::unix_seconds;

std::string kind_name(RefreshKind kind) {
  return kind == RefreshKind::kOrganization ? "organization" : "trials";
}

void record(Connection& db, std::int64_t poll_id, const PollReport& report, std::size_t accounts,
            std::size_t series) {
  Query update(db,
               "UPDATE poll SET finished = ?, outcome = ?, requests = ?, pages = ?, accounts = ?, "
               "series = ?, error = ?, request_id = ?, clock_skew = ? WHERE id = ? AND outcome = "
               "'running'");
  put(update, 1, report.finished);
  update.bind(2, std::string(core::outcome_name(report.outcome)));
  update.bind(3, report.requests);
  update.bind(4, report.pages);
  update.bind(5, static_cast<std::int64_t>(accounts));
  update.bind(6, static_cast<std::int64_t>(series));
  put_text(update, 7, report.error);
  put_text(update, 8, report.request_id);
  if (report.clock_skew) {
    update.bind(9, static_cast<std::int64_t>(report.clock_skew->count()));
  } else {
    update.bind_null(9);
  }
  update.bind(10, poll_id);
  if (update.run_for_count() != 1) {
    throw Error(ErrorCode::kInternal, "poll {} is not running, so it can't end", poll_id);
  }
}

}  // namespace

Store::Store(const std::string& path, std::optional<Time> set_aside)
    : path_(path),
      lock_(is_postgres(path) ? nullptr : std::make_unique<WriteLock>(path)),
      db_(lock_ == nullptr ? open_postgres_writer(path)
          : set_aside      ? open_or_set_aside(path, *lock_, *set_aside)
                           : open_writer(path, *lock_)),
      samples_(db_) {
  if (lock_ == nullptr) {
    leases_ = std::make_unique<Leases>(db_);
    return;
  }
  reserve_.emplace(path_);
  add_sample_table(db_);
}

void Store::note(const std::exception& error) {
  if (dynamic_cast<const Damaged*>(&error) == nullptr || damaged_.exchange(true)) return;
  if (lock_ != nullptr) lock_->note_damage(true);
}

void Store::fence(const std::string& duty) {
  if (leases_) leases_->fence(duty);
}

Store::Led Store::lead(const std::vector<std::string>& duties,
                       const std::function<bool(const std::string&)>& may_give_up, Time now) {
  if (!leases_) return {};
  const std::lock_guard lock(mutex_);
  return guarded("renew leases", path_, [&]() -> Led {
    Transaction transaction(db_);
    Leases::Renewal renewal = leases_->renew(duties, may_give_up);
    for (const std::string& duty : renewal.gained) {
      if (const auto target = target_of(duty)) interrupt(*target, now);
    }
    transaction.commit();
    return {leases_->adopt(renewal), std::move(renewal.asked)};
  });
}

bool Store::ask(const std::string& duty) {
  if (!leases_) return false;
  const std::lock_guard lock(mutex_);
  return guarded("ask for a poll", path_, [&] {
    Transaction transaction(db_);
    const bool done = leases_->ask(duty);
    transaction.commit();
    return done;
  });
}

void Store::resign() {
  if (!leases_) return;
  const std::lock_guard lock(mutex_);
  guarded("give up leases", path_, [&] {
    Transaction transaction(db_);
    leases_->resign();
    transaction.commit();
  });
}

int Store::interrupt(const std::string& target, Time now) {
  Query update(db_,
               "UPDATE poll SET outcome = 'interrupted', finished = CASE WHEN started > ?1 THEN "
               "started ELSE ?1 END, error = 'the daemon ended before the poll did' WHERE outcome "
               "= 'running' AND (?2 = '' OR target = ?2)");
  put(update, 1, now);
  update.bind(2, target);
  return static_cast<int>(update.run_for_count());
}

int Store::recover(Time now) {
  const std::lock_guard lock(mutex_);
  return guarded("recover", path_, [&] {
    Transaction transaction(db_);
    std::vector<std::string> targets{""};
    if (leases_) {
      targets.clear();
      Query running(db_, "SELECT DISTINCT target FROM poll WHERE outcome = 'running'");
      while (running.step()) {
        if (!leases_->taken(target_duty(running.text(0)))) targets.push_back(running.text(0));
      }
    }
    int count = 0;
    for (const std::string& target : targets) count += interrupt(target, now);
    transaction.commit();
    return count;
  });
}

void Store::set_targets(const std::vector<core::Target>& targets, Time now) {
  const std::lock_guard lock(mutex_);
  guarded("store targets", path_, [&] {
    Transaction transaction(db_);
    Query end_all(
        db_,
        "INSERT INTO scope (target, region, removed) "
        "SELECT s.target, s.region, CASE WHEN s.target LIKE 'import%' THEN (SELECT started + 2 * "
        "interval FROM poll p WHERE p.target = s.target AND p.region = s.region ORDER BY started "
        "DESC, id DESC LIMIT 1) ELSE ?1 END FROM (SELECT DISTINCT target, region FROM poll) s "
        "WHERE "
        "true "
        "ON CONFLICT (target, region) DO UPDATE SET removed = coalesce(scope.removed, "
        "excluded.removed)");
    put(end_all, 1, now);
    end_all.run();
    // What was never polled is forgotten with its target.
    db_.execute(
        "DELETE FROM scope AS s WHERE NOT EXISTS (SELECT 1 FROM poll p WHERE p.target = s.target "
        "AND p.region = s.region)");
    Query asked(db_,
                "INSERT INTO scope (target, region) VALUES (?, ?) "
                "ON CONFLICT (target, region) DO UPDATE SET removed = NULL");
    for (const core::Target& target : targets) {
      for (const std::string& region : target.regions) {
        asked.bind(1, target.name);
        asked.bind(2, region);
        asked.run();
        asked.reset();
      }
    }
    // What else is known goes with whoever told it.
    nlohmann::json organizations = nlohmann::json::array();
    nlohmann::json trials = nlohmann::json::array();
    nlohmann::json all = nlohmann::json::array();
    for (const core::Target& target : targets) {
      all.push_back(target.name);
      if (target.organizations) organizations.push_back(target.name);
      if (target.free_trials) trials.push_back(target.name);
    }
    const auto keep = [this](const char* table, const char* column, const nlohmann::json& names) {
      Query forget(
          db_, fmt::format("DELETE FROM {} WHERE {} NOT IN (SELECT value FROM json_each(?))", table,
                           column));
      forget.bind(1, names.dump());
      forget.run();
    };
    keep("organization_account", "target", organizations);
    keep("free_trial", "target", trials);
    keep("free_trial_error", "target", trials);
    keep("refresh", "target", all);
    keep("behaviour", "target", all);
    db_.execute(
        "UPDATE overlap SET accounts = 0 WHERE EXISTS (SELECT 1 FROM scope s WHERE s.removed IS "
        "NOT NULL AND "
        "s.region = overlap.region AND s.target IN (overlap.target, overlap.other))");
    transaction.commit();
  });
}

void Store::set_accounts(const core::AccountDirectory& directory) {
  const std::lock_guard lock(mutex_);
  guarded("store accounts", path_, [&] {
    Transaction transaction(db_);
    db_.execute("DELETE FROM account");
    Query account(db_, "INSERT INTO account (id, name) VALUES (?, ?)");
    Query tag(db_, "INSERT INTO account_tag (account, name, value) VALUES (?, ?, ?)");
    for (const auto& [id, known] : directory) {
      account.bind(1, id);
      account.bind(2, known.name);
      account.run();
      account.reset();
      for (const auto& [name, value] : known.tags) {
        tag.bind(1, id);
        tag.bind(2, name);
        tag.bind(3, value);
        tag.run();
        tag.reset();
      }
    }
    transaction.commit();
  });
}

std::int64_t Store::begin_poll(const std::string& target, const std::string& region, Time slot,
                               core::Seconds interval, Time started) {
  const std::lock_guard lock(mutex_);
  return guarded("begin poll", path_, [&] {
    Transaction transaction(db_);
    fence(target_duty(target));
    Query insert(db_,
                 "INSERT INTO poll (target, region, slot, interval, started, outcome) "
                 "VALUES (?, ?, ?, ?, ?, 'running') RETURNING id");
    insert.bind(1, target);
    insert.bind(2, region);
    put(insert, 3, slot);
    insert.bind(4, static_cast<std::int64_t>(interval.count()));
    put(insert, 5, started);
    const std::int64_t id = insert.run_for_id();
    Query scope(db_, "INSERT INTO scope (target, region) VALUES (?, ?) ON CONFLICT DO NOTHING");
    scope.bind(1, target);
    scope.bind(2, region);
    scope.run();
    transaction.commit();
    return id;
  });
}

std::vector<BehaviourChange> Store::finish_poll(std::int64_t poll_id, const Snapshot& snapshot,
                                                const PollReport& report) {
  const std::lock_guard lock(mutex_);
  return guarded("store snapshot", path_, [&] {
    Changes transaction(*this);
    Query query(
        db_,
        "SELECT target, region, started, s.id, coalesce(settled, -1) FROM poll JOIN scope s "
        "USING (target, region) WHERE poll.id = ?");
    query.bind(1, poll_id);
    if (!query.step()) throw Error(ErrorCode::kInternal, "there is no poll {}", poll_id);
    const std::string target = query.text(0);
    const std::string region = query.text(1);
    const Time started = time_at(query, 2);
    fence(target_duty(target));
    const PollRef poll{query.integer(3), poll_id, started};
    const std::int64_t settled = query.integer(4);
    SeriesIndex& index = index_of(region);

    std::vector<Sample> samples;
    samples.reserve(snapshot.totals.size());
    PollTotals totals;
    std::vector<std::vector<double>> prices;  // by kind
    std::unordered_set<std::string_view> accounts;
    std::string_view account;
    for (const core::UsageTotal& total : snapshot.totals) {
      const auto [id, kind] = index.find(total, started);
      samples.push_back({id, make_reading(total.total, total.cost)});
      totals.add(kind, total.total, total.cost);
      if (account != total.account) accounts.insert(account = total.account);
      if (total.total.value_or(0) > 0 && total.cost.value_or(0) > 0) {
        if (prices.size() <= kind) prices.resize(kind + 1);
        prices[kind].push_back(*total.cost / *total.total);
      }
    }
    const std::size_t returned = samples.size();
    std::ranges::sort(samples, {}, &Sample::series);
    const std::vector<Sample> found =
        compare_with_last(poll, target, region, snapshot, samples, totals);
    samples_.put(poll, samples);
    totals.write(db_, poll_id, index.kinds());
    note_missing(snapshot, target, region, started);
    record(db_, poll_id, report, accounts.size(), returned);
    // The clock may have been set back to a day that is settled.
    if (core::day_of(started) <= settled) keep_poll_day(db_, poll.scope, core::day_of(started));
    note_prices(index.kinds(), prices, region, started);
    note_overlaps(samples, found, target, region);
    auto changes = observe_behaviour(poll, samples, target, region);
    transaction.commit();
    return changes;
  });
}

SeriesIndex& Store::index_of(const std::string& region) {
  return regions_.try_emplace(region, db_, region).first->second;
}

// The newest good poll of a target and region.
std::optional<PollRef> Store::newest_poll(const std::string& target, const std::string& region) {
  Query query(
      db_,
      "SELECT s.id, p.id, p.started FROM scope s JOIN poll p USING (target, region) WHERE target = "
      "? AND region = ? AND outcome = 'ok' ORDER BY started DESC, p.id DESC LIMIT 1");
  query.bind(1, target);
  query.bind(2, region);
  if (!query.step()) return std::nullopt;
  return PollRef{query.integer(0), query.integer(1), time_at(query, 2)};
}

// Adds what the last good poll had and this one has not: it is gone, or, of an account that could
// not be asked, unknown. Returns what the last one had not, or as gone.
std::vector<Sample> Store::compare_with_last(const PollRef& poll, const std::string& target,
                                             const std::string& region, const Snapshot& snapshot,
                                             std::vector<Sample>& samples, PollTotals& totals) {
  const auto last = newest_poll(target, region);
  std::vector<Sample> before = last ? samples_.of(*last) : std::vector<Sample>{};
  std::erase_if(before, [](const Sample& one) { return one.reading.has(Reading::kGone); });
  std::vector<Sample> lost;
  std::ranges::set_difference(before, samples, std::back_inserter(lost), {}, &Sample::series,
                              &Sample::series);
  std::vector<Sample> found;
  std::ranges::set_difference(samples, before, std::back_inserter(found), {}, &Sample::series,
                              &Sample::series);
  Query sight(db_,
              "INSERT INTO series_target (target, series_id) VALUES (?, ?) ON CONFLICT DO NOTHING");
  for (const Sample& one : found) {
    sight.bind(1, target);
    sight.bind(2, one.series);
    sight.run();
    sight.reset();
  }
  if (lost.empty()) return found;

  std::unordered_set<std::string_view> failed;
  for (const FailedAccount& account : snapshot.failed) failed.insert(account.account);
  Query series(db_, "SELECT account, type, provider, currency FROM series WHERE id = ?");
  for (Sample& one : lost) {
    series.bind(1, one.series);
    series.step();
    const core::UsageTotal what{series.text(0), series.text(1), series.text(2),
                                series.text(3), std::nullopt,   std::nullopt};
    series.reset();
    const bool unknown = failed.contains(what.account);
    one.reading = Reading{unknown ? Reading::kThere : Reading::kGone};
    if (unknown) totals.add(index_of(region).find(what, poll.at).kind, {}, {});
  }
  const auto middle = samples.insert(samples.end(), lost.begin(), lost.end());
  std::ranges::inplace_merge(samples, middle, {}, &Sample::series);
  return found;
}

void Store::note_missing(const Snapshot& snapshot, const std::string& target,
                         const std::string& region, Time started) {
  Query add(
      db_,
      "INSERT INTO missing_account (target, region, account, since, error) VALUES (?, ?, ?, ?, "
      "?) ON CONFLICT (target, region, account) DO UPDATE SET error = excluded.error");
  nlohmann::json still_missing = nlohmann::json::array();
  const auto note = [&](const std::string& account, const std::string& error) {
    still_missing.push_back(account);
    add.bind(1, target);
    add.bind(2, region);
    add.bind(3, account);
    put(add, 4, started);
    put_text(add, 5, error);
    add.run();
    add.reset();
  };
  for (const std::string& account : snapshot.missing) note(account, "");
  for (const FailedAccount& account : snapshot.failed) note(account.account, account.error);
  Query drop(db_,
             "DELETE FROM missing_account WHERE target = ? AND region = ? AND account NOT IN "
             "(SELECT value FROM json_each(?))");
  drop.bind(1, target);
  drop.bind(2, region);
  drop.bind(3, still_missing.dump());
  drop.run();
}

void Store::note_prices(const std::vector<Kind>& kinds, std::vector<std::vector<double>>& by_kind,
                        const std::string& region, Time seen) {
  std::map<std::pair<std::string, std::string>, std::vector<double>> prices;
  for (std::size_t i = 0; i < by_kind.size(); ++i) {
    std::vector<double>& all = prices[{kinds[i].type, kinds[i].currency}];
    all.insert(all.end(), by_kind[i].begin(), by_kind[i].end());
  }
  Query write(db_, upsert("unit_price", {"region", "type", "currency"}, {"price", "seen"}));
  for (auto& [key, all] : prices) {
    if (all.empty()) continue;
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::ranges::nth_element(all, middle);
    write.bind(1, region);
    write.bind(2, key.first);
    write.bind(3, key.second);
    write.bind(4, *middle);
    put(write, 5, seen);
    write.run();
    write.reset();
  }
}

// How many accounts of this poll other targets see too: those that did before, and those that know
// a series which is new to this one. An overlap that begins is new to one of the two.
void Store::note_overlaps(const std::vector<Sample>& samples, const std::vector<Sample>& found,
                          const std::string& target, const std::string& region) {
  std::set<std::string> others;
  Query before(db_,
               "SELECT CASE target WHEN ?1 THEN other ELSE target END FROM overlap WHERE region = "
               "?2 AND (target = ?1 OR other = ?1)");
  before.bind(1, target);
  before.bind(2, region);
  while (before.step()) others.insert(before.text(0));
  Query sight(db_, "SELECT target FROM series_target WHERE series_id = ? AND target <> ?");
  for (const Sample& one : found) {
    sight.bind(1, one.series);
    sight.bind(2, target);
    while (sight.step()) others.insert(sight.text(0));
    sight.reset();
  }
  if (others.empty()) return;

  Query forget(db_,
               "UPDATE overlap SET accounts = 0 WHERE region = ?2 AND (target = ?1 OR other = ?1)");
  forget.bind(1, target);
  forget.bind(2, region);
  forget.run();
  Query asked(db_, "SELECT 1 FROM scope WHERE target = ? AND region = ? AND removed IS NULL");
  Query insert(db_, upsert("overlap", {"region", "target", "other"}, {"accounts"}));
  const std::set<std::string> own = accounts_of(samples);
  for (const std::string& other : others) {
    asked.bind(1, other);
    asked.bind(2, region);
    const auto newest = asked.step() ? newest_poll(other, region) : std::nullopt;
    asked.reset();
    if (!newest) continue;
    const std::set<std::string> theirs = accounts_of(samples_.of(*newest));
    const auto both = std::ranges::count_if(
        own, [&theirs](const std::string& account) { return theirs.contains(account); });
    if (both == 0) continue;
    insert.bind(1, region);
    insert.bind(2, std::min(target, other));
    insert.bind(3, std::max(target, other));
    insert.bind(4, static_cast<std::int64_t>(both));
    insert.run();
    insert.reset();
  }
}

// Of the series that are not gone.
std::set<std::string> Store::accounts_of(const std::vector<Sample>& samples) {
  Query query(db_, "SELECT account FROM series WHERE id = ?");
  std::set<std::string> accounts;
  for (const Sample& sample : samples) {
    if (sample.reading.has(Reading::kGone)) continue;
    query.bind(1, sample.series);
    if (query.step()) accounts.insert(query.text(0));
    query.reset();
  }
  return accounts;
}

std::vector<BehaviourChange> Store::observe_behaviour(const PollRef& poll,
                                                      const std::vector<Sample>& samples,
                                                      const std::string& target,
                                                      const std::string& region) {
  const Time started = poll.at;
  // The first poll of a day, and one of the day before.
  Query pair(
      db_,
      "SELECT (SELECT count(*) FROM poll WHERE target = ?1 AND region = ?2 AND outcome = 'ok' AND "
      "id "
      "<> ?3 AND started BETWEEN ?4 / 86400 * 86400 AND ?4 / 86400 * 86400 + 86399), id, started, "
      "(SELECT min(started) FROM poll WHERE "
      "target = ?1 AND region = ?2 AND outcome = 'ok') FROM poll WHERE target = ?1 AND region = ?2 "
      "AND outcome = 'ok' AND id <> ?3 AND started BETWEEN ?4 - 40 * 3600 AND ?4 - 20 * 3600 ORDER "
      "BY started DESC LIMIT 1");
  pair.bind(1, target);
  pair.bind(2, region);
  pair.bind(3, poll.poll);
  put(pair, 4, started);
  if (!pair.step() || static_cast<int>(pair.integer(0)) > 0) return {};
  const PollRef earlier{poll.scope, pair.integer(1), time_at(pair, 2)};
  const double days =
      static_cast<double>(unix_seconds(started) - unix_seconds(earlier.at)) / 86400.0;
  const std::int64_t seen_from = pair.integer(3) + 86400;

  struct Readings {
    double then;
    double now;
  };
  std::vector<Readings> both;
  nlohmann::json ids = nlohmann::json::array();
  auto now = samples.begin();
  for (const Sample& then : samples_.of(earlier)) {
    while (now != samples.end() && now->series < then.series) ++now;
    if (now == samples.end()) break;
    if (now->series != then.series || !then.reading.has(Reading::kHasTotal)) continue;
    if (!now->reading.has(Reading::kHasTotal) && !now->reading.has(Reading::kGone)) continue;
    both.push_back({then.reading.total, now->reading.total});
    ids.push_back(then.series);
  }
  std::map<std::string, core::BehaviourPair, std::less<>> pairs;
  Query series(db_,
               "SELECT type, first_seen FROM series WHERE id IN (SELECT CAST(value AS BIGINT) FROM "
               "json_each(?)) ORDER BY id");
  series.bind(1, ids.dump());
  for (auto one = both.begin(); series.step(); ++one) {
    const std::int64_t first_seen = series.integer(1);
    const double age = first_seen < seen_from
                           ? -1
                           : static_cast<double>(unix_seconds(started) - first_seen) / 86400.0;
    pairs[series.text(0)].add(one->then, one->now, age, days);
  }

  std::vector<BehaviourChange> changes;
  Query read(db_,
             "SELECT days, resets, rises, falls, jumps, ramps, flat, updated, behaviour, "
             "since FROM behaviour WHERE target = ? AND type = ?");
  Query write(db_, upsert("behaviour", {"target", "type"},
                          {"days", "resets", "rises", "falls", "jumps", "ramps", "flat", "updated",
                           "behaviour", "reason", "since"}));
  for (const auto& [type, counted] : pairs) {
    core::BehaviourEvidence evidence;
    core::Behaviour before = core::Behaviour::kUnknown;
    Time since = started;
    read.bind(1, target);
    read.bind(2, type);
    if (read.step()) {
      const auto number = [&read](int column) { return read.real(column); };
      evidence =
          core::faded({number(0), number(1), number(2), number(3), number(4), number(5), number(6)},
                      started - time_at(read, 7));
      before = core::parse_behaviour(read.text(8));
      since = time_at(read, 9);
    }
    read.reset();
    counted.add_to(evidence);
    core::BehaviourVerdict verdict = core::judge(evidence);
    // Evidence that fades is no news.
    if (verdict.behaviour == core::Behaviour::kUnknown) verdict.behaviour = before;
    if (verdict.behaviour != before) since = started;
    write.bind(1, target);
    write.bind(2, type);
    int column = 3;
    for (const double value : {evidence.days, evidence.resets, evidence.rises, evidence.falls,
                               evidence.jumps, evidence.ramps, evidence.flat}) {
      write.bind(column++, value);
    }
    put(write, 10, started);
    write.bind(11, std::string(core::behaviour_name(verdict.behaviour)));
    write.bind(12, verdict.reason);
    put(write, 13, since);
    write.run();
    write.reset();
    if (verdict.behaviour != before) changes.push_back({type, before, std::move(verdict)});
  }
  return changes;
}

void Store::fail_poll(std::int64_t poll_id, const PollReport& report) {
  const std::lock_guard lock(mutex_);
  guarded("record failed poll", path_, [&] {
    Transaction transaction(db_);
    record(db_, poll_id, report, 0, 0);
    transaction.commit();
  });
}

std::optional<core::LastAttempt> Store::last_attempt(const std::string& target,
                                                     const std::string& region) {
  const std::lock_guard lock(mutex_);
  return guarded("read polls", path_, [&]() -> std::optional<core::LastAttempt> {
    Query query(
        db_,
        "SELECT slot, coalesce(finished, started), outcome, "
        "(SELECT count(*) FROM poll WHERE target = ?1 AND region = ?2 AND id > coalesce((SELECT "
        "id FROM poll WHERE target = ?1 AND region = ?2 AND outcome = 'ok' ORDER BY id DESC LIMIT "
        "1), 0)) "
        "FROM poll WHERE id = (SELECT max(id) FROM poll WHERE target = ?1 AND region = ?2)");
    query.bind(1, target);
    query.bind(2, region);
    if (!query.step()) return std::nullopt;
    core::LastAttempt last;
    last.slot = time_at(query, 0);
    last.finished = time_at(query, 1);
    last.outcome = core::parse_outcome(query.text(2)).value_or(core::Outcome::kServer);
    last.failures = static_cast<int>(query.integer(3));
    return last;
  });
}

bool Store::begin_refresh(RefreshKind kind, const std::string& target, const std::string& region,
                          Time now) {
  const std::lock_guard lock(mutex_);
  return guarded("begin refresh", path_, [&] {
    Transaction transaction(db_);
    Query query(
        db_,
        "SELECT attempted, succeeded FROM refresh WHERE kind = ? AND target = ? AND region = ?");
    query.bind(1, kind_name(kind));
    query.bind(2, target);
    query.bind(3, region);
    std::optional<core::LastRefresh> last;
    if (query.step()) {
      const std::int64_t attempted = query.integer(0);
      const bool good = query.integer(1) >= attempted;  // NULL is 0
      last = {core::from_unix(attempted), good};
    }
    if (!core::refresh_due(last, now)) return false;
    Query note(db_, upsert("refresh", {"kind", "target", "region"}, {"attempted", "error"}));
    note.bind(1, kind_name(kind));
    note.bind(2, target);
    note.bind(3, region);
    put(note, 4, now);
    note.bind(5, "not ended");
    note.run();
    transaction.commit();
    return true;
  });
}

void Store::end_refresh(RefreshKind kind, const std::string& target, const std::string& region,
                        Time now) {
  Query note(db_,
             "UPDATE refresh SET succeeded = CASE WHEN attempted > ?4 THEN attempted ELSE ?4 END, "
             "error = NULL WHERE "
             "kind = ?1 AND target = ?2 AND region = ?3");
  note.bind(1, kind_name(kind));
  note.bind(2, target);
  note.bind(3, region);
  put(note, 4, now);
  note.run();
}

void Store::fail_refresh(RefreshKind kind, const std::string& target, const std::string& region,
                         const std::string& error) {
  const std::lock_guard lock(mutex_);
  guarded("record failed refresh", path_, [&] {
    Transaction transaction(db_);
    Query note(db_,
               "UPDATE refresh SET error = ?4 WHERE kind = ?1 AND target = ?2 AND region = ?3");
    note.bind(1, kind_name(kind));
    note.bind(2, target);
    note.bind(3, region);
    note.bind(4, error);
    note.run();
    transaction.commit();
  });
}

void Store::finish_organization(const std::string& target,
                                const std::vector<OrganizationAccount>& accounts, Time now) {
  const std::lock_guard lock(mutex_);
  guarded("store organization", path_, [&] {
    Transaction transaction(db_);
    Query forget(db_, "DELETE FROM organization_account WHERE target = ?");
    forget.bind(1, target);
    forget.run();
    Query insert(db_, upsert("organization_account", {"target", "id"}, {"name", "status"}));
    for (const OrganizationAccount& account : accounts) {
      insert.bind(1, target);
      insert.bind(2, account.id);
      insert.bind(3, account.name);
      insert.bind(4, account.status);
      insert.run();
      insert.reset();
    }
    end_refresh(RefreshKind::kOrganization, target, "", now);
    transaction.commit();
  });
}

void Store::finish_trials(const std::string& target, const std::string& region,
                          const std::vector<core::FreeTrial>& trials,
                          const std::vector<TrialError>& errors, Time now) {
  const std::lock_guard lock(mutex_);
  guarded("store free trials", path_, [&] {
    Transaction transaction(db_);
    // What is known of an account for which AWS could not say stays.
    nlohmann::json failed = nlohmann::json::array();
    for (const TrialError& error : errors) failed.push_back(error.account);
    Query forget_errors(db_, "DELETE FROM free_trial_error WHERE target = ? AND region = ?");
    forget_errors.bind(1, target);
    forget_errors.bind(2, region);
    forget_errors.run();
    Query forget(db_,
                 "DELETE FROM free_trial WHERE target = ? AND region = ? AND account NOT "
                 "IN (SELECT value FROM json_each(?))");
    forget.bind(1, target);
    forget.bind(2, region);
    forget.bind(3, failed.dump());
    forget.run();
    Query insert(db_, upsert("free_trial", {"account", "region", "type"},
                             {"started", "ends", "status", "target"}));
    for (const core::FreeTrial& trial : trials) {
      insert.bind(1, trial.account);
      insert.bind(2, region);
      insert.bind(3, trial.type);
      put(insert, 4, trial.start);
      put(insert, 5, trial.end);
      insert.bind(6, trial.status);
      insert.bind(7, target);
      insert.run();
      insert.reset();
    }
    Query insert_error(
        db_, upsert("free_trial_error", {"account", "region"}, {"code", "message", "target"}));
    for (const TrialError& error : errors) {
      insert_error.bind(1, error.account);
      insert_error.bind(2, region);
      insert_error.bind(3, error.code);
      insert_error.bind(4, error.message);
      insert_error.bind(5, target);
      insert_error.run();
      insert_error.reset();
    }
    end_refresh(RefreshKind::kTrials, target, region, now);
    transaction.commit();
  });
}

std::vector<std::string> Store::organization_accounts(const std::string& target) {
  const std::lock_guard lock(mutex_);
  return guarded("read organization", path_, [&] {
    Query query(db_,
                "SELECT id FROM organization_account WHERE target = ? AND status = "
                "'ACTIVE' ORDER BY id");
    query.bind(1, target);
    std::vector<std::string> ids;
    while (query.step()) ids.push_back(query.text(0));
    return ids;
  });
}

}  // namespace usaged::store
