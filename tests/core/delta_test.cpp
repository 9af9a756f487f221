#include "core/delta.h"

#include <gtest/gtest.h>

#include <random>

namespace usaged::core {
namespace {

TEST(CostSplit, IsVolumeAtTheOldPriceAndPriceAtTheNewUsage) {
  const auto both = split_cost({100.0, 10.0}, {150.0, 18.0});
  ASSERT_TRUE(both);
  EXPECT_DOUBLE_EQ(both->volume, 50 * 0.10);
  EXPECT_DOUBLE_EQ(both->price, 150 * (0.12 - 0.10));
  // New: no price before; gone: no usage after; a free trial that ends: all is price.
  EXPECT_DOUBLE_EQ(split_cost({}, {40.0, 4.0})->volume, 4);
  EXPECT_DOUBLE_EQ(split_cost({}, {40.0, 4.0})->price, 0);
  EXPECT_DOUBLE_EQ(split_cost({40.0, 4.0}, {})->volume, -4);
  EXPECT_DOUBLE_EQ(split_cost({40.0, 0.0}, {40.0, 4.0})->price, 4);
  EXPECT_FALSE(split_cost({std::nullopt, 1.0}, {1.0, 1.0}));
  EXPECT_FALSE(split_cost({1.0, 1.0}, {1.0, std::nullopt}));
}

TEST(CostSplit, AddsUpToTheChange) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> number(0, 1000);
  for (int i = 0; i < 1000; ++i) {
    const UsageValue before{i % 5 == 0 ? 0 : number(random), i % 7 == 0 ? 0 : number(random)};
    const UsageValue after{i % 3 == 0 ? 0 : number(random), i % 11 == 0 ? 0 : number(random)};
    const auto split = split_cost(before, after);
    ASSERT_TRUE(split);
    EXPECT_NEAR(split->volume + split->price, *after.cost - *before.cost, 1e-6);
  }
}

}  // namespace
}  // namespace usaged::core
