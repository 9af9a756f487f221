#pragma once

#include <string>
#include <string_view>

#include "core/time.h"

// AWS documents its totals both as "over the last 30 days" and as "so far in the current 30 day
// period", and as projected. Which of these the numbers of a usage type follow is observed.
namespace usaged::core {

enum class Behaviour {
  kUnknown,    // not enough was seen
  kRolling,    // the sum of the last 30 days: falls by a day at most, grows while it fills
  kResetting,  // counts up through a period, then begins at nothing
  kProjected,  // a whole month's estimate from the first day on
};

std::string_view behaviour_name(Behaviour behaviour);  // "unknown", "rolling", ...
Behaviour parse_behaviour(std::string_view name);      // kUnknown for what is none

// What was counted for one usage type, comparing polls about a day apart. It loses half its weight
// in 30 days, so that a change shows. "Series-days": one for each series and pair of polls.
struct BehaviourEvidence {
  double days = 0;    // pairs of polls
  double resets = 0;  // pairs in which four of five series or more fell to under a fifth
  double rises = 0;   // series-days that rose
  double falls = 0;   // that fell by a third at most
  double jumps = 0;   // that fell by more, but not to under a fifth
  double ramps = 0;   // series 3 to 12 days old that grew as a sum does while it fills
  double flat = 0;    // series as old that did not
};

// The evidence as it weighs after some time.
BehaviourEvidence faded(const BehaviourEvidence& evidence, Seconds passed);

// One pair of polls and one usage type.
class BehaviourPair {
 public:
  // One series that both have. `age_days`: since it was first seen, if that was seen; else
  // negative. `days`: between the polls.
  void add(double before, double after, double age_days, double days);
  // Adds what the pair says.
  void add_to(BehaviourEvidence& evidence) const;

 private:
  int series_ = 0;
  int vanished_ = 0;
  BehaviourEvidence counted_;
};

struct BehaviourVerdict {
  Behaviour behaviour = Behaviour::kUnknown;
  std::string reason;  // in numbers, for people
};

BehaviourVerdict judge(const BehaviourEvidence& evidence);

}  // namespace usaged::core
