#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/aws.h"
#include "app/claims.h"
#include "app/clock.h"
#include "app/log.h"
#include "core/config.h"
#include "core/schedule.h"
#include "net/environment.h"
#include "net/inspector.h"
#include "store/store.h"
#include "web/metrics.h"

namespace usaged::app {

// How one poll went, for whoever asked for it.
struct PollResult {
  std::string target;
  std::string region;
  core::Outcome outcome = core::Outcome::kOk;
  int accounts = 0;
  int failed_accounts = 0;  // could not be asked, with a role for each
  int series = 0;
  int requests = 0;
  double seconds = 0;
  std::string error;
  std::string request_id;  // of AWS, of the last request
};

// Asks AWS for each target and region when it is due, many side by side, and stores the answers.
// One target and region is never asked twice at a time, and one that fails disturbs no other.
class Collector {
 public:
  struct World {
    store::Store& store;
    const Clock& clock;
    web::Counters& counters;
    Stop& stop;   // takes on nothing new
    Stop& abort;  // gives up what is under way
    Claims& claims;
    Log& log;
    net::Environment environment;
    std::function<void()> polled;  // called after each poll, by any thread
  };

  // The configuration must outlive it. What was asked before is read from the store. Throws
  // Error(kConfig) if the environment asks for what can't be.
  Collector(const core::Config& config, World world);
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Polls what is due from now on, until the stop is requested and join() has returned.
  void start();
  void join();

  // Polls everything that is due now, once; returns when all have ended.
  std::vector<PollResult> poll_due();
  // The same, due or not, for the named targets (all of them if none is named).
  std::vector<PollResult> poll_now(const std::vector<std::string>& targets);

  // Lets the threads poll, due or not, what belongs to the named targets (all of them if none is
  // named) and is not under way, and asks other processes for what is theirs; which targets and
  // regions. Throws Error(kInvalid) for a target that there is not.
  std::vector<std::pair<std::string, std::string>> poll_soon(
      const std::vector<std::string>& targets);

  // Another process has polled a target up to now.
  void take_over(const std::string& target);

  // No poll is under way.
  bool idle() const;
  // Every thread shows life: it went round its loop lately, or its poll is within its limits.
  bool alive() const;

 private:
  struct Scope {
    const core::Target* target;
    std::string region;
    core::Seconds interval;
    std::optional<core::LastAttempt> last;
    bool busy = false;
    bool wanted = false;     // whether due or not
    bool elsewhere = false;  // another collector is still at it
  };
  struct Job {
    Scope* scope;
    core::Due due;
  };
  struct Worker {
    std::thread thread;
    std::atomic<std::chrono::steady_clock::time_point> expected;  // shows life again by then
  };

  // What a worker does next: a job, or waiting for one.
  struct Turn {
    std::optional<Job> job;
    std::optional<std::chrono::milliseconds>
        watch;  // this worker is the one that looks at the clock
  };

  Turn next_turn();
  std::optional<Job> pick(bool live);
  void look_for_room();
  std::optional<Job> most_due(bool live);
  core::Time next_due_time() const;
  void work(Worker& worker);
  std::vector<PollResult> poll_wanted();
  PollResult run(const Job& job);
  PollResult poll(const Job& job);

  // What one poll is told, beside its snapshot.
  struct Asked {
    net::UsageReply reply;
    std::vector<store::FailedAccount> failed;
  };
  Asked ask(const Job& job, net::CallStats& stats);
  // Calls `ask_one` for each account with its role's client, some side by side, and returns those
  // that failed. Throws AwsError if all did. `done` runs alone.
  std::vector<store::FailedAccount> ask_each(
      const Aws::Call& call, const std::vector<std::string>& accounts, net::CallStats& stats,
      const std::function<std::function<void()>(net::AwsClient&, const std::string&,
                                                net::CallStats&)>& ask_one);
  void refresh_organization(const core::Target& target);
  void refresh_trials(const Job& job, const std::vector<std::string>& accounts);

  const core::Config& config_;
  World world_;
  Aws aws_;
  std::map<const core::Target*, std::mutex> organizations_;  // one is asked once at a time
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Scope>> scopes_;
  std::map<const core::Target*, int> running_;
  int busy_ = 0;
  std::atomic<bool> disk_full_ = false;
  std::atomic<bool> watched_ = false;  // an idle worker waits for what is due next
  std::atomic<bool> asked_ = false;    // there is something to do out of turn
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace usaged::app
