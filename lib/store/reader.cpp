#include "store/reader.h"

#include <sqlite3.h>

#include <map>

#include "store/rows.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;

constexpr int kProgressSteps = 10000;  // about 0.1 ms of SQLite's work

constexpr const char* kPollColumns =
    "id, target, region, slot, interval, started, finished, outcome, requests, pages, accounts, "
    "series, error, request_id";

PollRow poll_row(SQLite::Statement& query) {
  PollRow row;
  row.id = query.getColumn(0).getInt64();
  row.target = query.getColumn(1).getString();
  row.region = query.getColumn(2).getString();
  row.slot = core::from_unix(query.getColumn(3).getInt64());
  row.interval = core::Seconds{query.getColumn(4).getInt64()};
  row.started = core::from_unix(query.getColumn(5).getInt64());
  row.finished = optional_time(query.getColumn(6));
  row.outcome = query.getColumn(7).getString();
  row.requests = query.getColumn(8).getInt();
  row.pages = query.getColumn(9).getInt();
  row.accounts = query.getColumn(10).getInt();
  row.series = query.getColumn(11).getInt();
  row.error = query.getColumn(12).getString();
  row.request_id = query.getColumn(13).getString();
  return row;
}

}  // namespace

Reader::Reader(const std::string& path) : path_(path), db_(open_reader(path)) {
  sqlite3_progress_handler(db_.getHandle(), kProgressSteps, &Reader::out_of_time, this);
}

int Reader::out_of_time(void* self) {
  const auto& deadline = static_cast<Reader*>(self)->deadline_;
  return deadline && std::chrono::steady_clock::now() > *deadline ? 1 : 0;
}

void Reader::set_deadline(std::chrono::milliseconds limit) {
  deadline_ = std::chrono::steady_clock::now() + limit;
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
    SQLite::Statement query(
        db_, fmt::format("SELECT {} FROM poll WHERE (?1 = '' OR target = ?1) AND (?2 = '' OR "
                         "region = ?2) AND (?3 = '' OR outcome = ?3) AND (?4 = 0 OR id < ?4) "
                         "ORDER BY id DESC LIMIT ?5",
                         kPollColumns));
    query.bind(1, target);
    query.bind(2, region);
    query.bind(3, outcome);
    query.bind(4, before);
    query.bind(5, limit);
    std::vector<PollRow> rows;
    while (query.executeStep()) rows.push_back(poll_row(query));
    return rows;
  });
}

std::vector<ScopeRow> Reader::scopes() {
  return guarded("read polls", path_, [&] {
    std::vector<ScopeRow> scopes;
    const auto newest = [&](const char* condition) {
      return fmt::format(
          "SELECT {} FROM poll WHERE id IN (SELECT max(id) FROM poll {} GROUP BY target, region) "
          "ORDER BY target, region",
          kPollColumns, condition);
    };
    std::map<std::pair<std::string, std::string>, PollRow> good;
    SQLite::Statement good_polls(db_, newest("WHERE outcome = 'ok'"));
    while (good_polls.executeStep()) {
      const PollRow row = poll_row(good_polls);
      good.emplace(std::pair(row.target, row.region), row);
    }
    SQLite::Statement failures(
        db_,
        "SELECT count(*) FROM poll WHERE target = ? AND region = ? AND id > ? AND outcome <> "
        "'running'");
    SQLite::Statement removed(
        db_, "SELECT 1 FROM scope WHERE target = ? AND region = ? AND removed IS NOT NULL");
    SQLite::Statement all(db_, newest(""));
    while (all.executeStep()) {
      ScopeRow scope;
      scope.newest = poll_row(all);
      const auto found = good.find({scope.newest.target, scope.newest.region});
      if (found != good.end()) scope.newest_good = found->second;
      failures.bind(1, scope.newest.target);
      failures.bind(2, scope.newest.region);
      failures.bind(3, scope.newest_good ? scope.newest_good->id : 0);
      if (failures.executeStep()) scope.failures = failures.getColumn(0).getInt();
      failures.reset();
      removed.bind(1, scope.newest.target);
      removed.bind(2, scope.newest.region);
      scope.removed = removed.executeStep();
      removed.reset();
      scopes.push_back(std::move(scope));
    }
    return scopes;
  });
}

std::vector<AccountRow> Reader::accounts() {
  return guarded("read accounts", path_, [&] {
    std::map<std::string, AccountRow> rows;
    SQLite::Statement seen(db_, "SELECT account, min(first_seen) FROM series GROUP BY account");
    while (seen.executeStep()) {
      rows[seen.getColumn(0).getString()].first_seen =
          core::from_unix(seen.getColumn(1).getInt64());
    }
    SQLite::Statement active(
        db_,
        "SELECT DISTINCT s.account FROM sample v JOIN series s ON s.id = v.series_id WHERE v.gone "
        "= 0 AND v.poll_id IN (SELECT max(id) FROM poll WHERE outcome = 'ok' GROUP BY target, "
        "region)");
    while (active.executeStep()) rows[active.getColumn(0).getString()].active = true;
    SQLite::Statement names(db_, "SELECT id, name FROM account");
    while (names.executeStep()) {
      rows[names.getColumn(0).getString()].known.name = names.getColumn(1).getString();
    }
    SQLite::Statement tags(db_, "SELECT account, name, value FROM account_tag");
    while (tags.executeStep()) {
      rows[tags.getColumn(0).getString()].known.tags[tags.getColumn(1).getString()] =
          tags.getColumn(2).getString();
    }
    SQLite::Statement missing(
        db_, "SELECT account, target, region, since FROM missing_account ORDER BY target, region");
    while (missing.executeStep()) {
      rows[missing.getColumn(0).getString()].missing.push_back(
          {missing.getColumn(1).getString(), missing.getColumn(2).getString(),
           core::from_unix(missing.getColumn(3).getInt64())});
    }
    std::vector<AccountRow> result;
    for (auto& [id, row] : rows) {
      row.id = id;
      result.push_back(std::move(row));
    }
    return result;
  });
}

std::vector<core::Alert> Reader::alerts(const std::string& state, std::int64_t before, int limit) {
  return guarded("read alerts", path_, [&] {
    SQLite::Statement query(db_, fmt::format("SELECT {} FROM alert WHERE (?1 = '' OR state = ?1) "
                                             "AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3",
                                             kAlertColumns));
    query.bind(1, state);
    query.bind(2, before);
    query.bind(3, limit);
    std::vector<core::Alert> alerts;
    while (query.executeStep()) alerts.push_back(alert_row(query));
    return alerts;
  });
}

std::optional<core::Alert> Reader::alert(std::int64_t id) {
  return guarded("read alert", path_, [&]() -> std::optional<core::Alert> {
    SQLite::Statement query(db_, fmt::format("SELECT {} FROM alert WHERE id = ?", kAlertColumns));
    query.bind(1, id);
    if (!query.executeStep()) return std::nullopt;
    return alert_row(query);
  });
}

std::vector<AlertEventRow> Reader::alert_events(std::int64_t alert_id) {
  return guarded("read alert", path_, [&] {
    SQLite::Statement query(
        db_, "SELECT at, change, before, after FROM alert_event WHERE alert_id = ? ORDER BY id");
    query.bind(1, alert_id);
    std::vector<AlertEventRow> events;
    while (query.executeStep()) {
      events.push_back({core::from_unix(query.getColumn(0).getInt64()),
                        query.getColumn(1).getString(), optional_double(query.getColumn(2)),
                        optional_double(query.getColumn(3))});
    }
    return events;
  });
}

std::vector<NotificationRow> Reader::notifications(const std::string& state, std::int64_t before,
                                                   int limit) {
  return guarded("read notifications", path_, [&] {
    SQLite::Statement query(
        db_,
        "SELECT id, uid, receiver, created, state, attempts, next_attempt, finished, error FROM "
        "notification WHERE (?1 = '' OR state = ?1) AND (?2 = 0 OR id < ?2) ORDER BY id DESC "
        "LIMIT ?3");
    query.bind(1, state);
    query.bind(2, before);
    query.bind(3, limit);
    std::vector<NotificationRow> rows;
    while (query.executeStep()) {
      NotificationRow row;
      row.id = query.getColumn(0).getInt64();
      row.uid = query.getColumn(1).getString();
      row.receiver = query.getColumn(2).getString();
      row.created = core::from_unix(query.getColumn(3).getInt64());
      row.state = query.getColumn(4).getString();
      row.attempts = query.getColumn(5).getInt();
      row.next_attempt = core::from_unix(query.getColumn(6).getInt64());
      row.finished = optional_time(query.getColumn(7));
      row.error = query.getColumn(8).getString();
      rows.push_back(std::move(row));
    }
    return rows;
  });
}

std::vector<OutcomeCount> Reader::outcome_counts() {
  return guarded("read polls", path_, [&] {
    SQLite::Statement query(
        db_, "SELECT outcome, count(*) FROM poll WHERE outcome <> 'running' GROUP BY outcome");
    std::vector<OutcomeCount> counts;
    while (query.executeStep()) {
      counts.push_back({query.getColumn(0).getString(), query.getColumn(1).getInt64()});
    }
    return counts;
  });
}

std::vector<DeliveryCount> Reader::delivery_counts() {
  return guarded("read notifications", path_, [&] {
    SQLite::Statement query(
        db_, "SELECT receiver, state, count(*) FROM notification GROUP BY receiver, state");
    std::vector<DeliveryCount> counts;
    while (query.executeStep()) {
      counts.push_back({query.getColumn(0).getString(), query.getColumn(1).getString(),
                        query.getColumn(2).getInt64()});
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
      reader = std::make_unique<Reader>(path_);
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
