#include "app/collector.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "app/parallel.h"
#include "app/thread.h"
#include "core/error.h"
#include "core/text.h"
#include "net/organizations.h"

namespace usaged::app {
namespace {

using core::Error;
using core::Outcome;
using core::Time;
using std::chrono::steady_clock;

// How long a thread may be silent beyond what it is allowed to take.
constexpr std::chrono::seconds kSilence{30};
// How often a full disk is looked at.
constexpr std::chrono::milliseconds kDiskPause{5000};
// A worker that waits for another's place.
constexpr std::chrono::hours kUntilWoken{1};
// Accounts that failed in one poll and have a line of their own in the log.
constexpr std::size_t kMostLogged = 5;

double seconds(steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Collector::Collector(const core::Config& config, World world)
    : config_(config),
      world_(std::move(world)),
      aws_({config_, world_.clock, world_.abort, world_.environment}) {
  for (const core::Target& target : config_.targets) {
    for (const std::string& region : target.regions) {
      auto scope = std::make_unique<Scope>();
      scope->target = &target;
      scope->region = region;
      scope->interval = core::interval_of(config_, target);
      scope->last = world_.store.last_attempt(target.name, region);
      scopes_.push_back(std::move(scope));
    }
    organizations_[&target];
  }
}

Collector::~Collector() {
  if (!workers_.empty()) world_.stop.request();
  join();
}

// The scope that has waited longest of those that may run now.
std::optional<Collector::Job> Collector::most_due(bool live) {
  const Time now = world_.clock.now();
  std::optional<Job> best;
  for (const auto& scope : scopes_) {
    if (!scope->busy && scope->elsewhere &&
        !world_.claims.taken({scope->target->name, scope->region})) {
      scope->last = world_.store.last_attempt(scope->target->name, scope->region);
      scope->elsewhere = false;
    }
    if (scope->busy || scope->elsewhere ||
        running_[scope->target] >= config_.collection.concurrency_per_target) {
      continue;
    }
    if (!live && !scope->wanted) continue;
    const core::Due due =
        core::next_due(scope->target->name, scope->region, scope->interval, scope->last, now);
    if (live && due.at > now && !scope->wanted) continue;
    if (!best || due.at < best->due.at) best = Job{scope.get(), due};
  }
  return best;
}

// Once there is room again, what failed for want of it is due at once.
void Collector::look_for_room() {
  if (!disk_full_ || !world_.store.room().enough()) return;
  disk_full_ = false;
  world_.log.info("the disk has room again", {{"database", world_.store.path()}});
  for (const auto& scope : scopes_) {
    scope->wanted = scope->wanted || (scope->last && scope->last->outcome == Outcome::kStorage);
  }
}

std::optional<Collector::Job> Collector::pick(bool live) {
  std::optional<Job> best = most_due(live);
  while (best && !world_.claims.take({best->scope->target->name, best->scope->region})) {
    best->scope->elsewhere = true;
    best = most_due(live);
  }
  if (!best) return best;
  const Time now = world_.clock.now();
  if (best->due.at > now) {  // asked for out of turn
    best->due.slot =
        core::slot_at(best->scope->target->name, best->scope->region, best->scope->interval, now);
  }
  best->scope->busy = true;
  best->scope->wanted = false;
  ++running_[best->scope->target];
  ++busy_;
  return best;
}

Time Collector::next_due_time() const {
  const Time now = world_.clock.now();
  Time next = now + core::kDay;
  for (const auto& scope : scopes_) {
    if (scope->busy) continue;
    if (scope->elsewhere) {
      if (world_.claims.ours(scope->target->name)) next = std::min(next, now + core::Seconds{1});
      continue;
    }
    next = std::min(
        next,
        core::next_due(scope->target->name, scope->region, scope->interval, scope->last, now).at);
  }
  return next;
}

void Collector::start() {
  const std::size_t count =
      std::min(scopes_.size(), static_cast<std::size_t>(config_.collection.concurrency));
  for (std::size_t i = 0; i < count; ++i) {
    auto worker = std::make_unique<Worker>();
    worker->expected = steady_clock::now() + kSilence;
    Worker& self = *worker;
    worker->thread = std::thread([this, &self] {
      name_thread("poll");
      work(self);
    });
    workers_.push_back(std::move(worker));
  }
}

void Collector::join() {
  for (const auto& worker : workers_) {
    if (worker->thread.joinable()) worker->thread.join();
  }
}

void Collector::work(Worker& worker) {
  while (!world_.stop.requested()) {
    worker.expected = steady_clock::now() + kSilence;
    const Turn turn = next_turn();
    if (turn.job) {
      // A poll, and two daily questions around it at most, each with its own time.
      worker.expected = steady_clock::now() + 3 * config_.collection.poll_timeout + kSilence;
      run(*turn.job);
    } else if (turn.watch) {
      worker.expected = steady_clock::now() + *turn.watch + kSilence;
      world_.stop.wait_for(*turn.watch, [this] { return asked_.load(); });
      watched_ = false;
    } else {
      worker.expected = steady_clock::time_point::max();
      world_.stop.wait_for(kUntilWoken, [this] { return !watched_; });
    }
  }
}

// Of the workers without a job one waits for the next, the others for its place.
Collector::Turn Collector::next_turn() {
  Turn turn;
  bool unwatched = false;
  {
    const std::lock_guard lock(mutex_);
    look_for_room();
    turn.job = pick(true);
    if (!watched_) {
      if (turn.job) {
        unwatched = true;
      } else {
        watched_ = true;
        asked_ = false;
        turn.watch = wait_until(world_.clock, next_due_time());
        if (disk_full_) turn.watch = std::min(*turn.watch, kDiskPause);
      }
    }
  }
  if (unwatched) world_.stop.wake();
  return turn;
}

std::vector<PollResult> Collector::poll_due() {
  {
    const std::lock_guard lock(mutex_);
    const Time now = world_.clock.now();
    for (const auto& scope : scopes_) {
      scope->wanted =
          core::next_due(scope->target->name, scope->region, scope->interval, scope->last, now)
              .at <= now;
    }
  }
  return poll_wanted();
}

std::vector<PollResult> Collector::poll_now(const std::vector<std::string>& targets) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& scope : scopes_) {
      scope->wanted =
          targets.empty() || std::ranges::find(targets, scope->target->name) != targets.end();
    }
  }
  return poll_wanted();
}

std::vector<std::pair<std::string, std::string>> Collector::poll_soon(
    const std::vector<std::string>& targets) {
  for (const std::string& name : targets) {
    const auto same = [&name](const core::Target& target) { return target.name == name; };
    if (std::ranges::none_of(config_.targets, same)) {
      throw core::Error(core::ErrorCode::kInvalid, "targets: there is no target '{}'", name);
    }
  }
  std::vector<std::pair<std::string, std::string>> polls;
  std::map<std::string, std::vector<std::string>> elsewhere;  // regions, by target
  {
    const std::lock_guard lock(mutex_);
    for (const auto& scope : scopes_) {
      const std::string& name = scope->target->name;
      if (!targets.empty() && std::ranges::find(targets, name) == targets.end()) continue;
      if (!world_.claims.ours(name)) {
        elsewhere[name].push_back(scope->region);
      } else if (!scope->busy) {
        scope->wanted = true;
        polls.emplace_back(name, scope->region);
      }
    }
    asked_ = true;
  }
  world_.stop.wake();
  for (const auto& [target, regions] : elsewhere) {
    if (!world_.store.ask(store::target_duty(target))) continue;
    for (const std::string& region : regions) polls.emplace_back(target, region);
  }
  return polls;
}

void Collector::take_over(const std::string& target) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& scope : scopes_) scope->elsewhere |= scope->target->name == target;
    asked_ = true;
  }
  world_.stop.wake();
}

std::vector<PollResult> Collector::poll_wanted() {
  std::vector<PollResult> results;
  const auto any_wanted = [this] {
    return std::ranges::any_of(scopes_, [](const auto& scope) { return scope->wanted; });
  };
  const auto take_part = [&] {
    std::unique_lock lock(mutex_);
    while (!world_.stop.requested() && any_wanted()) {
      const auto job = pick(false);
      if (!job) {  // a target is at its limit
        changed_.wait_for(lock, std::chrono::milliseconds{100});
        continue;
      }
      lock.unlock();
      PollResult result = run(*job);
      lock.lock();
      results.push_back(std::move(result));
    }
  };
  const auto wanted = std::ranges::count_if(scopes_, [](const auto& s) { return s->wanted; });
  std::vector<std::thread> helpers;
  for (int i = 1; i < std::min<std::int64_t>(wanted, config_.collection.concurrency); ++i) {
    helpers.emplace_back(take_part);
  }
  take_part();
  for (std::thread& helper : helpers) helper.join();
  std::ranges::sort(results, [](const PollResult& a, const PollResult& b) {
    return std::tie(a.target, a.region) < std::tie(b.target, b.region);
  });
  return results;
}

// A poll and what has to be kept straight around it.
PollResult Collector::run(const Job& job) {
  const auto began = steady_clock::now();
  PollResult result;
  try {
    result = poll(job);
  } catch (const std::exception& e) {
    world_.store.note(e);
    // The store itself failed; the attempt is remembered here only.
    result.outcome = Outcome::kStorage;
    result.error = e.what();
  }
  result.target = job.scope->target->name;
  result.region = job.scope->region;
  result.seconds = seconds(steady_clock::now() - began);
  world_.counters.poll_ended(result.outcome, result.seconds);
  if (result.outcome == Outcome::kOk) {
    world_.log.info("polled", {{"target", result.target},
                               {"region", result.region},
                               {"accounts", result.accounts},
                               {"series", result.series},
                               {"requests", result.requests},
                               {"seconds", result.seconds},
                               {"aws_request_id", result.request_id}});
  } else {
    world_.log.warn("poll failed", {{"target", result.target},
                                    {"region", result.region},
                                    {"outcome", core::outcome_name(result.outcome)},
                                    {"error", result.error},
                                    {"aws_request_id", result.request_id}});
  }
  {
    const std::lock_guard lock(mutex_);
    world_.claims.give_back({result.target, result.region});
    const bool good = result.outcome == Outcome::kOk;
    const int failures = job.scope->last ? job.scope->last->failures : 0;
    job.scope->last = core::LastAttempt{job.due.slot, world_.clock.now(), result.outcome,
                                        good ? 0 : failures + 1};
    job.scope->busy = false;
    --running_[job.scope->target];
    --busy_;
  }
  changed_.notify_all();
  if (world_.polled) world_.polled();
  return result;
}

PollResult Collector::poll(const Job& job) {
  const core::Target& target = *job.scope->target;
  const std::string& region = job.scope->region;
  const store::Room room = world_.store.room();
  if (!room.enough() && !disk_full_.exchange(true)) {
    asked_ = true;  // whoever waits has to look sooner
    world_.stop.wake();
  }
  const std::int64_t id = world_.store.begin_poll(target.name, region, job.due.slot,
                                                  job.scope->interval, world_.clock.now());
  world_.log.debug("poll begins", {{"target", target.name},
                                   {"region", region},
                                   {"poll", id},
                                   {"reason", core::due_reason_name(job.due.reason)}});
  PollResult result;
  store::PollReport report;
  net::CallStats stats;
  std::vector<std::string> accounts;
  try {
    if (!room.enough()) {
      throw Error(core::ErrorCode::kStorage, "not asked: there is no room on the disk: {}",
                  room.text());
    }
    const auto began = steady_clock::now();
    Asked asked = ask(job, stats);
    const auto answered = steady_clock::now();
    for (const std::string& warning : asked.reply.warnings) {
      world_.log.warn("odd answer",
                      {{"target", target.name}, {"region", region}, {"warning", warning}});
    }
    for (std::size_t i = 0; i < std::min(asked.failed.size(), kMostLogged); ++i) {
      world_.log.warn("account failed", {{"target", target.name},
                                         {"region", region},
                                         {"account_id", asked.failed[i].account},
                                         {"error", asked.failed[i].error}});
    }
    if (asked.failed.size() > kMostLogged) {
      world_.log.warn("more accounts failed", {{"target", target.name},
                                               {"region", region},
                                               {"count", asked.failed.size() - kMostLogged}});
    }
    result.series = static_cast<int>(asked.reply.totals.size());
    std::string_view account;
    for (const core::UsageTotal& total : asked.reply.totals) {  // they come in order of account
      result.accounts += total.account != account ? 1 : 0;
      account = total.account;
    }
    result.failed_accounts = static_cast<int>(asked.failed.size());
    accounts = std::move(asked.reply.accounts);
    const store::Snapshot snapshot{std::move(asked.reply.totals), std::move(asked.reply.missing),
                                   std::move(asked.failed)};
    report = {world_.clock.now(), Outcome::kOk,    stats.requests, stats.pages, "",
              stats.request_id,   stats.clock_skew};
    for (const store::BehaviourChange& change : world_.store.finish_poll(id, snapshot, report)) {
      const auto level =
          change.before == core::Behaviour::kUnknown ? spdlog::level::info : spdlog::level::warn;
      world_.log.write(level, "totals behave otherwise",
                       {{"target", target.name},
                        {"usage_type", change.type},
                        {"now", core::behaviour_name(change.after.behaviour)},
                        {"before", core::behaviour_name(change.before)},
                        {"reason", change.after.reason}});
    }
    world_.log.debug("stored", {{"target", target.name},
                                {"region", region},
                                {"poll", id},
                                {"asking_seconds", seconds(answered - began)},
                                {"storing_seconds", seconds(steady_clock::now() - answered)}});
  } catch (const net::AwsError& e) {
    result.outcome = e.outcome();
    result.error = e.what();
  } catch (const std::exception& e) {
    world_.store.note(e);
    result.outcome = Outcome::kStorage;
    result.error = e.what();
  }
  result.requests = stats.requests;
  result.request_id = stats.request_id;
  if (result.outcome != Outcome::kOk) {
    report = {world_.clock.now(), result.outcome,   stats.requests,  stats.pages,
              result.error,       stats.request_id, stats.clock_skew};
    world_.store.fail_poll(id, report);
  } else {
    try {
      // What is forgotten goes by AWS's clock: ours may have jumped.
      const Time now = world_.clock.now() + stats.clock_skew.value_or(core::Seconds{0});
      world_.store.settle(target.name, region, now);
      world_.store.sum_days();
      world_.store.thin(target.name, region, now, config_.retention.samples);
      world_.store.expire(now, config_.retention.events);
      if (target.free_trials) refresh_trials(job, accounts);
    } catch (const std::exception& e) {  // the poll is good all the same
      world_.store.note(e);
      world_.log.error("the work after a poll broke off",
                       {{"target", target.name}, {"region", region}, {"error", e.what()}});
    }
  }
  return result;
}

Collector::Asked Collector::ask(const Job& job, net::CallStats& stats) {
  const core::Target& target = *job.scope->target;
  if (target.organizations) refresh_organization(target);
  Aws::Call call{target, job.scope->region};
  call.retry = !core::breaker_open(job.scope->last);
  call.deadline = aws_.deadline();
  Asked asked;
  if (!target.credentials.per_account()) {
    const Aws::Lease lease = aws_.connect();
    net::AwsClient client = aws_.client("inspector2", call, lease);
    asked.reply = net::list_usage_totals(client, target.accounts, stats);
    return asked;
  }
  const std::vector<std::string> accounts =
      target.accounts.empty() ? world_.store.organization_accounts(target.name) : target.accounts;
  if (accounts.empty()) {
    throw net::AwsError(Outcome::kCredentials,
                        "no account to ask is known: AWS Organizations has not listed them yet");
  }
  net::UsageReply& all = asked.reply;
  asked.failed = ask_each(
      call, accounts, stats,
      [&all](net::AwsClient& client, const std::string& account, net::CallStats& own) {
        net::UsageReply reply = net::list_usage_totals(client, {account}, own);
        return [&all, account, reply = std::move(reply)]() mutable {
          std::ranges::copy_if(reply.totals, std::back_inserter(all.totals),
                               [&](const auto& total) { return total.account == account; });
          std::ranges::move(reply.missing, std::back_inserter(all.missing));
          std::ranges::move(reply.warnings, std::back_inserter(all.warnings));
          all.accounts.push_back(account);
        };
      });
  std::ranges::stable_sort(all.totals, {}, &core::UsageTotal::account);
  std::ranges::sort(all.accounts);
  return asked;
}

std::vector<store::FailedAccount> Collector::ask_each(
    const Aws::Call& call, const std::vector<std::string>& accounts, net::CallStats& stats,
    const std::function<std::function<void()>(net::AwsClient&, const std::string&,
                                              net::CallStats&)>& ask_one) {
  std::mutex mutex;
  std::vector<store::FailedAccount> failed;
  std::optional<Outcome> outcome;
  const auto most = static_cast<std::size_t>(config_.collection.concurrency_per_poll);
  in_parallel(accounts.size(), most, [&](Turns& turns) {
    const Aws::Lease lease = aws_.connect();
    for (std::size_t i = 0; turns.next(i) && !world_.abort.requested();) {
      Aws::Call own_call = call;
      own_call.account = accounts[i];
      net::CallStats own;
      std::function<void()> done;
      std::optional<std::pair<Outcome, std::string>> error;
      try {
        net::AwsClient client = aws_.client("inspector2", own_call, lease);
        done = ask_one(client, accounts[i], own);
      } catch (const net::AwsError& e) {
        error.emplace(e.outcome(), e.what());
      }
      const std::lock_guard lock(mutex);
      stats.requests += own.requests;
      stats.pages += own.pages;
      if (!own.request_id.empty()) stats.request_id = own.request_id;
      if (own.clock_skew) stats.clock_skew = own.clock_skew;
      if (done) done();
      if (error) {
        outcome = error->first;
        failed.push_back({accounts[i], std::move(error->second)});
      }
    }
  });
  if (world_.abort.requested()) throw net::AwsError(Outcome::kInterrupted, "stopped");
  if (failed.size() == accounts.size()) {
    const store::FailedAccount& one = failed.front();
    throw net::AwsError(*outcome, accounts.size() == 1
                                      ? fmt::format("account {}: {}", one.account, one.error)
                                      : fmt::format("each of {} accounts failed; {}: {}",
                                                    accounts.size(), one.account, one.error));
  }
  std::ranges::sort(failed, {}, &store::FailedAccount::account);
  return failed;
}

void Collector::refresh_organization(const core::Target& target) {
  const std::lock_guard lock(organizations_.at(&target));
  constexpr auto kKind = store::RefreshKind::kOrganization;
  if (!world_.store.begin_refresh(kKind, target.name, "", world_.clock.now())) return;
  try {
    Aws::Call call{target, target.regions.front()};
    call.base = target.credentials.per_account();
    call.deadline = aws_.deadline();
    const Aws::Lease lease = aws_.connect();
    net::AwsClient client = aws_.client("organizations", call, lease);
    net::CallStats stats;
    std::vector<store::OrganizationAccount> accounts;
    for (net::OrganizationMember& member : net::list_accounts(client, stats)) {
      accounts.push_back({std::move(member.id), std::move(member.name), std::move(member.status)});
    }
    world_.store.finish_organization(target.name, accounts, world_.clock.now());
    world_.log.info("AWS Organizations listed",
                    {{"target", target.name}, {"accounts", accounts.size()}});
  } catch (const net::AwsError& e) {
    world_.log.warn("AWS Organizations failed; what it listed before stands",
                    {{"target", target.name}, {"error", e.what()}});
    world_.store.fail_refresh(kKind, target.name, "", e.what());
  }
}

void Collector::refresh_trials(const Job& job, const std::vector<std::string>& accounts) {
  const core::Target& target = *job.scope->target;
  const std::string& region = job.scope->region;
  constexpr auto kKind = store::RefreshKind::kTrials;
  if (accounts.empty() ||
      !world_.store.begin_refresh(kKind, target.name, region, world_.clock.now())) {
    return;
  }
  try {
    Aws::Call call{target, region};
    call.deadline = aws_.deadline();
    net::CallStats stats;
    net::TrialReply all;
    if (target.credentials.per_account()) {
      for (const store::FailedAccount& failed : ask_each(
               call, accounts, stats,
               [&all](net::AwsClient&client, const std::string&account, net::CallStats&own) {
                 net::TrialReply reply = net::batch_get_free_trial_info(client, {account}, own);
                 return [&all, reply = std::move(reply)]() mutable {
                   std::ranges::move(reply.trials, std::back_inserter(all.trials));
                   std::ranges::move(reply.failures, std::back_inserter(all.failures));
                 };
               })) {
        all.failures.push_back({failed.account, "NOT_ASKED", failed.error});
      }
    } else {
      const Aws::Lease lease = aws_.connect();
      net::AwsClient client = aws_.client("inspector2", call, lease);
      all = net::batch_get_free_trial_info(client, accounts, stats);
    }
    std::vector<store::TrialError> errors;
    for (net::TrialFailure& failure : all.failures) {
      errors.push_back(
          {std::move(failure.account), std::move(failure.code), std::move(failure.message)});
    }
    world_.store.finish_trials(target.name, region, all.trials, errors, world_.clock.now());
    world_.log.debug("free trials listed", {{"target", target.name},
                                            {"region", region},
                                            {"trials", all.trials.size()},
                                            {"failed_accounts", errors.size()}});
  } catch (const net::AwsError& e) {
    world_.log.warn("free trials failed; what was known before stands",
                    {{"target", target.name}, {"region", region}, {"error", e.what()}});
    world_.store.fail_refresh(kKind, target.name, region, e.what());
  }
}

bool Collector::idle() const {
  const std::lock_guard lock(mutex_);
  return busy_ == 0;
}

bool Collector::alive() const {
  const auto now = steady_clock::now();
  return std::ranges::all_of(workers_,
                             [now](const auto& worker) { return worker->expected.load() > now; });
}

}  // namespace usaged::app
