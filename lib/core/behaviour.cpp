#include "core/behaviour.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace usaged::core {
namespace {

constexpr std::array<std::pair<Behaviour, std::string_view>, 4> kNames{
    {{Behaviour::kUnknown, "unknown"},
     {Behaviour::kRolling, "rolling"},
     {Behaviour::kResetting, "resetting"},
     {Behaviour::kProjected, "projected"}}};

constexpr double kHalfLifeDays = 30;
constexpr double kVanished = 0.2;        // of the value before
constexpr double kLargestDay = 1.0 / 3;  // of a 30-day sum, but for an extreme spike
constexpr double kYoungest = 3;          // days
constexpr double kOldest = 12;

}  // namespace

std::string_view behaviour_name(Behaviour behaviour) {
  return std::ranges::find(kNames, behaviour, &std::pair<Behaviour, std::string_view>::first)
      ->second;
}

Behaviour parse_behaviour(std::string_view name) {
  const auto* const found =
      std::ranges::find(kNames, name, &std::pair<Behaviour, std::string_view>::second);
  return found == kNames.end() ? Behaviour::kUnknown : found->first;
}

BehaviourEvidence faded(const BehaviourEvidence& evidence, Seconds passed) {
  const double days = std::max(0.0, static_cast<double>(passed.count()) / 86400.0);
  const double weight = std::exp2(-days / kHalfLifeDays);
  return {evidence.days * weight,  evidence.resets * weight, evidence.rises * weight,
          evidence.falls * weight, evidence.jumps * weight,  evidence.ramps * weight,
          evidence.flat * weight};
}

void BehaviourPair::add(double before, double after, double age_days, double days) {
  if (before <= 0) return;
  ++series_;
  if (after < kVanished * before) {
    ++vanished_;
  } else if (after < (1 - kLargestDay) * before) {
    ++counted_.jumps;
  } else if (after < before) {
    ++counted_.falls;
  } else if (after > before) {
    ++counted_.rises;
  }
  if (age_days >= kYoungest && age_days <= kOldest) {
    // A sum of `age` equal days grows by days / (age - days) of itself.
    const double expected = days / std::max(age_days - days, 1.0);
    const double growth = after / before - 1;
    if (growth > 0.5 * expected) {
      ++counted_.ramps;
    } else if (growth < 0.2 * expected) {
      ++counted_.flat;
    }
  }
}

void BehaviourPair::add_to(BehaviourEvidence& evidence) const {
  if (series_ == 0) return;
  evidence.days += 1;
  evidence.resets += vanished_ >= 0.8 * series_ ? 1 : 0;
  evidence.rises += counted_.rises;
  evidence.falls += counted_.falls;
  evidence.jumps += counted_.jumps;
  evidence.ramps += counted_.ramps;
  evidence.flat += counted_.flat;
}

BehaviourVerdict judge(const BehaviourEvidence& seen) {
  const double falls = seen.falls + seen.jumps;
  if (seen.resets >= 0.25 && falls <= 0.1 * seen.rises) {
    return {
        Behaviour::kResetting,
        fmt::format("all fell to almost nothing {:.1f} times, and of {:.0f} other changes {:.0f} "
                    "were falls",
                    seen.resets, seen.rises + falls, falls)};
  }
  if (seen.ramps + seen.flat >= 3) {
    const std::string counts = fmt::format(
        "of {:.0f} days of new series, {:.0f} grew as a sum "
        "does that fills, {:.0f} stayed",
        seen.ramps + seen.flat, seen.ramps, seen.flat);
    if (seen.flat > 2 * seen.ramps) return {Behaviour::kProjected, counts};
    if (seen.ramps > 2 * seen.flat) return {Behaviour::kRolling, counts};
  }
  if (seen.jumps >= 3 && seen.jumps > 0.2 * falls) {
    return {Behaviour::kProjected,
            fmt::format("{:.0f} of {:.0f} falls were by more than a third, more than a day that "
                        "leaves a 30-day sum can be",
                        seen.jumps, falls)};
  }
  if (seen.falls >= 5) {
    return {Behaviour::kRolling,
            fmt::format("{:.0f} falls, {:.0f} of them by more than a third; {:.0f} rises", falls,
                        seen.jumps, seen.rises)};
  }
  return {Behaviour::kUnknown,
          fmt::format("{:.0f} days compared, {:.0f} falls: too little to tell", seen.days, falls)};
}

}  // namespace usaged::core
