#include "store/store.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "store/rows.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;
using core::Time;
using core::unix_seconds;

void put(SQLite::Statement& statement, int index, const std::optional<double>& value) {
  if (value) {
    statement.bind(index, *value);
  } else {
    statement.bind(index);
  }
}

void put(SQLite::Statement& statement, int index, const std::optional<Time>& value) {
  if (value) {
    statement.bind(index, static_cast<std::int64_t>(unix_seconds(*value)));
  } else {
    statement.bind(index);
  }
}

void put(SQLite::Statement& statement, int index, Time value) {
  statement.bind(index, static_cast<std::int64_t>(unix_seconds(value)));
}

// An empty text is stored as NULL.
void put_text(SQLite::Statement& statement, int index, const std::string& text) {
  if (text.empty()) {
    statement.bind(index);
  } else {
    statement.bind(index, text);
  }
}

std::string series_key(const std::string& region, const std::string& account,
                       const std::string& type, const std::string& provider,
                       const std::string& currency) {
  std::string key;
  key.reserve(account.size() + region.size() + type.size() + provider.size() + currency.size() + 4);
  for (const std::string* part : {&account, &region, &type, &provider, &currency}) {
    key += *part;
    key += '\x1f';
  }
  return key;
}

void record(SQLite::Database& db, std::int64_t poll_id, const PollReport& report,
            std::size_t accounts, std::size_t series) {
  SQLite::Statement update(
      db,
      "UPDATE poll SET finished = ?, outcome = ?, requests = ?, pages = ?, accounts = ?, "
      "series = ?, error = ?, request_id = ? WHERE id = ? AND outcome = 'running'");
  put(update, 1, report.finished);
  update.bind(2, std::string(core::outcome_name(report.outcome)));
  update.bind(3, report.requests);
  update.bind(4, report.pages);
  update.bind(5, static_cast<std::int64_t>(accounts));
  update.bind(6, static_cast<std::int64_t>(series));
  put_text(update, 7, report.error);
  put_text(update, 8, report.request_id);
  update.bind(9, poll_id);
  if (update.exec() != 1) {
    throw Error(ErrorCode::kInternal, "poll {} is not running, so it can't end", poll_id);
  }
}

}  // namespace

Store::Store(const std::string& path) : path_(path), lock_(path), db_(open_writer(path)) {
  guarded("open", path_, [&] {
    const std::int64_t newest = db_.execAndGet("SELECT ifnull(max(id), 0) FROM poll").getInt64();
    const std::int64_t expected = lock_.high_water();
    if (newest < expected) {
      throw Error(ErrorCode::kStorage,
                  "{}: its newest poll is {}, but {} was stored: the end is lost (a missing or "
                  "damaged {}-wal, or an older copy). If you put an older copy there yourself, "
                  "delete {}.lock and start again",
                  path_, newest, expected, path_, path_);
    }
    load_series();
  });
}

void Store::load_series() {
  SQLite::Statement query(db_, "SELECT id, account, region, type, provider, currency FROM series");
  while (query.executeStep()) {
    series_.emplace(series_key(query.getColumn(2), query.getColumn(1), query.getColumn(3),
                               query.getColumn(4), query.getColumn(5)),
                    query.getColumn(0).getInt64());
  }
}

int Store::recover(Time now) {
  const std::lock_guard lock(mutex_);
  return guarded("recover", path_, [&] {
    SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement update(
        db_,
        "UPDATE poll SET outcome = 'interrupted', finished = max(?, started), "
        "error = 'the daemon ended before the poll did' WHERE outcome = 'running'");
    put(update, 1, now);
    const int count = update.exec();
    transaction.commit();
    return count;
  });
}

void Store::set_targets(const std::vector<core::Target>& targets, Time now) {
  const std::lock_guard lock(mutex_);
  guarded("store targets", path_, [&] {
    SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement end_all(
        db_,
        "INSERT INTO scope (target, region, removed) "
        "SELECT DISTINCT target, region, ?1 FROM poll WHERE true "
        "ON CONFLICT DO UPDATE SET removed = ifnull(removed, excluded.removed)");
    put(end_all, 1, now);
    end_all.exec();
    SQLite::Statement asked(db_,
                            "INSERT INTO scope (target, region) VALUES (?, ?) "
                            "ON CONFLICT DO UPDATE SET removed = NULL");
    for (const core::Target& target : targets) {
      for (const std::string& region : target.regions) {
        asked.bind(1, target.name);
        asked.bind(2, region);
        asked.exec();
        asked.reset();
      }
    }
    transaction.commit();
  });
}

void Store::set_accounts(const core::AccountDirectory& directory) {
  const std::lock_guard lock(mutex_);
  guarded("store accounts", path_, [&] {
    SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
    db_.exec("DELETE FROM account");
    SQLite::Statement account(db_, "INSERT INTO account (id, name) VALUES (?, ?)");
    SQLite::Statement tag(db_, "INSERT INTO account_tag (account, name, value) VALUES (?, ?, ?)");
    for (const auto& [id, known] : directory) {
      account.bind(1, id);
      account.bind(2, known.name);
      account.exec();
      account.reset();
      for (const auto& [name, value] : known.tags) {
        tag.bind(1, id);
        tag.bind(2, name);
        tag.bind(3, value);
        tag.exec();
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
    SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement insert(db_,
                             "INSERT INTO poll (target, region, slot, interval, started, outcome) "
                             "VALUES (?, ?, ?, ?, ?, 'running')");
    insert.bind(1, target);
    insert.bind(2, region);
    put(insert, 3, slot);
    insert.bind(4, static_cast<std::int64_t>(interval.count()));
    put(insert, 5, started);
    insert.exec();
    const std::int64_t id = db_.getLastInsertRowid();
    transaction.commit();
    lock_.set_high_water(id);
    return id;
  });
}

std::int64_t Store::series_id(const std::string& region, const core::UsageTotal& total,
                              Time first_seen) {
  const std::string key =
      series_key(region, total.account, total.type, total.provider, total.currency);
  const auto known = series_.find(key);
  if (known != series_.end()) return known->second;
  SQLite::Statement insert(db_,
                           "INSERT INTO series (account, region, type, provider, currency, "
                           "first_seen) VALUES (?, ?, ?, ?, ?, ?)");
  insert.bind(1, total.account);
  insert.bind(2, region);
  insert.bind(3, total.type);
  insert.bind(4, total.provider);
  insert.bind(5, total.currency);
  put(insert, 6, first_seen);
  insert.exec();
  const std::int64_t id = db_.getLastInsertRowid();
  series_.emplace(key, id);
  return id;
}

void Store::finish_poll(std::int64_t poll_id, const Snapshot& snapshot, const PollReport& report) {
  const std::lock_guard lock(mutex_);
  guarded("store snapshot", path_, [&] {
    const std::size_t series_before = series_.size();
    try {
      SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
      SQLite::Statement poll(db_, "SELECT target, region, started FROM poll WHERE id = ?");
      poll.bind(1, poll_id);
      if (!poll.executeStep()) throw Error(ErrorCode::kInternal, "there is no poll {}", poll_id);
      const std::string target = poll.getColumn(0);
      const std::string region = poll.getColumn(1);
      const Time started = core::from_unix(poll.getColumn(2).getInt64());

      std::vector<std::pair<std::int64_t, const core::UsageTotal*>> rows;
      rows.reserve(snapshot.totals.size());
      std::unordered_set<std::string_view> accounts;
      for (const core::UsageTotal& total : snapshot.totals) {
        rows.emplace_back(series_id(region, total, started), &total);
        accounts.insert(total.account);
      }
      std::ranges::sort(rows);  // the table's own order

      SQLite::Statement insert(
          db_, "INSERT INTO sample (poll_id, series_id, total, cost) VALUES (?, ?, ?, ?)");
      std::unordered_set<std::int64_t> present;
      present.reserve(rows.size());
      for (const auto& [id, total] : rows) {
        insert.bind(1, poll_id);
        insert.bind(2, id);
        put(insert, 3, total->total);
        put(insert, 4, total->cost);
        insert.exec();
        insert.reset();
        present.insert(id);
      }

      SQLite::Statement previous(
          db_,
          "SELECT series_id FROM sample WHERE gone = 0 AND poll_id = (SELECT id FROM poll WHERE "
          "target = ? AND region = ? AND outcome = 'ok' ORDER BY started DESC, id DESC LIMIT 1)");
      previous.bind(1, target);
      previous.bind(2, region);
      SQLite::Statement gone(db_, "INSERT INTO sample (poll_id, series_id, gone) VALUES (?, ?, 1)");
      while (previous.executeStep()) {
        const std::int64_t id = previous.getColumn(0).getInt64();
        if (present.contains(id)) continue;
        gone.bind(1, poll_id);
        gone.bind(2, id);
        gone.exec();
        gone.reset();
      }

      SQLite::Statement add_missing(
          db_,
          "INSERT OR IGNORE INTO missing_account (target, region, account, since) "
          "VALUES (?, ?, ?, ?)");
      for (const std::string& account : snapshot.missing) {
        add_missing.bind(1, target);
        add_missing.bind(2, region);
        add_missing.bind(3, account);
        put(add_missing, 4, started);
        add_missing.exec();
        add_missing.reset();
      }
      SQLite::Statement drop_missing(
          db_,
          "DELETE FROM missing_account WHERE target = ? AND region = ? AND account NOT IN "
          "(SELECT value FROM json_each(?))");
      drop_missing.bind(1, target);
      drop_missing.bind(2, region);
      drop_missing.bind(3, nlohmann::json(snapshot.missing).dump());
      drop_missing.exec();

      record(db_, poll_id, report, accounts.size(), rows.size());
      transaction.commit();
    } catch (...) {
      // The series that this transaction made are gone with it.
      if (series_.size() != series_before) {
        series_.clear();
        load_series();
      }
      throw;
    }
  });
}

void Store::fail_poll(std::int64_t poll_id, const PollReport& report) {
  const std::lock_guard lock(mutex_);
  guarded("record failed poll", path_, [&] {
    SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
    record(db_, poll_id, report, 0, 0);
    transaction.commit();
  });
}

std::optional<core::LastAttempt> Store::last_attempt(const std::string& target,
                                                     const std::string& region) {
  const std::lock_guard lock(mutex_);
  return guarded("read polls", path_, [&]() -> std::optional<core::LastAttempt> {
    SQLite::Statement query(
        db_,
        "SELECT slot, ifnull(finished, started), outcome, "
        "(SELECT count(*) FROM poll WHERE target = ?1 AND region = ?2 AND id > ifnull((SELECT "
        "max(id) FROM poll WHERE target = ?1 AND region = ?2 AND outcome = 'ok'), 0)) "
        "FROM poll WHERE target = ?1 AND region = ?2 ORDER BY id DESC LIMIT 1");
    query.bind(1, target);
    query.bind(2, region);
    if (!query.executeStep()) return std::nullopt;
    core::LastAttempt last;
    last.slot = core::from_unix(query.getColumn(0).getInt64());
    last.finished = core::from_unix(query.getColumn(1).getInt64());
    last.outcome =
        core::parse_outcome(query.getColumn(2).getString()).value_or(core::Outcome::kServer);
    last.failures = query.getColumn(3).getInt();
    return last;
  });
}

std::vector<core::Alert> Store::open_alerts() {
  const std::lock_guard lock(mutex_);
  return guarded("read alerts", path_, [&] {
    SQLite::Statement query(
        db_, fmt::format("SELECT {} FROM alert WHERE state <> 'resolved'", kAlertColumns));
    std::vector<core::Alert> alerts;
    while (query.executeStep()) alerts.push_back(alert_row(query));
    return alerts;
  });
}

void Store::apply(const std::vector<AlertTransition>& transitions,
                  const std::vector<Notification>& notifications, Time now) {
  if (transitions.empty() && notifications.empty()) return;
  const std::lock_guard lock(mutex_);
  guarded("store alerts", path_, [&] {
    SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement insert(
        db_,
        "INSERT INTO alert (fingerprint, rule, severity, labels, currency, state, polls, "
        "pending_since, counted_until, starts_at, ends_at, before, after, id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "severity = excluded.severity, state = excluded.state, polls = excluded.polls, "
        "counted_until = excluded.counted_until, starts_at = excluded.starts_at, "
        "ends_at = excluded.ends_at, before = excluded.before, after = excluded.after");
    SQLite::Statement forget(db_, "DELETE FROM alert WHERE id = ?");
    SQLite::Statement event(db_,
                            "INSERT INTO alert_event (alert_id, at, change, before, after) "
                            "VALUES (?, ?, ?, ?, ?)");
    for (const AlertTransition& step : transitions) {
      const core::Alert& alert = step.alert;
      if (step.change == core::AlertChange::kCleared) {
        forget.bind(1, alert.id);
        forget.exec();
        forget.reset();
        continue;
      }
      insert.bind(1, alert.fingerprint);
      insert.bind(2, alert.rule);
      insert.bind(3, alert.severity);
      insert.bind(4, labels_to_json(alert.labels));
      insert.bind(5, alert.currency);
      insert.bind(6, std::string(core::alert_state_name(alert.state)));
      insert.bind(7, alert.polls);
      put(insert, 8, alert.pending_since);
      put(insert, 9, alert.counted_until);
      put(insert, 10, alert.starts_at);
      put(insert, 11, alert.ends_at);
      put(insert, 12, alert.before);
      put(insert, 13, alert.after);
      if (alert.id != 0) {
        insert.bind(14, alert.id);
      } else {
        insert.bind(14);
      }
      insert.exec();
      const std::int64_t id = alert.id != 0 ? alert.id : db_.getLastInsertRowid();
      insert.reset();
      if (step.change == core::AlertChange::kKept) continue;
      event.bind(1, id);
      put(event, 2, now);
      event.bind(3, std::string(core::alert_change_name(step.change)));
      put(event, 4, alert.before);
      put(event, 5, alert.after);
      event.exec();
      event.reset();
    }
    SQLite::Statement enqueue(
        db_,
        "INSERT INTO notification (uid, receiver, created, body, state, next_attempt) "
        "VALUES (?, ?, ?, ?, 'pending', ?)");
    for (const Notification& notification : notifications) {
      enqueue.bind(1, notification.uid);
      enqueue.bind(2, notification.receiver);
      put(enqueue, 3, now);
      enqueue.bind(4, notification.body);
      put(enqueue, 5, now);
      enqueue.exec();
      enqueue.reset();
    }
    transaction.commit();
  });
}

std::vector<Notification> Store::due_notifications(const std::string& receiver, Time now,
                                                   int most) {
  const std::lock_guard lock(mutex_);
  return guarded("read notifications", path_, [&] {
    SQLite::Statement query(db_,
                            "SELECT id, uid, receiver, created, body, attempts FROM notification "
                            "WHERE state = 'pending' AND receiver = ? AND next_attempt <= ? "
                            "ORDER BY id LIMIT ?");
    query.bind(1, receiver);
    put(query, 2, now);
    query.bind(3, most);
    std::vector<Notification> due;
    while (query.executeStep()) {
      due.push_back({query.getColumn(0).getInt64(), query.getColumn(1).getString(),
                     query.getColumn(2).getString(), core::from_unix(query.getColumn(3).getInt64()),
                     query.getColumn(4).getString(), query.getColumn(5).getInt()});
    }
    return due;
  });
}

int Store::drop_notifications(const std::vector<std::string>& receivers, Time now) {
  const std::lock_guard lock(mutex_);
  return guarded("give up notifications", path_, [&] {
    SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement update(
        db_,
        "UPDATE notification SET state = 'dead', finished = ?, error = 'the receiver is no longer "
        "in the configuration' WHERE state = 'pending' AND receiver NOT IN (SELECT value FROM "
        "json_each(?))");
    put(update, 1, now);
    update.bind(2, nlohmann::json(receivers).dump());
    const int count = update.exec();
    transaction.commit();
    return count;
  });
}

void Store::record_delivery(std::int64_t notification_id, const Delivery& delivery) {
  const std::lock_guard lock(mutex_);
  guarded("record delivery", path_, [&] {
    const bool ended = delivery.state != DeliveryState::kPending;
    SQLite::Transaction transaction(db_, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement update(db_,
                             "UPDATE notification SET state = ?, attempts = attempts + 1, "
                             "next_attempt = ?, finished = ?, error = ? WHERE id = ?");
    update.bind(1, delivery.state == DeliveryState::kDelivered ? "delivered"
                   : delivery.state == DeliveryState::kDead    ? "dead"
                                                               : "pending");
    put(update, 2, ended ? delivery.at : delivery.next_attempt);
    put(update, 3, ended ? std::optional(delivery.at) : std::nullopt);
    put_text(update, 4, delivery.error);
    update.bind(5, notification_id);
    update.exec();
    transaction.commit();
  });
}

}  // namespace usaged::store
