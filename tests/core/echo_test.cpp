#include "core/echo.h"

#include <gtest/gtest.h>

namespace usaged::core {
namespace {

Part known(double value) { return {value, value, value}; }

TEST(Echo, ASpikeThatLeavesIsAllEcho) {
  // 10 a day, and 30 days ago once 100.
  const Echo echo = explain(390, 300, kDay, known(100), 10);
  EXPECT_DOUBLE_EQ(*echo.entered.estimate, 10);
  EXPECT_DOUBLE_EQ(*echo.usual, 10);
  EXPECT_DOUBLE_EQ(*echo.echo, -90);
  EXPECT_DOUBLE_EQ(*echo.fresh, 0);
}

TEST(Echo, ANewSpikeOnThatDayIsSeen) {
  const Echo echo = explain(390, 390, kDay, known(100), 10);
  EXPECT_DOUBLE_EQ(*echo.echo, -90);
  EXPECT_DOUBLE_EQ(*echo.fresh, 90);
  EXPECT_DOUBLE_EQ(echo.entered.low, 100);
}

TEST(Echo, WhatIsNotKnownIsBoundedByTheChange) {
  const Part nothing{0, std::nullopt, std::nullopt};
  const Echo fall = explain(300, 250, kDay, nothing, std::nullopt);
  EXPECT_DOUBLE_EQ(fall.left.low, 50);     // a fall needs so much
  EXPECT_DOUBLE_EQ(*fall.left.high, 300);  // and there was no more
  EXPECT_DOUBLE_EQ(fall.entered.low, 0);
  EXPECT_DOUBLE_EQ(*fall.entered.high, 250);
  EXPECT_FALSE(fall.left.estimate);
  EXPECT_FALSE(fall.echo);
  // Beyond 30 days what came in may have left again.
  EXPECT_FALSE(explain(300, 250, 31 * kDay, nothing, std::nullopt).left.high);
  EXPECT_TRUE(explain(300, 250, 30 * kDay, nothing, std::nullopt).left.high);
  // From nothing, nothing can leave.
  const Echo fresh = explain(0, 70, kDay, nothing, 10);
  EXPECT_DOUBLE_EQ(*fresh.left.estimate, 0);
  EXPECT_DOUBLE_EQ(*fresh.entered.estimate, 70);
  EXPECT_DOUBLE_EQ(*fresh.fresh, 60);
}

TEST(Echo, TheUsualGrowsWithTheWindow) {
  const Echo echo = explain(300, 300, 7 * kDay, known(70), 10);
  EXPECT_DOUBLE_EQ(*echo.usual, 70);
  EXPECT_DOUBLE_EQ(*echo.echo, 0);
}

}  // namespace
}  // namespace usaged::core
