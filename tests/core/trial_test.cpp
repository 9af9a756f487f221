#include "core/trial.h"

#include <gtest/gtest.h>

namespace usaged::core {
namespace {

const Time kTrialStart = from_unix(1772323200);

TEST(Trial, CoversItsUsageTypes) {
  EXPECT_TRUE(trial_covers("EC2", "EC2_INSTANCE_HOURS"));
  EXPECT_TRUE(trial_covers("EC2", "EC2_AGENTLESS_INSTANCE_HOURS"));
  EXPECT_TRUE(trial_covers("ECR", "ECR_RESCAN"));
  EXPECT_TRUE(trial_covers("LAMBDA", "LAMBDA_FUNCTION_HOURS"));
  EXPECT_FALSE(trial_covers("LAMBDA", "LAMBDA_FUNCTION_CODE_HOURS"));
  EXPECT_TRUE(trial_covers("LAMBDA_CODE", "LAMBDA_FUNCTION_CODE_HOURS"));
  EXPECT_TRUE(trial_covers("CODE_REPOSITORY", "CODE_REPOSITORY_SAST"));
  EXPECT_FALSE(trial_covers("EC2", "ECR_RESCAN"));
  EXPECT_FALSE(trial_covers("SOMETHING_NEW", "SOMETHING_NEW_HOURS"));
}

TEST(Trial, AMonthLikeTheLastDay) {
  // Ten days at 24, the last one at 48.
  EXPECT_EQ(monthly_usage(9 * 24.0 + 48, 9 * 24.0, kTrialStart, kTrialStart + 10 * kDay),
            30 * 48.0);
  // The same without the day before: the mean so far.
  EXPECT_DOUBLE_EQ(*monthly_usage(240, std::nullopt, kTrialStart, kTrialStart + 10 * kDay),
                   30 * 24.0);
  // The first day counts as a whole one.
  EXPECT_DOUBLE_EQ(*monthly_usage(6, std::nullopt, kTrialStart, kTrialStart + 6 * kHour), 30 * 6.0);
  // A full window is a month, whatever the last day was.
  EXPECT_EQ(monthly_usage(700, 650, kTrialStart, kTrialStart + 30 * kDay), 700);
  EXPECT_EQ(monthly_usage(700, 650, kTrialStart, kTrialStart + 30 * kDay - Seconds{1}), 30 * 50.0);
}

TEST(Trial, WhatIsNotKnownIsNotGuessed) {
  EXPECT_FALSE(monthly_usage(std::nullopt, 1, kTrialStart, kTrialStart + kDay));
  EXPECT_FALSE(monthly_usage(1, 1, std::nullopt, kTrialStart + kDay));
  EXPECT_FALSE(monthly_usage(1, 1, kTrialStart, kTrialStart - Seconds{1}));
}

}  // namespace
}  // namespace usaged::core
