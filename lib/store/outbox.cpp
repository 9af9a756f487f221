// Alerts, silences, and what receivers have to be told of them.
#include <nlohmann/json.hpp>

#include "store/rows.h"
#include "store/store.h"

namespace usaged::store {
namespace {

using core::AlertChange;
using core::Error;
using core::ErrorCode;
using core::Time;

const char* name_of(DeliveryState state) {
  switch (state) {
    case DeliveryState::kPending:
      return "pending";
    case DeliveryState::kDelivered:
      return "delivered";
    case DeliveryState::kDead:
      break;
  }
  return "dead";
}

// Writes alerts with their events.
class AlertWriter {
 public:
  explicit AlertWriter(Connection& db)
      : insert_(
            db,
            "INSERT INTO alert (severity, state, polls, counted_until, starts_at, ends_at, "
            "before, after, score, details, peak, calm_since, flaps, fingerprint, rule, labels, "
            "currency, pending_since) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"),
        update_(db,
                "UPDATE alert SET severity = ?, state = ?, polls = ?, counted_until = ?, "
                "starts_at = ?, ends_at = ?, before = ?, after = ?, score = ?, details = ?, "
                "peak = ?, calm_since = ?, flaps = ? WHERE id = ?"),
        event_(db,
               "INSERT INTO alert_event (alert_id, at, change, before, after) "
               "VALUES (?, ?, ?, ?, ?) RETURNING id"),
        deliver_(db, "INSERT INTO delivery (receiver, event_id) VALUES (?, ?)"),
        deliver_to_told_(db,
                         "INSERT INTO delivery (receiver, event_id) SELECT DISTINCT receiver, ? "
                         "FROM delivery WHERE event_id IN (SELECT id FROM alert_event WHERE "
                         "alert_id = ?)") {}

  std::int64_t write(const core::Alert& alert) {
    Query& write = alert.id == 0 ? insert_ : update_;
    write.bind(1, alert.severity);
    write.bind(2, std::string(core::alert_state_name(alert.state)));
    write.bind(3, alert.polls);
    put(write, 4, alert.counted_until);
    put(write, 5, alert.starts_at);
    put(write, 6, alert.ends_at);
    put(write, 7, alert.before);
    put(write, 8, alert.after);
    put(write, 9, alert.score);
    put_text(write, 10, alert.details);
    put(write, 11, alert.peak);
    put(write, 12, alert.calm_since);
    write.bind(13, alert.flaps);
    if (alert.id != 0) {
      write.bind(14, alert.id);
      write.run();
      write.reset();
      return alert.id;
    }
    write.bind(14, alert.fingerprint);
    write.bind(15, alert.rule);
    write.bind(16, labels_to_json(alert.labels));
    write.bind(17, alert.currency);
    put(write, 18, alert.pending_since);
    return write.run_for_id();
  }

  std::int64_t add_event(std::int64_t alert_id, AlertChange change, const core::Alert& alert,
                         Time now) {
    event_.bind(1, alert_id);
    put(event_, 2, now);
    event_.bind(3, std::string(core::alert_change_name(change)));
    put(event_, 4, alert.before);
    put(event_, 5, alert.after);
    return event_.run_for_id();
  }

  void deliver(std::int64_t event_id, const std::vector<std::string>& receivers) {
    for (const std::string& receiver : receivers) {
      deliver_.bind(1, receiver);
      deliver_.bind(2, event_id);
      deliver_.run();
      deliver_.reset();
    }
  }
  // To those that an earlier event of the alert is for.
  void deliver_to_told(std::int64_t event_id, std::int64_t alert_id) {
    deliver_to_told_.bind(1, event_id);
    deliver_to_told_.bind(2, alert_id);
    deliver_to_told_.run();
    deliver_to_told_.reset();
  }

 private:
  Query insert_;
  Query update_;
  Query event_;
  Query deliver_;
  Query deliver_to_told_;
};

constexpr const char* kWasTold =
    "SELECT EXISTS (SELECT 1 FROM alert_event e JOIN delivery d ON d.receiver = ? AND "
    "d.event_id = e.id WHERE e.alert_id = ? AND d.notification_id IS NOT NULL)";

core::Alert find_alert(Connection& db, std::int64_t id) {
  Query query(db, fmt::format("SELECT {} FROM alert WHERE id = ?", kAlertColumns));
  query.bind(1, id);
  if (!query.step()) throw Error(ErrorCode::kNotFound, "there is no alert {}", id);
  return alert_row(query);
}

}  // namespace

std::vector<core::Alert> Store::open_alerts() {
  const std::lock_guard lock(mutex_);
  return guarded("read alerts", path_, [&] {
    Query query(db_, fmt::format("SELECT {} FROM alert WHERE state <> 'resolved' ORDER BY id",
                                 kAlertColumns));
    std::vector<core::Alert> alerts;
    while (query.step()) alerts.push_back(alert_row(query));
    return alerts;
  });
}

void Store::apply(const std::vector<AlertTransition>& transitions, Time now) {
  if (transitions.empty()) return;
  const std::lock_guard lock(mutex_);
  guarded("store alerts", path_, [&] {
    Transaction transaction(db_);
    fence(kRulesDuty);
    AlertWriter writer(db_);
    Query forget(db_, "DELETE FROM alert WHERE id = ?");
    for (const AlertTransition& step : transitions) {
      if (step.change == AlertChange::kCleared) {
        forget.bind(1, step.alert.id);
        forget.run();
        forget.reset();
        continue;
      }
      const std::int64_t id = writer.write(step.alert);
      if (step.change == AlertChange::kKept) continue;
      const std::int64_t event = writer.add_event(id, step.change, step.alert, now);
      if (step.change == AlertChange::kFired) writer.deliver(event, step.receivers);
      if (step.change == AlertChange::kResolved) writer.deliver_to_told(event, id);
    }
    transaction.commit();
  });
}

int Store::earlier_firings(const std::string& fingerprint, Time since) {
  const std::lock_guard lock(mutex_);
  return guarded("read alerts", path_, [&] {
    Query query(db_,
                "SELECT count(*) FROM alert WHERE fingerprint = ? AND starts_at >= ? "
                "AND state = 'resolved'");
    query.bind(1, fingerprint);
    put(query, 2, since);
    query.step();
    return static_cast<int>(query.integer(0));
  });
}

core::Alert Store::acknowledge(std::int64_t alert_id, const std::string& by,
                               const std::string& comment, Time now) {
  const std::lock_guard lock(mutex_);
  return guarded("acknowledge", path_, [&] {
    Transaction transaction(db_);
    const core::Alert alert = find_alert(db_, alert_id);
    if (alert.state == core::AlertState::kResolved) {
      throw Error(ErrorCode::kConflict, "alert {} has resolved already", alert_id);
    }
    Query update(db_, "UPDATE alert SET acked_at = ?, acked_by = ?, ack_comment = ? WHERE id = ?");
    put(update, 1, now);
    update.bind(2, by);
    put_text(update, 3, comment);
    update.bind(4, alert_id);
    update.run();
    AlertWriter writer(db_);
    const std::int64_t event = writer.add_event(alert_id, AlertChange::kAcknowledged, alert, now);
    writer.deliver_to_told(event, alert_id);
    core::Alert acknowledged = find_alert(db_, alert_id);
    transaction.commit();
    return acknowledged;
  });
}

std::int64_t Store::add_silence(const core::Silence& silence) {
  const std::lock_guard lock(mutex_);
  return guarded("store a silence", path_, [&] {
    Transaction transaction(db_);
    Query insert(db_,
                 "INSERT INTO silence (matchers, starts_at, ends_at, created_by, "
                 "comment, created_at) VALUES (?, ?, ?, ?, ?, ?) RETURNING id");
    insert.bind(1, matchers_to_json(silence.matchers));
    put(insert, 2, silence.starts_at);
    put(insert, 3, silence.ends_at);
    insert.bind(4, silence.created_by);
    insert.bind(5, silence.comment);
    put(insert, 6, silence.created_at);
    const std::int64_t id = insert.run_for_id();
    transaction.commit();
    return id;
  });
}

core::Silence Store::end_silence(std::int64_t id, Time now) {
  const std::lock_guard lock(mutex_);
  return guarded("end a silence", path_, [&] {
    Transaction transaction(db_);
    Query update(db_,
                 "UPDATE silence SET ends_at = CASE WHEN ends_at < ?1 THEN ends_at ELSE ?1 END "
                 "WHERE id = ?2");
    put(update, 1, now);
    update.bind(2, id);
    if (update.run_for_count() == 0) {
      throw Error(ErrorCode::kNotFound, "there is no silence {}", id);
    }
    Query query(db_, fmt::format("SELECT {} FROM silence WHERE id = ?", kSilenceColumns));
    query.bind(1, id);
    query.step();
    core::Silence silence = silence_row(query);
    transaction.commit();
    return silence;
  });
}

std::vector<core::Silence> Store::silences(Time now) {
  const std::lock_guard lock(mutex_);
  return guarded("read silences", path_, [&] {
    Query query(
        db_, fmt::format("SELECT {} FROM silence WHERE ends_at > ? ORDER BY id", kSilenceColumns));
    put(query, 1, now);
    std::vector<core::Silence> silences;
    while (query.step()) silences.push_back(silence_row(query));
    return silences;
  });
}

core::DispatchInput Store::outbox(const std::string& receiver) {
  const std::lock_guard lock(mutex_);
  return guarded("read the outbox", path_, [&] {
    core::DispatchInput input;
    Query untold(
        db_,
        "SELECT d.event_id, e.alert_id, e.at, e.change FROM delivery d JOIN alert_event e ON e.id "
        "= "
        "d.event_id WHERE d.receiver = ? AND d.notification_id IS NULL AND d.dropped IS NULL "
        "ORDER BY d.event_id");
    untold.bind(1, receiver);
    while (untold.step()) {
      input.untold.push_back(
          {untold.integer(0), untold.integer(1), time_at(untold, 2),
           untold.text(3) == core::alert_change_name(AlertChange::kAcknowledged)});
    }
    for (const core::Untold& event : input.untold) {
      if (!input.alerts.contains(event.alert)) {
        input.alerts.emplace(event.alert, find_alert(db_, event.alert));
      }
    }
    Query firing(db_,
                 fmt::format("SELECT {} FROM alert WHERE state <> 'resolved' AND state = 'firing'",
                             kAlertColumns));
    while (firing.step()) {
      core::Alert alert = alert_row(firing);
      const std::int64_t id = alert.id;
      input.alerts.emplace(id, std::move(alert));
    }
    Query told(db_, kWasTold);
    for (const auto& [id, alert] : input.alerts) {
      told.bind(1, receiver);
      told.bind(2, id);
      told.step();
      if (told.integer(0) != 0) input.told.insert(id);
      told.reset();
    }
    Query last(db_,
               "SELECT group_key, max(created) FROM notification WHERE receiver = ? "
               "GROUP BY group_key");
    last.bind(1, receiver);
    while (last.step()) {
      input.last_told[last.text(0)] = time_at(last, 1);
    }
    return input;
  });
}

void Store::compose(const Notification& notification, const std::vector<std::int64_t>& events) {
  const std::lock_guard lock(mutex_);
  guarded("store a notification", path_, [&] {
    Transaction transaction(db_);
    fence(receiver_duty(notification.receiver));
    Query insert(
        db_,
        "INSERT INTO notification (uid, receiver, group_key, reason, created, body, state, "
        "tried_from, next_attempt) VALUES (?, ?, ?, ?, ?5, ?6, 'pending', ?5, ?5) RETURNING id");
    insert.bind(1, notification.uid);
    insert.bind(2, notification.receiver);
    insert.bind(3, notification.group_key);
    insert.bind(4, notification.reason);
    put(insert, 5, notification.created);
    insert.bind(6, notification.body);
    const std::int64_t id = insert.run_for_id();
    Query update(db_,
                 "UPDATE delivery SET notification_id = ? WHERE receiver = ? AND event_id = ?");
    for (const std::int64_t event : events) {
      update.bind(1, id);
      update.bind(2, notification.receiver);
      update.bind(3, event);
      update.run();
      update.reset();
    }
    transaction.commit();
  });
}

void Store::drop_events(const std::string& receiver, const std::vector<std::int64_t>& events,
                        Time now) {
  if (events.empty()) return;
  const std::lock_guard lock(mutex_);
  guarded("drop events", path_, [&] {
    Transaction transaction(db_);
    fence(receiver_duty(receiver));
    Query update(db_, "UPDATE delivery SET dropped = ? WHERE receiver = ? AND event_id = ?");
    for (const std::int64_t event : events) {
      put(update, 1, now);
      update.bind(2, receiver);
      update.bind(3, event);
      update.run();
      update.reset();
    }
    transaction.commit();
  });
}

std::optional<Time> Store::last_message(const std::string& receiver, const std::string& group_key) {
  const std::lock_guard lock(mutex_);
  return guarded("read notifications", path_, [&] {
    Query query(db_, "SELECT max(created) FROM notification WHERE receiver = ? AND group_key = ?");
    query.bind(1, receiver);
    query.bind(2, group_key);
    query.step();
    return optional_time(query, 0);
  });
}

std::optional<Time> Store::first_poll() {
  const std::lock_guard lock(mutex_);
  return guarded("read polls", path_, [&] {
    Query query(db_, "SELECT started FROM poll ORDER BY id LIMIT 1");
    return query.step() ? optional_time(query, 0) : std::nullopt;
  });
}

bool Store::was_told(const std::string& receiver, std::int64_t alert_id) {
  const std::lock_guard lock(mutex_);
  return guarded("read the outbox", path_, [&] {
    Query query(db_, kWasTold);
    query.bind(1, receiver);
    query.bind(2, alert_id);
    query.step();
    return query.integer(0) != 0;
  });
}

std::vector<core::Alert> Store::resolved_since(Time since) {
  const std::lock_guard lock(mutex_);
  return guarded("read alerts", path_, [&] {
    Query query(db_, fmt::format("SELECT {} FROM alert WHERE state = 'resolved' AND ends_at >= ?",
                                 kAlertColumns));
    put(query, 1, since);
    std::vector<core::Alert> alerts;
    while (query.step()) alerts.push_back(alert_row(query));
    return alerts;
  });
}

std::optional<Time> Store::next_attempt(const std::string& receiver) {
  const std::lock_guard lock(mutex_);
  return guarded("read notifications", path_, [&]() -> std::optional<Time> {
    Query query(db_,
                "SELECT min(next_attempt) FROM notification WHERE state = 'pending' AND "
                "receiver = ?");
    query.bind(1, receiver);
    query.step();
    if (query.is_null(0)) return std::nullopt;
    return time_at(query, 0);
  });
}

std::vector<Notification> Store::due_notifications(const std::string& receiver, Time now,
                                                   int most) {
  const std::lock_guard lock(mutex_);
  return guarded("read notifications", path_, [&] {
    Query query(
        db_,
        "SELECT id, uid, receiver, group_key, reason, created, body, attempts, tried_from FROM "
        "notification WHERE state = 'pending' AND receiver = ? AND next_attempt <= ? "
        "ORDER BY id LIMIT ?");
    query.bind(1, receiver);
    put(query, 2, now);
    query.bind(3, most);
    std::vector<Notification> due;
    while (query.step()) {
      Notification& one = due.emplace_back();
      one.id = query.integer(0);
      one.uid = query.text(1);
      one.receiver = query.text(2);
      one.group_key = query.text(3);
      one.reason = query.text(4);
      one.created = time_at(query, 5);
      one.body = query.text(6);
      one.attempts = static_cast<int>(query.integer(7));
      one.tried_from = time_at(query, 8);
    }
    return due;
  });
}

int Store::drop_notifications(const std::vector<std::string>& receivers, Time now) {
  const std::lock_guard lock(mutex_);
  return guarded("give up notifications", path_, [&] {
    Transaction transaction(db_);
    const std::string known = nlohmann::json(receivers).dump();
    Query forget(
        db_,
        "UPDATE delivery SET dropped = ? WHERE notification_id IS NULL AND dropped IS NULL AND "
        "receiver NOT IN (SELECT value FROM json_each(?))");
    put(forget, 1, now);
    forget.bind(2, known);
    forget.run();
    Query update(
        db_,
        "UPDATE notification SET state = 'dead', finished = ?, error = 'the receiver is no longer "
        "in the configuration' WHERE state = 'pending' AND receiver NOT IN (SELECT value FROM "
        "json_each(?))");
    put(update, 1, now);
    update.bind(2, known);
    const auto count = static_cast<int>(update.run_for_count());
    transaction.commit();
    return count;
  });
}

void Store::record_delivery(std::int64_t notification_id, const Delivery& delivery) {
  const std::lock_guard lock(mutex_);
  guarded("record delivery", path_, [&] {
    const bool ended = delivery.state != DeliveryState::kPending;
    Transaction transaction(db_);
    Query update(db_,
                 "UPDATE notification SET state = ?, attempts = attempts + 1, "
                 "next_attempt = ?, finished = ?, error = ? WHERE id = ?");
    update.bind(1, name_of(delivery.state));
    put(update, 2, ended ? delivery.at : delivery.next_attempt);
    put(update, 3, ended ? std::optional(delivery.at) : std::nullopt);
    put_text(update, 4, delivery.error);
    update.bind(5, notification_id);
    update.run();
    transaction.commit();
  });
}

int Store::redrive(std::optional<std::int64_t> notification_id, const std::string& receiver,
                   Time now) {
  const std::lock_guard lock(mutex_);
  return guarded("send notifications again", path_, [&] {
    Transaction transaction(db_);
    Query update(
        db_,
        "UPDATE notification SET state = 'pending', tried_from = ?1, next_attempt = ?1, finished "
        "= NULL WHERE state = 'dead' AND (?2 = 0 OR id = ?2) AND (?3 = '' OR receiver = ?3)");
    put(update, 1, now);
    update.bind(2, notification_id.value_or(0));
    update.bind(3, receiver);
    const auto count = static_cast<int>(update.run_for_count());
    transaction.commit();
    return count;
  });
}

}  // namespace usaged::store
