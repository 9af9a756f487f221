#pragma once

#include <optional>
#include <string_view>

namespace usaged::core {

// What a group had at one moment.
enum class Presence {
  kPresent,  // it was there; its value may still be unknown
  kAbsent,   // every poll that would have shown it was good, and it was not there
  kUnknown,  // a poll that would have shown it is missing
};

struct ValueAt {
  Presence presence = Presence::kUnknown;
  std::optional<double> value;
};

enum class DeltaStatus { kChanged, kUnchanged, kNew, kGone, kUnknown };

std::string_view delta_status_name(DeltaStatus status);

// The change from one moment to a later one. A group that was not there counts from 0; one that is
// not known makes the change unknown.
struct Delta {
  DeltaStatus status = DeltaStatus::kUnknown;
  std::optional<double> before;
  std::optional<double> after;
  std::optional<double> change;   // after - before
  std::optional<double> percent;  // of before; unknown from 0
};

Delta delta(const ValueAt& before, const ValueAt& after);

// The numbers of one series at one moment; both 0 if it was not there.
struct UsageValue {
  std::optional<double> total = 0;
  std::optional<double> cost = 0;
};

// A change of cost, by what made it. They add up to it.
struct CostSplit {
  double volume = 0;  // the change of usage, at the unit price before
  double price = 0;   // the change of unit price, at the usage after
};

// With the unit price p = cost / total: volume = (total' - total) p, price = total' (p' - p). A
// series that was not used before has no price of its own then, so the one after counts: all is
// volume. nullopt if a number is not known.
std::optional<CostSplit> split_cost(const UsageValue& before, const UsageValue& after);

}  // namespace usaged::core
