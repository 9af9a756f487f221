#include "core/region.h"

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

constexpr std::array<std::string_view, 6> kFips{"us-east-1", "us-east-2",     "us-west-1",
                                                "us-west-2", "us-gov-east-1", "us-gov-west-1"};

bool all_of_class(std::string_view text, bool (*allowed)(char)) {
  return !text.empty() && std::ranges::all_of(text, allowed);
}

}  // namespace

std::string_view partition_name(Partition partition) {
  switch (partition) {
    case Partition::kCommercial:
      return "aws";
    case Partition::kChina:
      return "aws-cn";
    case Partition::kGovCloud:
      break;
  }
  return "aws-us-gov";
}

std::optional<Partition> parse_partition(std::string_view name) {
  for (const Partition partition :
       {Partition::kCommercial, Partition::kChina, Partition::kGovCloud}) {
    if (partition_name(partition) == name) return partition;
  }
  return std::nullopt;
}

Partition partition_of(std::string_view region) {
  if (region.starts_with("cn-")) return Partition::kChina;
  return region.starts_with("us-gov-") ? Partition::kGovCloud : Partition::kCommercial;
}

std::span<const std::string_view> known_regions() { return kRegions; }

bool is_known_region(std::string_view region) {
  return std::ranges::find(kRegions, region) != kRegions.end();
}

std::vector<std::string> regions_of(Partition partition) {
  std::vector<std::string> result;
  for (const std::string_view region : kRegions) {
    if (partition_of(region) == partition) result.emplace_back(region);
  }
  return result;
}

std::vector<std::string> fips_regions() { return {kFips.begin(), kFips.end()}; }

bool has_fips_endpoint(std::string_view region) {
  return std::ranges::find(kFips, region) != kFips.end();
}

bool is_region_shaped(std::string_view region) {
  const auto parts = split(region, '-');
  if (parts.size() < 3 || region.size() > 32) return false;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    if (!all_of_class(parts[i], [](char c) { return c >= 'a' && c <= 'z'; })) return false;
  }
  return all_of_class(parts.back(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace usaged::core
