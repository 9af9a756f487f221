#include "app/alerter.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/text.h"
#include "net/webhook.h"
#include "store/spikes.h"

namespace usaged::app {
namespace {

using core::AlertChange;
using core::Time;

// How long an evaluation waits for the polls that are under way.
constexpr std::chrono::milliseconds kPatience{2000};
constexpr std::chrono::milliseconds kPause{50};

store::Question question_of(const core::Rule& rule) {
  store::Question question;
  question.filter.accounts = rule.accounts;
  question.filter.regions = rule.regions;
  question.filter.types = rule.types;
  question.group_by = rule.group_by;
  question.metric = rule.metric;
  return question;
}

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
  const std::vector<Measured> measured =
      rule.kind == core::RuleKind::kSpike ? measure_spikes(rule, now) : measure(rule, now);
  for (const Measured& one : measured) {
    const auto found =
        waiting.find(core::fingerprint(rule.name, one.group.labels, one.group.currency));
    std::optional<core::Alert> before;
    if (found != waiting.end()) {
      before = std::move(found->second);
      waiting.erase(found);
    }
    step(before, one.measurement, one.group);
  }
  // Groups that are there no more, at neither end of the window.
  const core::ValueAt absent{core::Presence::kAbsent, std::nullopt};
  for (const auto& [key, alert] : waiting) step(alert, {now, now, absent, absent}, {});
}

std::vector<Alerter::Measured> Alerter::measure(const core::Rule& rule, Time now) {
  std::vector<Measured> result;
  const store::DeltaAnswer answer =
      store::History(reader_).deltas(question_of(rule), now - rule.window, now, now);
  for (const store::DeltaRow& row : answer.rows) {
    result.push_back(
        {row.group, {row.after.oldest, row.after.newest, row.before.at, row.after.at}});
  }
  return result;
}

std::vector<Alerter::Measured> Alerter::measure_spikes(const core::Rule& rule, Time now) {
  core::SpikeOptions options;
  options.min_amount = rule.increase_amount;
  options.min_percent = rule.increase_percent;
  options.deviations = rule.deviations;
  options.recovery = rule.recovery;
  const std::vector<store::SpikeRow> rows = store::spikes(reader_, question_of(rule), options, now);
  // Who made it, for those that are over.
  std::map<std::pair<core::Labels, std::string>, std::vector<store::Contributor>> causes;
  const bool any = std::ranges::any_of(
      rows, [](const store::SpikeRow& row) { return row.judgement && row.judgement->firing; });
  if (any) {
    constexpr int kContributors = 3;
    for (store::DeltaRow& row :
         store::History(reader_)
             .deltas(question_of(rule), now - core::kDay, now, now, kContributors)
             .rows) {
      causes[{row.group.labels, row.group.currency}] = std::move(row.contributors);
    }
  }
  std::vector<Measured> result;
  for (const store::SpikeRow& row : rows) {
    Measured& one = result.emplace_back();
    one.group = row.group;
    one.measurement.oldest = row.oldest;
    one.measurement.newest = row.to;
    one.measurement.judged = core::Verdict::kUnknown;
    if (!row.judgement) continue;
    const core::SpikeJudgement& judged = *row.judgement;
    one.measurement.before = {core::Presence::kPresent, judged.expected};
    one.measurement.after = {core::Presence::kPresent, judged.value};
    one.measurement.score = judged.score;
    one.measurement.judged = judged.firing ? core::Verdict::kIncreased
                             : judged.calm ? core::Verdict::kCalm
                                           : core::Verdict::kElevated;
    if (!judged.firing) continue;
    nlohmann::ordered_json contributors = nlohmann::ordered_json::array();
    for (const store::Contributor& cause : causes[{row.group.labels, row.group.currency}]) {
      contributors.push_back({{"account_id", cause.account},
                              {"region", cause.region},
                              {"usage_type", cause.type},
                              {"change", cause.change}});
    }
    const nlohmann::ordered_json details{
        {"value", judged.value},
        {"expected", judged.expected},
        {"threshold", judged.threshold},
        {"deviations", judged.score},
        {"confidence", core::confidence_name(judged.confidence)},
        {"from", core::format_time(row.from)},
        {"to", core::format_time(row.to)},
        {"adds", judged.value - judged.expected},
        {"leaves_from", core::format_time(row.from + 30 * core::kDay)},
        {"leaves_until", core::format_time(row.to + 30 * core::kDay)},
        {"contributors", contributors}};
    one.measurement.details =
        details.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
  return result;
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
