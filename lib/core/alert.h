#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/config.h"
#include "core/delta.h"
#include "core/time.h"

namespace usaged::core {

using Labels = std::map<std::string, std::string>;

// What a rule says of a measurement, and why.
enum class Verdict {
  kUnknown,    // a value is missing: nothing changes
  kCalm,       // below the recovery threshold, in percent or in amount
  kElevated,   // between the recovery threshold and the firing one
  kIncreased,  // over both thresholds
};

// What a rule sees of one group: its value now and one window ago.
struct Measurement {
  Time oldest;  // of the polls that the value is made of
  Time newest;
  ValueAt before;  // of a spike: what is usual
  ValueAt after;
  // Of rules that judge by more than these: what they say, how far it is off, and why (JSON).
  std::optional<Verdict> judged{};
  std::optional<double> score{};
  std::string details{};
};

std::string_view verdict_name(Verdict verdict);

Verdict judge(const Rule& rule, const Measurement& measurement);

enum class AlertState { kPending, kFiring, kResolved };

std::string_view alert_state_name(AlertState state);
std::optional<AlertState> parse_alert_state(std::string_view name);

// One alert from its first poll to its resolution. A group that rises again later is a new one.
struct Alert {
  std::int64_t id = 0;  // of the store; 0: not stored yet
  std::string fingerprint;
  std::string rule;
  std::string severity;
  Labels labels;  // of the group
  std::string currency;
  AlertState state = AlertState::kPending;
  int polls = 0;                  // in a row that said so
  Time pending_since;             // the newest poll of the first of them
  Time counted_until;             // the newest poll that has been counted
  std::optional<Time> starts_at;  // when it fired
  std::optional<Time> ends_at;    // when it resolved
  std::optional<double> before;   // as last measured
  std::optional<double> after;
  std::optional<double> peak;      // the highest that `after` has been
  std::optional<double> score;     // of a spike: deviations above the usual, at its worst
  std::string details;             // why, as JSON; likewise
  std::optional<Time> calm_since;  // firing, and calm from then on
  int flaps = 0;  // how often the same fired, and resolved, in the day before it fired
  // Somebody looks after it: it is not told again. Ends with the alert.
  std::optional<Time> acked_at;
  std::string acked_by;
  std::string ack_comment;
};

// An alert that has fired so often in a day is flapping.
inline constexpr int kFlapping = 3;
inline bool is_flapping(const Alert& alert) { return alert.flaps + 1 >= kFlapping; }

// What becomes of an alert, and why: for the log, the store and the receivers.
enum class AlertChange {
  kNone,      // calm before and after
  kBegan,     // the first poll over the threshold
  kCounted,   // pending still
  kFired,     // enough polls in a row
  kKept,      // firing still, or calm for less than it takes
  kCleared,   // was pending, and is calm again; forgotten
  kResolved,  // was firing, and is calm again
  kUnknown,   // can't tell; as it was
  kAcknowledged,
};

std::string_view alert_change_name(AlertChange change);

struct AlertStep {
  std::optional<Alert> alert;  // nullopt: nothing to remember
  AlertChange change = AlertChange::kNone;
};

// The next step of an alert (nullopt: none open). A poll is counted once, and only when every
// region of the group has been asked anew since the last one counted.
AlertStep advance(const Rule& rule, const std::optional<Alert>& open,
                  const Measurement& measurement, Time now);

// The same for the same rule and group, whatever their values: 16 hexadecimal digits.
std::string fingerprint(const std::string& rule, const Labels& labels, const std::string& currency);

}  // namespace usaged::core
