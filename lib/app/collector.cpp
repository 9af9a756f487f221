#include "app/collector.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>

#include "core/error.h"
#include "core/text.h"
#include "net/inspector.h"

namespace usaged::app {
namespace {

using core::Error;
using core::Outcome;
using core::Time;
using std::chrono::steady_clock;

// How long a thread may be silent beyond what it is allowed to take.
constexpr std::chrono::seconds kSilence{30};

double random01() {
  thread_local std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

double seconds(steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Collector::Collector(const core::Config& config, World world)
    : config_(config), world_(std::move(world)) {
  for (const core::Target& target : config_.targets) {
    for (const std::string& region : target.regions) {
      auto scope = std::make_unique<Scope>();
      scope->target = &target;
      scope->region = region;
      scope->interval = core::interval_of(config_, target);
      scope->last = world_.store.last_attempt(target.name, region);
      scopes_.push_back(std::move(scope));
    }
  }
}

Collector::~Collector() {
  if (!workers_.empty()) world_.stop.request();
  join();
}

// The scope that has waited longest of those that may run now.
std::optional<Collector::Job> Collector::pick(bool live) {
  const Time now = world_.clock.now();
  std::optional<Job> best;
  for (const auto& scope : scopes_) {
    if (scope->busy || running_[scope->target] >= config_.collection.concurrency_per_target) {
      continue;
    }
    if (!live && !scope->wanted) continue;
    const core::Due due =
        core::next_due(scope->target->name, scope->region, scope->interval, scope->last, now);
    if (live && due.at > now) continue;
    if (!best || due.at < best->due.at) best = Job{scope.get(), due};
  }
  if (best) {
    if (best->due.at > now) {  // asked for out of turn
      best->due.slot =
          core::slot_at(best->scope->target->name, best->scope->region, best->scope->interval, now);
    }
    best->scope->busy = true;
    best->scope->wanted = false;
    ++running_[best->scope->target];
    ++busy_;
  }
  return best;
}

Time Collector::next_due_time() const {
  const Time now = world_.clock.now();
  Time next = now + core::kDay;
  for (const auto& scope : scopes_) {
    if (scope->busy) continue;
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
    worker->seen = steady_clock::now();
    Worker& self = *worker;
    worker->thread = std::thread([this, &self] { work(self); });
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
    worker.seen = steady_clock::now();
    std::optional<Job> job;
    std::chrono::milliseconds pause{};
    {
      const std::lock_guard lock(mutex_);
      job = pick(true);
      if (!job) pause = wait_until(world_.clock, next_due_time());
    }
    if (job) {
      run(*job);
    } else {
      world_.stop.wait_for(pause);
    }
  }
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
  std::optional<core::LastAttempt> last;
  try {
    result = poll(job);
    last = world_.store.last_attempt(job.scope->target->name, job.scope->region);
  } catch (const Error& e) {
    // The store itself failed; the attempt is remembered here only.
    result.outcome = Outcome::kStorage;
    result.error = e.what();
    const int failures = job.scope->last ? job.scope->last->failures + 1 : 1;
    last = core::LastAttempt{job.due.slot, world_.clock.now(), Outcome::kStorage, failures};
  }
  result.target = job.scope->target->name;
  result.region = job.scope->region;
  result.seconds = seconds(steady_clock::now() - began);
  world_.counters.poll_ended(result.outcome, result.seconds);
  if (result.outcome == Outcome::kOk) {
    world_.log.info("{}/{}: {} accounts, {} series, {} requests, {:.2f} s", result.target,
                    result.region, result.accounts, result.series, result.requests, result.seconds);
  } else {
    world_.log.warn("{}/{}: {}: {}", result.target, result.region,
                    core::outcome_name(result.outcome), result.error);
  }
  {
    const std::lock_guard lock(mutex_);
    job.scope->last = last;
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
  const std::int64_t id = world_.store.begin_poll(target.name, job.scope->region, job.due.slot,
                                                  job.scope->interval, world_.clock.now());
  world_.log.debug("{}/{}: poll {} begins ({})", target.name, job.scope->region, id,
                   core::due_reason_name(job.due.reason));
  PollResult result;
  store::PollReport report;
  net::CallStats stats;
  auto client = take_client();
  try {
    net::InspectorClient inspector(
        {job.scope->region, target.endpoint},
        {client.get(), [this] { return world_.clock.now(); },
         [this](std::chrono::milliseconds delay) { return world_.stop.wait_for(delay); }, random01,
         [this, &target] { return net::find_credentials(target.profile, world_.environment); }},
        {config_.collection.request_timeout, config_.collection.poll_timeout, net::kMostResults},
        job.scope->quota);
    const auto began = steady_clock::now();
    net::UsageReply reply = inspector.list_usage_totals(target.accounts, stats);
    const auto answered = steady_clock::now();
    give_client(std::move(client));
    for (const std::string& warning : reply.warnings) {
      world_.log.warn("{}/{}: {}", target.name, job.scope->region, warning);
    }
    result.series = static_cast<int>(reply.totals.size());
    std::string_view account;
    for (const core::UsageTotal& total : reply.totals) {  // they come in order of account
      result.accounts += total.account != account ? 1 : 0;
      account = total.account;
    }
    const store::Snapshot snapshot{std::move(reply.totals), std::move(reply.missing)};
    report = {world_.clock.now(), Outcome::kOk, stats.requests, stats.pages, "", stats.request_id};
    world_.store.finish_poll(id, snapshot, report);
    world_.log.debug("{}/{}: poll {} asked for {:.3f} s and stored in {:.3f} s", target.name,
                     job.scope->region, id, seconds(answered - began),
                     seconds(steady_clock::now() - answered));
  } catch (const net::InspectorError& e) {
    give_client(std::move(client));
    result.outcome = e.outcome();
    result.error = e.what();
  } catch (const Error& e) {
    result.outcome = Outcome::kStorage;
    result.error = e.what();
  }
  result.requests = stats.requests;
  if (result.outcome != Outcome::kOk) {
    report = {world_.clock.now(), result.outcome, stats.requests,
              stats.pages,        result.error,   stats.request_id};
    world_.store.fail_poll(id, report);
  }
  return result;
}

std::unique_ptr<net::HttpClient> Collector::take_client() {
  {
    const std::lock_guard lock(mutex_);
    if (!clients_.empty()) {
      auto client = std::move(clients_.back());
      clients_.pop_back();
      return client;
    }
  }
  return std::make_unique<net::CurlClient>(world_.stop.flag(), "inspector-usaged");
}

void Collector::give_client(std::unique_ptr<net::HttpClient> client) {
  const std::lock_guard lock(mutex_);
  clients_.push_back(std::move(client));
}

bool Collector::idle() const {
  const std::lock_guard lock(mutex_);
  return busy_ == 0;
}

bool Collector::alive() const {
  const auto oldest = steady_clock::now() - config_.collection.poll_timeout - kSilence;
  return std::ranges::all_of(workers_,
                             [&](const auto& worker) { return worker->seen.load() > oldest; });
}

}  // namespace usaged::app
