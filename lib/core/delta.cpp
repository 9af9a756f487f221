#include "core/delta.h"

#include <cmath>

namespace usaged::core {
namespace {

std::optional<double> known(const ValueAt& at) {
  switch (at.presence) {
    case Presence::kPresent:
      return at.value;
    case Presence::kAbsent:
      return 0.0;
    case Presence::kUnknown:
      break;
  }
  return std::nullopt;
}

}  // namespace

std::string_view delta_status_name(DeltaStatus status) {
  switch (status) {
    case DeltaStatus::kChanged:
      return "changed";
    case DeltaStatus::kUnchanged:
      return "unchanged";
    case DeltaStatus::kNew:
      return "new";
    case DeltaStatus::kGone:
      return "gone";
    case DeltaStatus::kUnknown:
      break;
  }
  return "unknown";
}

Delta delta(const ValueAt& before, const ValueAt& after) {
  Delta result;
  if (before.presence == Presence::kPresent) result.before = before.value;
  if (after.presence == Presence::kPresent) result.after = after.value;
  const std::optional<double> from = known(before);
  const std::optional<double> to = known(after);
  if (!from || !to) return result;
  result.change = *to - *from;
  if (*from != 0) result.percent = *result.change / std::abs(*from) * 100;
  if (before.presence == Presence::kAbsent) {
    result.status = DeltaStatus::kNew;
  } else if (after.presence == Presence::kAbsent) {
    result.status = DeltaStatus::kGone;
  } else {
    result.status = *result.change == 0 ? DeltaStatus::kUnchanged : DeltaStatus::kChanged;
  }
  return result;
}

std::optional<CostSplit> split_cost(const UsageValue& before, const UsageValue& after) {
  if (!before.total || !before.cost || !after.total || !after.cost) return std::nullopt;
  const double change = *after.cost - *before.cost;
  if (*before.total <= 0) return CostSplit{change, 0};
  const double volume = (*after.total - *before.total) * (*before.cost / *before.total);
  return CostSplit{volume, change - volume};
}

}  // namespace usaged::core
