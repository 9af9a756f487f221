#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/interned.h"

namespace usaged::core {

// What a usage total counts. AWS documents hours for *_HOURS and a count for *_SCAN and *_RESCAN;
// for every other type the unit is unknown, and totals of different units are never added.
enum class Unit { kHours, kScans, kUnits };

Unit unit_of(std::string_view usage_type);
std::string_view unit_name(Unit unit);  // "hours", "scans", "units"

// One entry of a ListUsageTotals reply. Texts that AWS left out are empty, numbers are nullopt.
struct UsageTotal {
  std::string account;  // 12 digits
  Interned type;        // an open set: kept as it came
  Interned provider;    // AWS, AZURE, NOT_APPLICABLE; absent in older replies
  Interned currency;
  std::optional<double> total;  // over the last 30 days, in unit_of(type)
  std::optional<double> cost;   // the estimated monthly cost, in `currency`
};

// The two numbers that a usage total has.
enum class Metric { kCost, kTotal };

std::string_view metric_name(Metric metric);  // "cost", "total"

bool is_account_id(std::string_view text);  // exactly 12 digits

}  // namespace usaged::core
