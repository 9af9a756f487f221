#include "core/forecast.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>

namespace usaged::core {
namespace {

constexpr std::size_t kLeast = 14;   // days of history
constexpr std::size_t kSeason = 56;  // days that the weekdays' shares are taken from
constexpr std::size_t kMemory = 42;  // days that the level is taken from
constexpr double kHalfLife = 7;      // days
constexpr double kMostOfUsual = 3;
constexpr std::size_t kOrigins = 180;  // earlier days that the forecast is tried on at most
constexpr int kFewOrigins = 20;
// With too few of them, what is known of none: half as much, and half as much again.
constexpr double kWide = 0.5;
// Of the ratios on each side; less than a tenth, since those of days that overlap are fewer than
// they look.
constexpr double kTail = 0.07;

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

std::size_t weekday(std::int64_t day) { return static_cast<std::size_t>((day % 7 + 7) % 7); }

std::vector<double> expected_days(std::span<const double> history, std::int64_t last_day,
                                  int days_ahead) {
  const auto day_of = [&](std::size_t index) {
    return last_day - static_cast<std::int64_t>(history.size() - 1 - index);
  };
  std::array<std::vector<double>, 7> by_weekday;
  for (std::size_t i = history.size() - std::min(kSeason, history.size()); i < history.size();
       ++i) {
    by_weekday.at(weekday(day_of(i))).push_back(history[i]);
  }
  std::array<double, 7> share{};
  for (std::size_t i = 0; i < 7; ++i) share.at(i) = median(by_weekday.at(i));
  const double mean = std::accumulate(share.begin(), share.end(), 0.0) / 7;
  for (double& one : share) one = mean > 0 ? one / mean : 1;

  std::vector<double> plain;  // without weekdays
  for (std::size_t i = history.size() - std::min(kMemory, history.size()); i < history.size();
       ++i) {
    const double of = share.at(weekday(day_of(i)));
    plain.push_back(of > 0 ? history[i] / of : history[i]);
  }
  const double usual = median(plain);
  double sum = 0;
  double weights = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double age = static_cast<double>(plain.size() - 1 - i);
    const double weight = std::exp2(-age / kHalfLife);
    sum += weight * (usual > 0 ? std::min(plain[i], kMostOfUsual * usual) : plain[i]);
    weights += weight;
  }
  const double level = sum / weights;
  std::vector<double> days;
  for (int ahead = 1; ahead <= days_ahead; ++ahead) {
    days.push_back(level * share.at(weekday(last_day + ahead)));
  }
  return days;
}

}  // namespace

std::optional<Forecast> forecast(const std::vector<double>& history, std::int64_t last_day,
                                 int days_ahead) {
  if (history.size() < kLeast) return std::nullopt;
  Forecast result;
  if (days_ahead <= 0) return result;
  result.days = expected_days(history, last_day, days_ahead);
  result.expected = std::accumulate(result.days.begin(), result.days.end(), 0.0);

  // What came, as a multiple of what would have been forecast.
  const auto ahead = static_cast<std::size_t>(days_ahead);
  std::vector<double> ratios;
  const std::size_t last = history.size() > ahead ? history.size() - ahead : 0;
  const std::size_t first = std::max(2 * kLeast, last > kOrigins ? last - kOrigins : 0);
  for (std::size_t known = first; known <= last; ++known) {
    const auto then =
        expected_days(std::span(history).first(known),
                      last_day - static_cast<std::int64_t>(history.size() - known), days_ahead);
    const double said = std::accumulate(then.begin(), then.end(), 0.0);
    const auto from = history.begin() + static_cast<std::ptrdiff_t>(known);
    const double came = std::accumulate(from, from + days_ahead, 0.0);
    if (said > 0) ratios.push_back(came / said);
  }
  result.origins = static_cast<int>(ratios.size());
  double low = 1 - kWide;
  double high = 1 + kWide;
  if (result.origins >= kFewOrigins) {
    std::ranges::sort(ratios);
    const auto at = [&ratios](double share) {
      const double place = share * static_cast<double>(ratios.size() + 1) - 1;
      const double index = std::clamp(place, 0.0, static_cast<double>(ratios.size() - 1));
      return ratios[static_cast<std::size_t>(std::lround(index))];
    };
    low = std::min(1.0, at(kTail));
    high = std::max(1.0, at(1 - kTail));
  }
  result.low = result.expected * low;
  result.high = result.expected * high;
  return result;
}

}  // namespace usaged::core
