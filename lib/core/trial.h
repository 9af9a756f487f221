#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/time.h"

namespace usaged::core {

// A free trial of one scan type in one account and region, as BatchGetFreeTrialInfo tells it.
struct FreeTrial {
  std::string account;
  std::string type;  // of scan: "EC2", "ECR", "LAMBDA", "LAMBDA_CODE", "CODE_REPOSITORY", ...
  std::optional<Time> start;
  std::optional<Time> end;
  std::string status;  // "ACTIVE" or "INACTIVE", as it came
};

// Whether a trial of a scan type pays for a usage type; false for what neither is known of.
bool trial_covers(std::string_view trial_type, std::string_view usage_type);

// The usage of 30 days like the last one. `total` is the 30-day sum now, `day_ago` that of 24 hours
// before. While the window fills (30 days from the first usage on, taken to be the trial's start)
// nothing leaves the sum, so total - day_ago is the last day's usage; without day_ago the mean of
// the days so far stands for it. After that the sum itself is 30 days' usage. nullopt: not known.
std::optional<double> monthly_usage(const std::optional<double>& total,
                                    const std::optional<double>& day_ago,
                                    const std::optional<Time>& start, Time now);

}  // namespace usaged::core
