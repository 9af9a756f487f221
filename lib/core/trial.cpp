#include "core/trial.h"

#include <algorithm>
#include <array>

namespace usaged::core {
namespace {

constexpr double kWindowDays = 30;

struct Cover {
  std::string_view trial;
  std::string_view usage_prefix;
};

constexpr std::array<Cover, 6> kCovers{{{"EC2", "EC2_"},
                                        {"ECR", "ECR_"},
                                        {"LAMBDA", "LAMBDA_FUNCTION_HOURS"},
                                        {"LAMBDA_CODE", "LAMBDA_FUNCTION_CODE_HOURS"},
                                        {"CODE_REPOSITORY", "CODE_REPOSITORY_"},
                                        {"AZURE", "AZURE_"}}};

}  // namespace

bool trial_covers(std::string_view trial_type, std::string_view usage_type) {
  return std::ranges::any_of(kCovers, [&](const Cover& cover) {
    return cover.trial == trial_type && usage_type.starts_with(cover.usage_prefix);
  });
}

std::optional<double> monthly_usage(const std::optional<double>& total,
                                    const std::optional<double>& day_ago,
                                    const std::optional<Time>& start, Time now) {
  if (!total || !start || *start > now) return std::nullopt;
  const double age_days = static_cast<double>((now - *start).count()) / 86400.0;
  if (age_days >= kWindowDays) return total;
  if (day_ago && age_days >= 1) return std::max(0.0, *total - *day_ago) * kWindowDays;
  return *total / std::max(1.0, age_days) * kWindowDays;
}

}  // namespace usaged::core
