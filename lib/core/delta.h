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

}  // namespace usaged::core
