#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "core/usage.h"

// What the benchmarks store: an organization of any size whose sums of 30 days move as AWS's do,
// made as fast as they can be stored.
namespace usaged::bench {

struct Workload {
  int accounts = 100;
  int regions = 3;
  double changing = 1.0 / 3;  // of the sums, from one hour to the next
  std::uint64_t seed = 1;
};

inline constexpr int kTypes = 6;

inline std::string account_id(int account) { return std::to_string(100000000000 + account); }

inline std::string region_name(int region) {
  const std::string area = std::vector<std::string>{"us", "eu", "ap", "sa", "af", "me"}.at(
      static_cast<std::size_t>(region / 6));
  return area + "-east-" + std::to_string(region % 6 + 1);
}

// One region of it, at an hour that moves on. What a series uses in an hour is a function of the
// seed, the region, the series and the hour; its total is the sum of the 30 days before.
class Region {
 public:
  Region(const Workload& workload, int region, std::int64_t hour)
      : seed_(mix(workload.seed * 1000003 + static_cast<std::uint64_t>(region))),
        // A sum changes if something comes or something leaves.
        active_(static_cast<std::uint64_t>((1 - std::sqrt(1 - workload.changing)) * kWhole)),
        hour_(hour) {
    for (int i = 0; i < workload.accounts; ++i) {
      for (int type = 0; type < kTypes; ++type) {
        Series& series = series_.emplace_back();
        series.total.account = account_id(i);
        series.total.type = kNames[type];
        series.total.provider = "AWS";
        series.total.currency = "USD";
        // Accounts differ in size by three orders of magnitude.
        const std::uint64_t random = mix(seed_ + static_cast<std::uint64_t>(i));
        const double size = std::pow(10.0, 3 * static_cast<double>(random % 1000) / 1000);
        series.most = static_cast<std::uint64_t>(size * (kHours[type] ? kMsPerHour : 0.1) + 1);
        series.total.total = series.total.cost = 0;
        for (std::int64_t h = hour - kWindow; h < hour; ++h) {
          series.units += used(series_.size() - 1, h);
        }
        show(series, type);
      }
    }
  }

  void move_to(std::int64_t hour) {
    for (std::size_t i = 0; i < series_.size(); ++i) {
      std::int64_t change = 0;
      for (std::int64_t h = hour_; h < hour; ++h) change += used(i, h) - used(i, h - kWindow);
      if (change == 0) continue;
      series_[i].units += change;
      show(series_[i], static_cast<int>(i % kTypes));
    }
    hour_ = hour;
  }

  std::size_t size() const { return series_.size(); }
  const core::UsageTotal& at(std::size_t i) const { return series_[i].total; }

 private:
  struct Series {
    std::int64_t units = 0;  // milliseconds, or scans
    std::uint64_t most = 0;  // in an hour
    core::UsageTotal total;
  };

  static constexpr std::int64_t kWindow = 720;  // hours
  static constexpr std::uint64_t kWhole = 1U << 16;
  static constexpr double kMsPerHour = 3600000;
  static constexpr const char* kNames[kTypes] = {
      "EC2_AGENTLESS_INSTANCE_HOURS", "EC2_INSTANCE_HOURS",   "ECR_INITIAL_SCAN", "ECR_RESCAN",
      "LAMBDA_FUNCTION_CODE_HOURS",   "LAMBDA_FUNCTION_HOURS"};
  static constexpr bool kHours[kTypes] = {true, true, false, false, true, true};
  static constexpr double kPrices[kTypes] = {0.0024305556, 0.0017361111, 0.09,
                                             0.01,         0.0008333333, 0.0004166667};

  static std::uint64_t mix(std::uint64_t z) {  // splitmix64
    z += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::int64_t used(std::size_t series, std::int64_t hour) const {
    const std::uint64_t random =
        mix(seed_ + (series << 32) + static_cast<std::uint64_t>(hour) * 0x9e3779b1);
    if (random % kWhole >= active_) return 0;
    const std::uint64_t most = series_[series].most;
    return static_cast<std::int64_t>(most / 2 + (random >> 16) % (most / 2 + 1) + 1);
  }

  static void show(Series& series, int type) {
    const double total = static_cast<double>(series.units) / (kHours[type] ? kMsPerHour : 1.0);
    series.total.total = total;
    // AWS sends costs with ten decimals.
    series.total.cost = std::round(total * kPrices[type] * 1e10) / 1e10;
  }

  std::uint64_t seed_;
  std::uint64_t active_;
  std::int64_t hour_;
  std::vector<Series> series_;
};

// Some of its series, all of an account's, as a page of ListUsageTotals.
inline std::string page_of(const Region& region, std::size_t first, std::size_t last) {
  std::string text = R"({"totals":[)";
  for (std::size_t i = first; i < last; ++i) {
    const core::UsageTotal& usage = region.at(i);
    if (i % kTypes == 0) {
      if (i > first) text += "]},";
      fmt::format_to(std::back_inserter(text), R"({{"accountId":"{}","usage":[)", usage.account);
    } else {
      text += ',';
    }
    fmt::format_to(std::back_inserter(text),
                   R"({{"cloudProvider":"{}","currency":"{}","estimatedMonthlyCost":{},"total":{},)"
                   R"("type":"{}"}})",
                   usage.provider, usage.currency, *usage.cost, *usage.total, usage.type);
  }
  return text + "]}]}";
}

}  // namespace usaged::bench
