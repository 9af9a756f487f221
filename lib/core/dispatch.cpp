#include "core/dispatch.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/notice.h"
#include "core/text.h"

namespace usaged::core {
namespace {

constexpr const char* kStormKey = "{}:{}/storm";

// What is known of one group of alerts.
struct Group {
  Labels labels;
  std::vector<std::int64_t> firing;  // not silenced
  std::vector<std::int64_t> resolved;
  std::vector<std::int64_t> events;
  std::optional<Time> waiting_since;
  bool unattended = false;  // one fires that nobody has acknowledged
};

std::string key_of(const Labels& labels) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : labels) parts.push_back(fmt::format("{}=\"{}\"", name, value));
  return fmt::format("{{}}:{{{}}}", join(parts, ", "));
}

}  // namespace

std::string_view dispatch_reason_name(DispatchReason reason) {
  switch (reason) {
    case DispatchReason::kNews:
      return "news";
    case DispatchReason::kRepeat:
      return "repeat";
    case DispatchReason::kStorm:
      break;
  }
  return "storm";
}

DispatchPlan plan_dispatches(const Receiver& receiver, const std::vector<Rule>& rules,
                             const std::vector<Silence>& silences, const DispatchInput& input,
                             Time now) {
  DispatchPlan plan;
  const auto later = [&plan](Time t) { plan.next = std::min(plan.next.value_or(t), t); };
  if (muted(receiver.mute, now)) {
    later(now + kMinute);
    return plan;
  }
  std::map<std::string, Group> groups;
  std::map<std::int64_t, std::pair<Group*, bool>> places;  // of each alert; whether it is silenced
  for (const auto& [id, alert] : input.alerts) {
    const Labels labels = notice_labels(alert, rule_of(alert, rules));
    Labels shared;
    for (const std::string& name : receiver.group_by) {
      const auto found = labels.find(name);
      if (found != labels.end()) shared.insert(*found);
    }
    Group& group = groups[key_of(shared)];
    group.labels = shared;
    const std::optional<Time> quiet_until = silenced_until(silences, labels, now);
    const bool silenced = quiet_until.has_value();
    if (quiet_until) later(*quiet_until);
    places[id] = {&group, silenced};
    if (alert.state != AlertState::kFiring || silenced) continue;
    group.firing.push_back(id);
    group.unattended = group.unattended || !alert.acked_at;
  }
  for (const Untold& untold : input.untold) {
    const auto found = input.alerts.find(untold.alert);
    if (found == input.alerts.end()) {  // it was forgotten
      plan.dropped.push_back(untold.event);
      continue;
    }
    const auto& [group, silenced] = places.at(untold.alert);
    const bool firing = found->second.state == AlertState::kFiring;
    const bool told = input.told.contains(untold.alert);
    if (untold.acknowledged && (receiver.kind != ReceiverKind::kPagerDuty || !firing)) {
      plan.dropped.push_back(untold.event);
      continue;
    }
    if (silenced && firing) continue;  // until the silence ends
    if (!firing && ((silenced && !told) || (!receiver.send_resolved && told))) {
      plan.dropped.push_back(untold.event);
      continue;
    }
    group->events.push_back(untold.event);
    group->waiting_since = std::min(group->waiting_since.value_or(untold.at), untold.at);
    if (!firing && std::ranges::find(group->resolved, untold.alert) == group->resolved.end()) {
      group->resolved.push_back(untold.alert);
    }
  }
  for (auto& [key, group] : groups) {
    Dispatch dispatch{DispatchReason::kNews, key, group.labels, group.firing, group.events};
    dispatch.alerts.insert(dispatch.alerts.end(), group.resolved.begin(), group.resolved.end());
    if (group.waiting_since) {
      const Time due = *group.waiting_since + receiver.group_wait;
      if (due > now) {
        later(due);
      } else {
        plan.dispatches.push_back(std::move(dispatch));
      }
      continue;
    }
    auto last = input.last_told.find(key);
    if (last == input.last_told.end()) last = input.last_told.find(kStormKey);
    const bool repeats = receiver.repeat_interval.count() > 0 && group.unattended;
    if (!repeats || last == input.last_told.end()) continue;
    const Time due = last->second + receiver.repeat_interval;
    if (due > now) {
      later(due);
      continue;
    }
    dispatch.reason = DispatchReason::kRepeat;
    plan.dispatches.push_back(std::move(dispatch));
  }
  // An incident of PagerDuty is closed by the key that opened it, so its groups stay apart.
  if (receiver.kind != ReceiverKind::kPagerDuty && plan.dispatches.size() > kStorm) {
    Dispatch storm{DispatchReason::kStorm, kStormKey, {}, {}, {}};
    for (const Dispatch& one : plan.dispatches) {
      storm.alerts.insert(storm.alerts.end(), one.alerts.begin(), one.alerts.end());
      storm.events.insert(storm.events.end(), one.events.begin(), one.events.end());
    }
    plan.dispatches = {std::move(storm)};
  }
  return plan;
}

}  // namespace usaged::core
