#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/time.h"

namespace usaged::core {

// How one poll ended. Stored and shown by outcome_name().
enum class Outcome {
  kRunning,      // not ended yet
  kOk,           // every page came and was stored
  kInterrupted,  // the daemon stopped or died on the way
  kDenied,       // AWS refused the credentials or the action
  kInvalid,      // AWS refused the request itself
  kThrottled,
  kTimeout,
  kNetwork,
  kServer,       // AWS failed (5xx)
  kMalformed,    // the reply makes no sense
  kCredentials,  // none were found, or they can't be read
  kStorage,      // the snapshot could not be stored
};

std::string_view outcome_name(Outcome outcome);
std::optional<Outcome> parse_outcome(std::string_view name);

// What the store knows of the last attempt in one target and region.
struct LastAttempt {
  Time slot;      // the due time that it answered
  Time finished;  // or when its interruption was noticed
  Outcome outcome = Outcome::kOk;
  int failures = 0;  // in a row up to now; 0 after a good poll
};

enum class DueReason {
  kFirst,    // never asked before
  kSlot,     // its time has come
  kCatchUp,  // one or more slots passed while nobody was asking
  kRetry,    // the last attempt failed
  kClockSetBack,
};

std::string_view due_reason_name(DueReason reason);

struct Due {
  Time at;    // ask at this moment; in the past means now
  Time slot;  // the due time that this attempt answers
  DueReason reason;
};

// Slots are aligned to the epoch, `interval` apart, and shifted by a jitter that stays the same for
// one target and region: 0 to min(interval / 10, 5 minutes), so that not all ask at once.
Seconds jitter(std::string_view target, std::string_view region, Seconds interval);

// The newest slot at or before `now`.
Time slot_at(std::string_view target, std::string_view region, Seconds interval, Time now);

// When to ask next. However many slots were missed, one poll makes up for them. After a failure the
// wait doubles from one minute up to the interval and a new slot ends it; a refusal that will not
// go away by itself (denied, invalid, credentials) waits for the next slot.
Due next_due(std::string_view target, std::string_view region, Seconds interval,
             const std::optional<LastAttempt>& last, Time now);

// From so many failures in a row on, a poll is a probe: one try for each request, no retries.
inline constexpr int kBreakerFailures = 3;
inline bool breaker_open(const std::optional<LastAttempt>& last) {
  return last && last->failures >= kBreakerFailures;
}

// What is asked beside the polls, and when it was asked last.
struct LastRefresh {
  Time attempted;
  bool succeeded = false;
};

// Once a day; an hour after a failure.
bool refresh_due(const std::optional<LastRefresh>& last, Time now);

}  // namespace usaged::core
