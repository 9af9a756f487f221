#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace usaged::core {

// A part of AWS with accounts, credentials and host names of its own.
enum class Partition { kCommercial, kChina, kGovCloud };

std::string_view partition_name(Partition partition);  // as in ARNs: "aws", "aws-cn", "aws-us-gov"
std::optional<Partition> parse_partition(std::string_view name);
// The partition of a region, known or not, by its prefix.
Partition partition_of(std::string_view region);

// Every region that has Amazon Inspector (AWS General Reference, 2026-08).
std::span<const std::string_view> known_regions();
bool is_known_region(std::string_view region);
std::vector<std::string> regions_of(Partition partition);

// The regions where Amazon Inspector, and the services that it takes to ask it, have FIPS
// endpoints.
std::vector<std::string> fips_regions();
bool has_fips_endpoint(std::string_view region);

// Looks like a region ("eu-central-1"), known or not.
bool is_region_shaped(std::string_view region);

}  // namespace usaged::core
