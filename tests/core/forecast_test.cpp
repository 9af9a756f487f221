#include "core/forecast.h"

#include <gtest/gtest.h>

namespace usaged::core {
namespace {

// So many days of a week's pattern, ending at `last`.
std::vector<double> weeks(int days, std::int64_t last) {
  std::vector<double> history;
  for (int i = 0; i < days; ++i) {
    history.push_back((last - (days - 1 - i)) % 7 >= 5 ? 40 : 100);
  }
  return history;
}

TEST(Forecast, RepeatsTheWeek) {
  const auto next = forecast(weeks(70, 1000), 1000, 14);
  ASSERT_TRUE(next);
  EXPECT_NEAR(next->expected, 2 * (5 * 100 + 2 * 40), 1e-6);
  ASSERT_EQ(next->days.size(), 14U);
  EXPECT_NEAR(next->days[0], 1001 % 7 >= 5 ? 40 : 100, 1e-6);
  EXPECT_NEAR(next->low, next->expected, 1e-6);  // it was never wrong before
  EXPECT_NEAR(next->high, next->expected, 1e-6);
}

TEST(Forecast, ASpikeDoesNotSetTheLevel) {
  auto history = weeks(70, 1000);
  const double usual = forecast(history, 1000, 10)->expected;
  history[67] *= 50;
  EXPECT_LT(forecast(history, 1000, 10)->expected, 1.25 * usual);
}

TEST(Forecast, FollowsALastingChange) {
  auto history = weeks(70, 1000);
  for (std::size_t i = 49; i < 70; ++i) history[i] *= 2;
  EXPECT_GT(forecast(history, 1000, 10)->expected,
            1.7 * forecast(weeks(70, 1000), 1000, 10)->expected);
}

TEST(Forecast, SaysHowMuchItIsMadeOf) {
  EXPECT_FALSE(forecast(weeks(13, 1000), 1000, 10));
  const auto few = forecast(weeks(14, 1000), 1000, 10);
  ASSERT_TRUE(few);
  EXPECT_EQ(few->origins, 0);
  EXPECT_LT(few->low, few->expected);
  EXPECT_GT(few->high, few->expected);
  EXPECT_EQ(forecast(weeks(70, 1000), 1000, 0)->expected, 0);
  EXPECT_EQ(forecast(std::vector<double>(60, 0), 1000, 10)->expected, 0);
}

}  // namespace
}  // namespace usaged::core
