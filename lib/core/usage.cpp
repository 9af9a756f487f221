#include "core/usage.h"

#include <algorithm>

namespace usaged::core {

Unit unit_of(std::string_view usage_type) {
  if (usage_type.ends_with("_HOURS")) return Unit::kHours;
  if (usage_type.ends_with("_SCAN") || usage_type.ends_with("_RESCAN")) return Unit::kScans;
  return Unit::kUnits;
}

std::string_view unit_name(Unit unit) {
  switch (unit) {
    case Unit::kHours:
      return "hours";
    case Unit::kScans:
      return "scans";
    case Unit::kUnits:
      break;
  }
  return "units";
}

std::string_view metric_name(Metric metric) { return metric == Metric::kCost ? "cost" : "total"; }

bool is_account_id(std::string_view text) {
  return text.size() == 12 &&
         std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace usaged::core
