#include "core/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/text.h"

namespace usaged::core {
namespace {

struct OutcomeName {
  Outcome outcome;
  std::string_view name;
};

constexpr std::array<OutcomeName, 12> kOutcomes{{{Outcome::kRunning, "running"},
                                                 {Outcome::kOk, "ok"},
                                                 {Outcome::kInterrupted, "interrupted"},
                                                 {Outcome::kDenied, "denied"},
                                                 {Outcome::kInvalid, "invalid"},
                                                 {Outcome::kThrottled, "throttled"},
                                                 {Outcome::kTimeout, "timeout"},
                                                 {Outcome::kNetwork, "network"},
                                                 {Outcome::kServer, "server"},
                                                 {Outcome::kMalformed, "malformed"},
                                                 {Outcome::kCredentials, "credentials"},
                                                 {Outcome::kStorage, "storage"}}};

constexpr Seconds kFirstRetry = kMinute;
constexpr Seconds kMostJitter = 5 * kMinute;
// A last slot further ahead than this is taken for a clock that was set back, not for one that
// wavers.
constexpr Seconds kClockTolerance = 2 * kDay;

bool waits_for_slot(Outcome outcome) {
  return outcome == Outcome::kDenied || outcome == Outcome::kInvalid ||
         outcome == Outcome::kCredentials;
}

}  // namespace

std::string_view outcome_name(Outcome outcome) {
  return std::ranges::find(kOutcomes, outcome, &OutcomeName::outcome)->name;
}

std::optional<Outcome> parse_outcome(std::string_view name) {
  const auto* const found = std::ranges::find(kOutcomes, name, &OutcomeName::name);
  if (found == kOutcomes.end()) return std::nullopt;
  return found->outcome;
}

std::string_view due_reason_name(DueReason reason) {
  switch (reason) {
    case DueReason::kFirst:
      return "first";
    case DueReason::kSlot:
      return "slot";
    case DueReason::kCatchUp:
      return "catch-up";
    case DueReason::kRetry:
      return "retry";
    case DueReason::kClockSetBack:
      break;
  }
  return "clock set back";
}

Seconds jitter(std::string_view target, std::string_view region, Seconds interval) {
  const Seconds most = std::min(interval / 10, kMostJitter);
  const std::uint64_t hash = stable_hash(fmt::format("{}/{}", target, region));
  return Seconds{static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(most.count() + 1))};
}

Time slot_at(std::string_view target, std::string_view region, Seconds interval, Time now) {
  const Seconds shift = jitter(target, region, interval);
  const std::int64_t since = unix_seconds(now) - shift.count();
  const std::int64_t step = interval.count();
  const std::int64_t index = since >= 0 ? since / step : (since - step + 1) / step;
  return from_unix(index * step) + shift;
}

Due next_due(std::string_view target, std::string_view region, Seconds interval,
             const std::optional<LastAttempt>& last, Time now) {
  const Time current = slot_at(target, region, interval, now);
  if (!last) return {now, current, DueReason::kFirst};
  if (last->slot > now + kClockTolerance) return {now, current, DueReason::kClockSetBack};
  // The interval may have been changed since: slots are compared by the new grid.
  const Time answered = slot_at(target, region, interval, last->slot);
  if (answered < current) {
    const bool missed = current - answered > interval;
    return {current, current, missed ? DueReason::kCatchUp : DueReason::kSlot};
  }
  const Due next{answered + interval, answered + interval, DueReason::kSlot};
  if (last->failures == 0 || waits_for_slot(last->outcome)) return next;
  const int doublings = std::min(last->failures - 1, 12);
  const Seconds wait = std::min(interval, kFirstRetry * (std::int64_t{1} << doublings));
  const Time retry = last->finished + wait;
  return retry < next.at ? Due{retry, answered, DueReason::kRetry} : next;
}

bool refresh_due(const std::optional<LastRefresh>& last, Time now) {
  if (!last || last->attempted > now + kClockTolerance) return true;
  return now >= last->attempted + (last->succeeded ? kDay : kHour);
}

}  // namespace usaged::core
