// How good the forecast is, on months of simulated organizations that it has not seen.
#include "core/forecast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "sim/organization.h"

namespace usaged::sim {
namespace {

TEST(Forecast, ItsIntervalHoldsEightOfTenMonthsAndItBeatsTheLastMonth) {
  const core::Time begin = core::from_unix(1767225600);  // 2026-01-01
  int held = 0;
  int all = 0;
  double error = 0;
  double error_of_repeating = 0;
  for (std::uint64_t seed = 101; seed <= 112; ++seed) {
    const Organization organization({25, {"us-east-1"}, seed, {}});
    for (const char* type : {"EC2_INSTANCE_HOURS", "LAMBDA_FUNCTION_HOURS"}) {
      std::vector<double> days;
      for (int day = 0; day < 420; ++day) {
        double sum = 0;
        for (int account = 0; account < 25; ++account) {
          sum += organization.daily(account, "us-east-1", type, begin + day * core::kDay);
        }
        days.push_back(sum);
      }
      // Months of thirty days, looked at from their sixth to their twenty-fourth day.
      for (int month = 5; month < 13; ++month) {
        for (const int passed : {6, 12, 18, 24}) {
          const int known = month * 30 + passed;
          const std::vector<double> history(days.begin(), days.begin() + known);
          const auto next = core::forecast(history, core::day_of(begin) + known - 1, 30 - passed);
          ASSERT_TRUE(next);
          const auto sum = [&days](int from, int to) {
            return std::accumulate(days.begin() + from, days.begin() + to, 0.0);
          };
          const double came = sum(known, month * 30 + 30);
          ++all;
          held += came >= next->low && came <= next->high ? 1 : 0;
          error += std::abs(next->expected - came) / came;
          error_of_repeating += std::abs(sum(known - 30, month * 30) - came) / came;
        }
      }
    }
  }
  RecordProperty("held_percent", 100 * held / all);
  RecordProperty("mean_error_permille", static_cast<int>(1000 * error / all));
  RecordProperty("mean_error_of_repeating_permille",
                 static_cast<int>(1000 * error_of_repeating / all));
  EXPECT_GE(100 * held / all, 75);
  EXPECT_LE(100 * held / all, 90);
  EXPECT_LT(error, error_of_repeating);
}

}  // namespace
}  // namespace usaged::sim
