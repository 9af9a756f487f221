#include "core/region.h"

#include <gtest/gtest.h>

namespace usaged::core {
namespace {

TEST(Region, PartitionsAreWhole) {
  EXPECT_EQ(regions_of(Partition::kCommercial).size(), 33U);
  EXPECT_EQ(regions_of(Partition::kChina).size(), 2U);
  EXPECT_EQ(regions_of(Partition::kGovCloud).size(), 2U);
  for (const Partition partition :
       {Partition::kCommercial, Partition::kChina, Partition::kGovCloud}) {
    EXPECT_EQ(parse_partition(partition_name(partition)), partition);
    for (const std::string& region : regions_of(partition)) {
      EXPECT_EQ(partition_of(region), partition);
    }
  }
  EXPECT_FALSE(parse_partition("aws-iso"));
}

TEST(Region, KnowsNamesAndShapes) {
  EXPECT_TRUE(is_known_region("us-gov-west-1"));
  EXPECT_FALSE(is_known_region("eu-central-9"));
  EXPECT_TRUE(is_region_shaped("eu-central-9"));
  EXPECT_FALSE(is_region_shaped("eu_central"));
  EXPECT_TRUE(has_fips_endpoint("us-gov-east-1"));
  EXPECT_FALSE(has_fips_endpoint("eu-west-1"));
}

}  // namespace
}  // namespace usaged::core
