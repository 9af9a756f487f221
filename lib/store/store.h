#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/alert.h"
#include "core/behaviour.h"
#include "core/config.h"
#include "core/dispatch.h"
#include "core/records.h"
#include "core/schedule.h"
#include "core/silence.h"
#include "core/time.h"
#include "core/trial.h"
#include "core/usage.h"
#include "store/database.h"
#include "store/disk.h"
#include "store/leases.h"
#include "store/reader.h"
#include "store/samples.h"
#include "store/series.h"

namespace usaged::store {

class PollTotals;

// An account that could not be asked.
struct FailedAccount {
  std::string account;
  std::string error;  // for people
};

// Everything that one good poll brought.
struct Snapshot {
  std::vector<core::UsageTotal> totals;  // each series once
  std::vector<std::string> missing;      // accounts asked for by id and not returned
  std::vector<FailedAccount> failed{};   // what is known of them becomes unknown
};

// A usage type whose numbers are seen to be of another kind than before.
struct BehaviourChange {
  std::string type;
  core::Behaviour before;
  core::BehaviourVerdict after;
};

struct OrganizationAccount {
  std::string id;
  std::string name;
  std::string status;  // "ACTIVE", ...
};

// An account for which AWS could not tell the free trials.
struct TrialError {
  std::string account;
  std::string code;
  std::string message;
};

// What is asked once a day beside the polls.
enum class RefreshKind { kOrganization, kTrials };

// How a poll went, beside its snapshot.
struct PollReport {
  core::Time finished;
  core::Outcome outcome = core::Outcome::kOk;
  int requests = 0;
  int pages = 0;
  std::string error;                          // for people; empty if it was good
  std::string request_id;                     // AWS's, of the last reply
  std::optional<core::Seconds> clock_skew{};  // AWS's clock minus ours
};

// One message for one receiver, until it is delivered or given up.
struct Notification {
  std::int64_t id = 0;
  std::string uid;  // the same in every attempt
  std::string receiver;
  std::string group_key;
  std::string reason;  // core::dispatch_reason_name(), or "digest"
  core::Time created;
  std::string body;
  int attempts = 0;
  core::Time tried_from;
};

enum class DeliveryState { kPending, kDelivered, kDead };

// What came of one attempt to deliver.
struct Delivery {
  DeliveryState state = DeliveryState::kPending;
  core::Time at;
  core::Time next_attempt;  // if pending
  std::string error;
};

// A change of one alert. Its event is put into the outbox for these receivers, and that of a
// resolution or an acknowledgement for those who were told, or are about to be.
struct AlertTransition {
  core::Alert alert;
  core::AlertChange change;
  std::vector<std::string> receivers{};
};

// The writing side of the database: one connection, one writer at a time, each call one
// transaction that is on the disk when the call returns. Safe to call from every thread. Every
// method throws Error(kStorage) if it fails, and has then changed nothing.
class Store {
 public:
  // Opens, creates or migrates a database. `path` is that of a file, whose lock it takes, or the
  // URL of one on a server (store/postgres.h). A damaged file is refused, unless `set_aside` says
  // at what time it is moved aside for a new one.
  explicit Store(const std::string& path, std::optional<core::Time> set_aside = std::nullopt);

  const std::string& path() const { return path_; }

  // Whether an error that was noted is Damaged: then whoever opens the database next, to set aside
  // what is damaged, reads all of it.
  void note(const std::exception& error);
  bool damaged() const { return damaged_; }

  // Whether the disk has room for a poll; before each. Without it the reserve is given back.
  Room room() const { return reserve_ ? reserve_->check() : Room{}; }

  // Several processes may write at once.
  bool shared() const { return leases_ != nullptr; }
  // Takes part in what the processes that share the store do for each other (store/leases.h), until
  // it is called again, which has to be soon. Polls that were running when a target's last process
  // ended are marked as interrupted.
  struct Led {
    std::vector<std::string> gained;  // what is this one's from now on, and was not
    std::vector<std::string> asked;   // what others asked this one to do now
  };
  Led lead(const std::vector<std::string>& duties,
           const std::function<bool(const std::string&)>& may_give_up, core::Time now);
  // Asks the process that does that to do so now, if it is another; false if it is not.
  bool ask(const std::string& duty);
  void resign();
  // Whether this process does that. Whoever is alone does all.
  bool holds(const std::string& duty) const { return !leases_ || leases_->holds(duty); }

  // Marks the polls that were running when the last process ended as interrupted; how many. Of a
  // shared store, those that nobody has leased.
  int recover(core::Time now);

  // Notes which targets and regions are asked from now on. What is no longer among them ends: it
  // has no gaps from then on, and no values.
  void set_targets(const std::vector<core::Target>& targets, core::Time now);

  // Makes the names and tags of accounts those of the configuration.
  void set_accounts(const core::AccountDirectory& directory);

  std::int64_t begin_poll(const std::string& target, const std::string& region, core::Time slot,
                          core::Seconds interval, core::Time started);
  // Stores the snapshot and the report of a good poll, both or neither. The first good poll of a
  // day is compared with one of the day before: returns the usage types whose behaviour changed.
  std::vector<BehaviourChange> finish_poll(std::int64_t poll_id, const Snapshot& snapshot,
                                           const PollReport& report);
  // Adds snapshots from elsewhere, all or none. They are those of a target of their own, "import"
  // or "import-TARGET", that nobody asks. What is there already stays; a row that differs from it
  // is handed to `bad` and left out, unless there is one: then nothing is stored if
  // `all_or_nothing`.
  struct ImportResult {
    std::int64_t added = 0;
    std::int64_t known = 0;  // were there already
    std::int64_t bad = 0;
  };
  ImportResult import_records(std::vector<core::Record> records, bool all_or_nothing,
                              const std::function<void(const core::BadRow&)>& bad);
  // Puts the polls of each day of a target and region that is over into blocks of the day, and
  // leaves word for sum_days(); how many days.
  int settle(const std::string& target, const std::string& region, core::Time now);
  // Of the days of a target and region that are older than `keep` and settled, leaves the last good
  // poll each: from then on the history is that of a daily poll. What the days' usage is rebuilt
  // from stays. A day or two at a time. 0 keeps all.
  void thin(const std::string& target, const std::string& region, core::Time now,
            core::Seconds keep);
  // Forgets alerts that resolved, messages that were delivered or given up, and silences that ended
  // more than `keep` ago, some at a time. 0 keeps all.
  void expire(core::Time now, core::Seconds keep);
  // Brings the sums of days and months (tables day_by_kind, day_by_account, month_by_kind,
  // month_by_account) up to date with what was settled since. Reads on a connection of its own and
  // writes an account at a time, so that polls and readers go on meanwhile.
  void sum_days();
  void fail_poll(std::int64_t poll_id, const PollReport& report);

  std::optional<core::LastAttempt> last_attempt(const std::string& target,
                                                const std::string& region);

  // If it is time to (core::refresh_due), notes the attempt and returns true; whoever gets that has
  // to end it with one of the next three. The organization's region is empty.
  bool begin_refresh(RefreshKind kind, const std::string& target, const std::string& region,
                     core::Time now);
  void finish_organization(const std::string& target,
                           const std::vector<OrganizationAccount>& accounts, core::Time now);
  void finish_trials(const std::string& target, const std::string& region,
                     const std::vector<core::FreeTrial>& trials,
                     const std::vector<TrialError>& errors, core::Time now);
  // What an earlier one brought stays.
  void fail_refresh(RefreshKind kind, const std::string& target, const std::string& region,
                    const std::string& error);
  // The active ones, as listed last.
  std::vector<std::string> organization_accounts(const std::string& target);

  // Alerts, silences and the outbox: store/outbox.cpp.
  std::vector<core::Alert> open_alerts();
  // Stores alerts that changed, with an event for each change worth one and the outbox's rows.
  // A transition with kCleared deletes the alert.
  void apply(const std::vector<AlertTransition>& transitions, core::Time now);
  // How many alerts of a fingerprint have fired since, and resolved.
  int earlier_firings(const std::string& fingerprint, core::Time since);
  // Notes that somebody looks after an alert that is open. Throws Error(kNotFound), or
  // Error(kConflict) if it has resolved.
  core::Alert acknowledge(std::int64_t alert_id, const std::string& by, const std::string& comment,
                          core::Time now);

  // Stores it; returns its id.
  std::int64_t add_silence(const core::Silence& silence);
  // Lets it end now; one that has ended stays as it was. Throws Error(kNotFound).
  core::Silence end_silence(std::int64_t id, core::Time now);
  // Those that have not ended.
  std::vector<core::Silence> silences(core::Time now);

  // What there is to tell a receiver: events that it has not been told, and alerts that fire.
  core::DispatchInput outbox(const std::string& receiver);
  // Puts events into a message, whose first attempt is due at once.
  void compose(const Notification& notification, const std::vector<std::int64_t>& events);
  // Notes that a receiver needs not be told of events.
  void drop_events(const std::string& receiver, const std::vector<std::int64_t>& events,
                   core::Time now);
  // When the newest message of a group was made.
  std::optional<core::Time> last_message(const std::string& receiver, const std::string& group_key);
  // When the first poll of all was; nullopt: there was none.
  std::optional<core::Time> first_poll();
  // Whether a receiver has been told of an alert.
  bool was_told(const std::string& receiver, std::int64_t alert_id);
  // Alerts that resolved since.
  std::vector<core::Alert> resolved_since(core::Time since);

  // When the next message to a receiver has to be tried; nullopt: none waits.
  std::optional<core::Time> next_attempt(const std::string& receiver);
  // What has to be sent to a receiver now, oldest first.
  std::vector<Notification> due_notifications(const std::string& receiver, core::Time now,
                                              int most);
  // Gives up what is meant for receivers other than these; how many messages.
  int drop_notifications(const std::vector<std::string>& receivers, core::Time now);
  void record_delivery(std::int64_t notification_id, const Delivery& delivery);
  // Lets dead messages be tried again, from now on for another day: that of the id, or, without
  // one, every one of the receiver ("": of all). How many.
  int redrive(std::optional<std::int64_t> notification_id, const std::string& receiver,
              core::Time now);

 private:
  // Calls `next` with each bucket that it returned, the first time with one before all, until it
  // returns none, and then `end`: in short transactions, some buckets in each.
  using NextBucket = std::function<std::optional<std::int64_t>(std::int64_t after)>;
  void in_steps(const char* what, const NextBucket& next, const std::function<void()>& end);
  std::optional<std::int64_t> next_to_thin(const std::string& target, const std::string& region,
                                           std::int64_t before);
  // Makes the last good poll of a day stand for it.
  PollRef keep_one_poll(const std::string& target, const std::string& region, std::int64_t day);
  std::int64_t interval_that_covers(std::int64_t poll_id);
  // Lets the file shrink by some pages, if it has many free ones. The mutex must be held.
  void give_back_space();
  void sum_region(Reader& reader, const std::string& region);
  void import_scope(std::span<const core::Record> records, const std::string& target,
                    ImportResult& result, const std::function<void(const core::BadRow&)>& bad);
  void finish_import(std::int64_t scope, const std::string& target, const std::string& region);
  void end_refresh(RefreshKind kind, const std::string& target, const std::string& region,
                   core::Time now);
  // A transaction that may make series: if it is not committed, regions_ forgets them.
  class Changes {
   public:
    explicit Changes(Store& store) : store_(store), transaction_(store.db_) {}
    ~Changes() {
      if (!committed_) store_.regions_.clear();
    }
    Changes(const Changes&) = delete;
    Changes& operator=(const Changes&) = delete;
    void commit() {
      transaction_.commit();
      committed_ = true;
    }

   private:
    Store& store_;
    Transaction transaction_;
    bool committed_ = false;
  };
  // Of what follows in a transaction, nothing is stored if another process does that now.
  void fence(const std::string& duty);
  // Marks the polls that are running, of a target or, if it is empty, all; how many.
  int interrupt(const std::string& target, core::Time now);
  SeriesIndex& index_of(const std::string& region);
  std::optional<PollRef> newest_poll(const std::string& target, const std::string& region);
  std::vector<Sample> compare_with_last(const PollRef& poll, const std::string& target,
                                        const std::string& region, const Snapshot& snapshot,
                                        std::vector<Sample>& samples, PollTotals& totals);
  void note_missing(const Snapshot& snapshot, const std::string& target, const std::string& region,
                    core::Time started);
  void note_prices(const std::vector<Kind>& kinds, std::vector<std::vector<double>>& by_kind,
                   const std::string& region, core::Time seen);
  void note_overlaps(const std::vector<Sample>& samples, const std::vector<Sample>& found,
                     const std::string& target, const std::string& region);
  std::set<std::string> accounts_of(const std::vector<Sample>& samples);
  std::vector<BehaviourChange> observe_behaviour(const PollRef& poll,
                                                 const std::vector<Sample>& samples,
                                                 const std::string& target,
                                                 const std::string& region);

  std::string path_;
  std::atomic<bool> damaged_ = false;
  std::mutex mutex_;
  std::mutex summing_;
  std::atomic<bool> sum_wanted_ = false;
  // A file has them; a server looks after itself.
  std::unique_ptr<WriteLock> lock_;
  std::optional<Reserve> reserve_;
  Connection db_;
  Samples samples_;
  std::map<std::string, SeriesIndex> regions_;
  std::unique_ptr<Leases> leases_;
};

}  // namespace usaged::store
