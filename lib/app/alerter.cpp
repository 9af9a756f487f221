#include "app/alerter.h"

#include <algorithm>
#include <map>
#include <set>

#include "app/process.h"
#include "app/rules.h"
#include "app/thread.h"
#include "core/error.h"
#include "core/text.h"

namespace usaged::app {
namespace {

using core::AlertChange;
using core::Time;

// How long an evaluation waits for the polls that are under way.
constexpr std::chrono::milliseconds kPatience{2000};
constexpr std::chrono::milliseconds kPause{50};
// Without news there is nothing to do.
constexpr std::chrono::hours kLongest{1};

// Whether a step has to be stored.
bool is_news(const core::AlertStep& step, const core::Alert& open) {
  switch (step.change) {
    case AlertChange::kNone:
    case AlertChange::kUnknown:
    case AlertChange::kAcknowledged:
      return false;
    case AlertChange::kCounted:
      return step.alert->polls != open.polls;
    case AlertChange::kKept:
      return step.alert->before != open.before || step.alert->after != open.after ||
             step.alert->calm_since != open.calm_since;
    case AlertChange::kBegan:
    case AlertChange::kFired:
    case AlertChange::kCleared:
    case AlertChange::kResolved:
      break;
  }
  return true;
}

std::string labels_of(const core::Alert& alert) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : alert.labels) parts.push_back(name + "=" + value);
  return core::join(parts, ", ");
}

}  // namespace

Alerter::Alerter(const core::Config& config, World world)
    : config_(config), world_(std::move(world)), reader_(world_.store.path()) {}

Alerter::~Alerter() {
  if (thread_.joinable()) world_.stop.request();
  join();
}

void Alerter::start() {
  thread_ = std::thread([this] {
    name_thread("rules");
    work();
  });
}

void Alerter::join() {
  if (thread_.joinable()) thread_.join();
}

void Alerter::notice() {
  dirty_ = true;
  world_.stop.wake();
}

void Alerter::work() {
  while (true) {
    const bool goes_on = world_.stop.wait_for(kLongest, [this] { return dirty_.load(); });
    // What is new is evaluated even when stopping: the next start would have to ask again first.
    if (!dirty_.exchange(false)) {
      if (!goes_on) return;
      continue;
    }
    for (auto waited = std::chrono::milliseconds{0};
         waited < kPatience && !world_.quiet() && world_.stop.wait_for(kPause); waited += kPause) {
    }
    try {
      evaluate();
    } catch (const std::exception& e) {
      world_.store.note(e);
      world_.log.error("alerts could not be evaluated", {{"error", e.what()}});
    }
    give_back_memory();  // of the polls too
  }
}

void Alerter::evaluate() {
  if (!world_.store.holds(store::kRulesDuty)) return;
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
  for (store::AlertTransition& step : transitions) {
    if (step.change != AlertChange::kFired) continue;
    step.receivers = receivers_of(step.alert.rule);
    step.alert.flaps = world_.store.earlier_firings(step.alert.fingerprint, now - core::kDay);
  }
  world_.store.apply(transitions, now);
  world_.log.debug(
      "rules evaluated",
      {{"rules", config_.rules.size()},
       {"seconds",
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count()}});
  for (const store::AlertTransition& step : transitions) {
    if (step.change == AlertChange::kKept || step.change == AlertChange::kCounted) continue;
    world_.log.write(step.change == AlertChange::kFired ? spdlog::level::warn : spdlog::level::info,
                     fmt::format("alert {}", core::alert_change_name(step.change)),
                     {{"rule", step.alert.rule}, {"labels", labels_of(step.alert)}});
  }
  if (world_.evaluated) world_.evaluated();
}

std::vector<std::string> Alerter::receivers_of(const std::string& rule_name) const {
  const auto rule = std::ranges::find(config_.rules, rule_name, &core::Rule::name);
  std::vector<std::string> names;
  for (const core::Receiver& receiver : config_.receivers) {
    if (!receiver.alerts || receiver.kind == core::ReceiverKind::kPing) continue;
    const bool chosen = rule == config_.rules.end() || rule->receivers.empty() ||
                        std::ranges::find(rule->receivers, receiver.name) != rule->receivers.end();
    if (chosen) names.push_back(receiver.name);
  }
  return names;
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
  for (const Measured& one : measure(reader_, rule, now, memory_)) {
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

}  // namespace usaged::app
