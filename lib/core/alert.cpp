#include "core/alert.h"

#include <algorithm>
#include <array>

#include "core/text.h"

namespace usaged::core {
namespace {

constexpr std::array<std::string_view, 3> kStates{"pending", "firing", "resolved"};

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kUnknown:
      return "unknown";
    case Verdict::kCalm:
      return "calm";
    case Verdict::kElevated:
      return "elevated";
    case Verdict::kIncreased:
      break;
  }
  return "increased";
}

Verdict judge(const Rule& rule, const Measurement& measurement) {
  if (measurement.judged) return *measurement.judged;
  const Delta d = delta(measurement.before, measurement.after);
  if (!d.change) return Verdict::kUnknown;
  // From nothing, any increase is more than any percentage.
  const auto over = [&](double share) {
    const bool amount = *d.change > 0 && *d.change >= rule.increase_amount * share;
    const bool percent = !d.percent || *d.percent >= rule.increase_percent * share;
    return amount && percent;
  };
  if (over(1)) return Verdict::kIncreased;
  return over(rule.recovery) ? Verdict::kElevated : Verdict::kCalm;
}

std::string_view alert_state_name(AlertState state) {
  return kStates.at(static_cast<std::size_t>(state));
}

std::optional<AlertState> parse_alert_state(std::string_view name) {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (kStates.at(i) == name) return static_cast<AlertState>(i);
  }
  return std::nullopt;
}

std::string_view alert_change_name(AlertChange change) {
  switch (change) {
    case AlertChange::kNone:
      return "none";
    case AlertChange::kBegan:
      return "began";
    case AlertChange::kCounted:
      return "counted";
    case AlertChange::kFired:
      return "fired";
    case AlertChange::kKept:
      return "kept";
    case AlertChange::kCleared:
      return "cleared";
    case AlertChange::kResolved:
      return "resolved";
    case AlertChange::kAcknowledged:
      return "acknowledged";
    case AlertChange::kUnknown:
      break;
  }
  return "unknown";
}

AlertStep advance(const Rule& rule, const std::optional<Alert>& open,
                  const Measurement& measurement, Time now) {
  const Verdict verdict = judge(rule, measurement);
  if (verdict == Verdict::kUnknown)
    return {open, open ? AlertChange::kUnknown : AlertChange::kNone};
  if (!open && verdict != Verdict::kIncreased) return {};

  Alert alert = open.value_or(Alert{});
  alert.before = measurement.before.presence == Presence::kAbsent ? 0.0 : measurement.before.value;
  alert.after = measurement.after.presence == Presence::kAbsent ? 0.0 : measurement.after.value;
  if (alert.after) alert.peak = std::max(alert.peak.value_or(*alert.after), *alert.after);
  const bool worst = !measurement.score || *measurement.score > alert.score.value_or(-1);
  if (worst && measurement.score) alert.score = measurement.score;
  if (worst && verdict == Verdict::kIncreased && !measurement.details.empty()) {
    alert.details = measurement.details;
  }
  if (!open) {
    alert.polls = 1;
    alert.pending_since = measurement.newest;
    alert.counted_until = measurement.newest;
  } else if (alert.state == AlertState::kFiring) {
    if (verdict != Verdict::kCalm) {
      alert.calm_since.reset();
      return {alert, AlertChange::kKept};
    }
    alert.calm_since = alert.calm_since.value_or(now);
    if (now - *alert.calm_since < rule.keep_firing) return {alert, AlertChange::kKept};
    alert.state = AlertState::kResolved;
    alert.ends_at = now;
    return {alert, AlertChange::kResolved};
  } else if (verdict != Verdict::kIncreased) {
    return {std::nullopt, AlertChange::kCleared};
  } else if (measurement.oldest > alert.counted_until) {
    ++alert.polls;
    alert.counted_until = measurement.newest;
  }
  if (alert.polls >= rule.for_polls) {
    alert.state = AlertState::kFiring;
    alert.starts_at = now;
    return {alert, AlertChange::kFired};
  }
  return {alert, open ? AlertChange::kCounted : AlertChange::kBegan};
}

std::string fingerprint(const std::string& rule, const Labels& labels,
                        const std::string& currency) {
  std::string text = rule + '\0' + currency;
  for (const auto& [name, value] : labels) text += '\0' + name + '\0' + value;
  return hex(sha256(text)).substr(0, 16);
}

}  // namespace usaged::core
