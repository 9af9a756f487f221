#include "core/usage.h"

#include <algorithm>
#include <array>

#include "core/text.h"

namespace usaged::core {
namespace {

constexpr std::array<std::string_view, 37> kRegions{
    "af-south-1",     "ap-east-1",      "ap-east-2",      "ap-northeast-1", "ap-northeast-2",
    "ap-northeast-3", "ap-south-1",     "ap-south-2",     "ap-southeast-1", "ap-southeast-2",
    "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-7", "ca-central-1",
    "ca-west-1",      "cn-north-1",     "cn-northwest-1", "eu-central-1",   "eu-central-2",
    "eu-north-1",     "eu-south-1",     "eu-south-2",     "eu-west-1",      "eu-west-2",
    "eu-west-3",      "il-central-1",   "me-central-1",   "me-south-1",     "mx-central-1",
    "sa-east-1",      "us-east-1",      "us-east-2",      "us-gov-east-1",  "us-gov-west-1",
    "us-west-1",      "us-west-2"};

bool all_of_class(std::string_view text, bool (*allowed)(char)) {
  return !text.empty() && std::ranges::all_of(text, allowed);
}

}  // namespace

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

std::span<const std::string_view> known_regions() { return kRegions; }

bool is_known_region(std::string_view region) {
  return std::ranges::find(kRegions, region) != kRegions.end();
}

bool is_region_shaped(std::string_view region) {
  const auto parts = split(region, '-');
  if (parts.size() < 3 || region.size() > 32) return false;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (!all_of_class(parts[i], [](char c) { return c >= 'a' && c <= 'z'; })) return false;
  }
  return all_of_class(parts.back(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_account_id(std::string_view text) {
  return text.size() == 12 && all_of_class(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace usaged::core
