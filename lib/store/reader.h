#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/alert.h"
#include "core/behaviour.h"
#include "core/config.h"
#include "core/schedule.h"
#include "core/silence.h"
#include "core/time.h"
#include "core/trial.h"
#include "store/catalog.h"
#include "store/connection.h"
#include "store/database.h"
#include "store/disk.h"
#include "store/leases.h"
#include "store/rows.h"
#include "store/samples.h"

namespace usaged::store {

// The state of one target in one region.
struct ScopeRow {
  PollRow newest;  // the last attempt
  core::Time first_attempt;
  std::optional<PollRow> newest_good;
  int failures = 0;      // in a row up to now
  bool removed = false;  // no longer in the configuration
};

struct MissingAccount {
  std::string target;
  std::string region;
  core::Time since;
  std::string error;  // why it could not be asked; empty: it was not returned
};

// A free trial, and what the usage that it covers will cost a month once it is over, at today's
// usage; nullopt if that is not known, or the trial is over.
struct TrialRow {
  std::string region;
  core::FreeTrial trial;
  std::optional<double> monthly_cost_after;
  std::string currency;
};

struct TrialErrorRow {
  std::string account;
  std::string region;
  std::string code;
  std::string message;
};

struct AccountRow {
  std::string id;
  core::Account known;                   // from the configuration; the name else from Organizations
  std::string organization_status;       // "ACTIVE", ...; empty: not listed by Organizations
  std::optional<core::Time> first_seen;  // nullopt: never returned by AWS
  bool active = false;                   // in the newest good poll of a target and region
  std::vector<MissingAccount> missing;
};

// Accounts that two targets see in one region.
struct OverlapRow {
  std::string target;
  std::string other;
  std::string region;
  std::int64_t accounts = 0;
};

// Which kind of number a usage type is, as seen by a target.
struct BehaviourRow {
  std::string target;
  std::string type;
  core::Behaviour behaviour = core::Behaviour::kUnknown;
  std::string reason;
  core::Time since;
};

// What is asked once a day beside the polls.
struct RefreshRow {
  std::string kind;  // "organization", "trials"
  std::string target;
  std::string region;  // empty for an organization
  core::Time attempted;
  std::optional<core::Time> succeeded;
  std::string error;  // of the last attempt
};

struct AlertEventRow {
  core::Time at;
  std::string change;
  std::optional<double> before;
  std::optional<double> after;
};

struct NotificationRow {
  std::int64_t id = 0;
  std::string uid;
  std::string receiver;
  std::string reason;
  std::string group_key;
  std::vector<std::int64_t> alerts;  // whose events it tells
  core::Time created;
  std::string state;
  int attempts = 0;
  core::Time next_attempt;
  std::optional<core::Time> finished;
  std::string error;
};

// Alerts that have not resolved.
struct AlertCount {
  std::string state;
  std::string severity;
  std::int64_t count = 0;
};

// Messages that wait, or are dead.
struct DeliveryCount {
  std::string receiver;
  std::string state;
  std::int64_t count = 0;
};

// One connection that only reads. Not for two threads at once. Methods throw Error(kStorage), or
// Error(kUnavailable) once the deadline has passed.
class Reader {
 public:
  // With the catalog that others of the same database use, if there are any.
  explicit Reader(const std::string& path, std::shared_ptr<SeriesCatalog> catalog = nullptr);
  Reader(Reader&&) = delete;

  // Every question from now on must end within `limit`.
  void set_deadline(std::chrono::milliseconds limit);
  // Throws Error(kUnavailable) if the deadline has passed; for work between questions.
  void check_deadline() const;

  // Newest first. `before` is the id to go on from; 0 begins.
  std::vector<PollRow> polls(const std::string& target, const std::string& region,
                             const std::string& outcome, std::int64_t before, int limit);
  std::vector<ScopeRow> scopes();
  // Targets and regions that are asked, and have no poll yet.
  std::vector<std::pair<std::string, std::string>> unpolled_scopes();
  // Another text whenever a poll, an alert, a silence or a message has changed.
  std::string revision();
  std::vector<AccountRow> accounts();
  // The names of the accounts' tags, in order.
  std::vector<std::string> tag_names();
  // By account, region and type; of these accounts, or of all if there are none.
  std::vector<TrialRow> trials(const std::vector<std::string>& accounts);
  // Those with a free trial that ends in (after, until].
  std::vector<std::string> accounts_with_trials(core::Time after, core::Time until);
  std::vector<TrialErrorRow> trial_errors(const std::vector<std::string>& accounts);
  std::vector<OverlapRow> overlaps();
  std::vector<BehaviourRow> behaviours();
  std::vector<RefreshRow> refreshes();
  // Newest first; an empty state means every one.
  std::vector<core::Alert> alerts(const std::string& state, std::int64_t before, int limit);
  std::optional<core::Alert> alert(std::int64_t id);
  std::vector<AlertEventRow> alert_events(std::int64_t alert_id);
  std::vector<NotificationRow> notifications(const std::string& state, std::int64_t before,
                                             int limit);
  // Newest first; an empty state means every one, else "active", "pending" or "expired".
  std::vector<core::Silence> silences(const std::string& state, core::Time now, std::int64_t before,
                                      int limit);
  // Those under way too.
  std::int64_t poll_count();
  std::vector<AlertCount> alert_counts();
  std::vector<DeliveryCount> delivery_counts();
  std::vector<Member> members();
  Footprint footprint();

  Connection& db() { return db_; }
  const std::string& path() const { return path_; }
  // Where the database is, for people; without the parameters of a URL.
  const std::string& place() { return db_.engine().place(); }
  Samples& samples() { return samples_; }
  const std::shared_ptr<SeriesCatalog>& catalog() const { return catalog_; }

 private:
  std::string path_;
  Connection db_;
  Samples samples_;
  std::shared_ptr<SeriesCatalog> catalog_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
};

// A few Readers for many threads.
class ReaderPool {
 public:
  ReaderPool(std::string path, int most) : path_(std::move(path)), most_(most) {}

  // A Reader lent until the lease ends.
  class Lease {
   public:
    Lease(ReaderPool& pool, std::unique_ptr<Reader> reader)
        : pool_(&pool), reader_(std::move(reader)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (reader_) pool_->give_back(std::move(reader_));
    }
    Reader& operator*() const { return *reader_; }
    Reader* operator->() const { return reader_.get(); }

   private:
    ReaderPool* pool_;
    std::unique_ptr<Reader> reader_;
  };

  // Waits for a free one; its deadline is `limit` from now. Throws Error(kUnavailable) if none
  // becomes free in time.
  Lease borrow(std::chrono::milliseconds limit);

 private:
  void give_back(std::unique_ptr<Reader> reader);

  std::string path_;
  std::shared_ptr<SeriesCatalog> catalog_ = std::make_shared<SeriesCatalog>(path_);
  int most_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<Reader>> free_;
  int lent_ = 0;
};

}  // namespace usaged::store
