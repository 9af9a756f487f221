#include "app/alerter.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <set>

#include "app/rules.h"
#include "core/error.h"
#include "core/text.h"
#include "net/webhook.h"

namespace usaged::app {
namespace {

using core::AlertChange;
using core::Time;

// How long an evaluation waits for the polls that are under way.
constexpr std::chrono::milliseconds kPatience{2000};
constexpr std::chrono::milliseconds kPause{50};

// Whether a step has to be stored.
bool is_news(const core::AlertStep& step, const core::Alert& open) {
  switch (step.change) {
    case AlertChange::kNone:
    case AlertChange::kUnknown:
      return false;
    case AlertChange::kCounted:
      return step.alert->polls != open.polls;
    case AlertChange::kKept:
      return step.alert->before != open.before || step.alert->after != open.after;
    case AlertChange::kBegan:
    case AlertChange::kFired:
    case AlertChange::kCleared:
    case AlertChange::kResolved:
      break;
  }
  return true;
}

std::string describe(const core::Alert& alert) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : alert.labels) parts.push_back(name + "=" + value);
  return fmt::format("{}{{{}}}", alert.rule, core::join(parts, ", "));
}

}  // namespace

Alerter::Alerter(const core::Config& config, World world)
    : config_(config), world_(std::move(world)), reader_(world_.store.path()) {}

Alerter::~Alerter() {
  if (thread_.joinable()) world_.stop.request();
  join();
}

void Alerter::start() {
  thread_ = std::thread([this] { work(); });
}

void Alerter::join() {
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Alerter::notice() {
  const std::lock_guard lock(mutex_);
  dirty_ = true;
  changed_.notify_all();
}

void Alerter::work() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::seconds{1},
                        [this] { return dirty_ || world_.stop.requested(); });
      // What is new is evaluated even when stopping: the next start would have to ask again first.
      if (!dirty_ && world_.stop.requested()) return;
      if (!dirty_) continue;
      dirty_ = false;
    }
    for (auto waited = std::chrono::milliseconds{0};
         waited < kPatience && !world_.quiet() && world_.stop.wait_for(kPause); waited += kPause) {
    }
    try {
      evaluate();
    } catch (const core::Error& e) {
      world_.log.error("alerts could not be evaluated: {}", e.what());
    }
  }
}

void Alerter::evaluate() {
  const auto began = std::chrono::steady_clock::now();
  const Time now = world_.clock.now();
  const std::vector<core::Alert> open = world_.store.open_alerts();
  std::vector<store::AlertTransition> transitions;
  std::set<std::string> rules;
  for (const core::Rule& rule : config_.rules) {
    rules.insert(rule.name);
    evaluate(rule, open, now, transitions);
  }
  for (const core::Alert& alert : open) {
    if (rules.contains(alert.rule)) continue;
    // Its rule has gone from the configuration.
    core::Alert ended = alert;
    const bool firing = alert.state == core::AlertState::kFiring;
    ended.state = core::AlertState::kResolved;
    ended.ends_at = now;
    transitions.push_back({ended, firing ? AlertChange::kResolved : AlertChange::kCleared});
  }
  world_.store.apply(transitions, messages(transitions, now), now);
  world_.log.debug("{} rules evaluated in {:.3f} s", config_.rules.size(),
                   std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  for (const auto& [alert, change] : transitions) {
    if (change == AlertChange::kKept || change == AlertChange::kCounted) continue;
    world_.log.log(change == AlertChange::kFired ? spdlog::level::warn : spdlog::level::info,
                   "alert {} {}", describe(alert), core::alert_change_name(change));
  }
}

void Alerter::evaluate(const core::Rule& rule, const std::vector<core::Alert>& open, Time now,
                       std::vector<store::AlertTransition>& transitions) {
  std::map<std::string, core::Alert> waiting;  // by fingerprint
  for (const core::Alert& alert : open) {
    if (alert.rule == rule.name) waiting.emplace(alert.fingerprint, alert);
  }
  const auto step = [&](const std::optional<core::Alert>& before,
                        const core::Measurement& measurement, const store::Group& group) {
    core::AlertStep next = core::advance(rule, before, measurement, now);
    if (!is_news(next, before.value_or(core::Alert{}))) return;
    core::Alert alert = next.alert ? *next.alert : *before;
    if (!before) {
      alert.fingerprint = core::fingerprint(rule.name, group.labels, group.currency);
      alert.rule = rule.name;
      alert.labels = group.labels;
      alert.currency = group.currency;
    }
    alert.severity = rule.severity;
    transitions.push_back({std::move(alert), next.change});
  };
  for (const Measured& one : measure(reader_, rule, now)) {
    const auto found =
        waiting.find(core::fingerprint(rule.name, one.group.labels, one.group.currency));
    std::optional<core::Alert> before;
    if (found != waiting.end()) {
      before = std::move(found->second);
      waiting.erase(found);
    }
    step(before, one.measurement, one.group);
  }
  // Groups that are there no more.
  core::Measurement absent;
  absent.oldest = absent.newest = now;
  absent.before = absent.after = {core::Presence::kAbsent, std::nullopt};
  absent.judged = core::Verdict::kCalm;
  for (const auto& [key, alert] : waiting) step(alert, absent, {});
}

// One message for each receiver and rule.
std::vector<store::Notification> Alerter::messages(
    const std::vector<store::AlertTransition>& transitions, Time now) const {
  std::map<std::string, std::vector<core::Alert>> news;
  for (const auto& [alert, change] : transitions) {
    if (change == AlertChange::kFired || change == AlertChange::kResolved) {
      news[alert.rule].push_back(alert);
    }
  }
  std::vector<store::Notification> result;
  for (const auto& [rule, alerts] : news) {
    for (const core::Receiver& receiver : config_.receivers) {
      store::Notification message;
      message.receiver = receiver.name;
      message.created = now;
      message.body = net::webhook_body({receiver.name, world_.external_url, rule, alerts});
      message.uid =
          "msg_" + core::hex(core::sha256(fmt::format("{}\n{}\n{}", receiver.name,
                                                      core::unix_seconds(now), message.body)))
                       .substr(0, 32);
      result.push_back(std::move(message));
    }
  }
  return result;
}

}  // namespace usaged::app
