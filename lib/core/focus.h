#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "core/time.h"

// Costs in the format of the FinOps Open Cost and Usage Specification, FOCUS 1.2
// (https://focus.finops.org/focus-specification/v1-2/).
namespace usaged::core {

// What one series cost on one day, as estimated from AWS's sums of 30 days.
struct Charge {
  std::int64_t day = 0;  // since the epoch
  std::string account;
  std::string account_name;  // empty: not known
  Tags tags;                 // of the account
  std::string region;
  std::string usage_type;
  std::string provider;  // AWS's cloudProvider; empty: not told
  std::string currency;
  double cost = 0;
  double cost_low = 0;
  std::optional<double> cost_high{};  // nullopt: nothing bounds it
  std::string tag;                    // "exact", "bounded" or "gap", of the cost
  std::optional<double> usage{};
};

// The 21 mandatory columns of FOCUS 1.2; ConsumedQuantity, ConsumedUnit, RegionId, RegionName,
// ServiceSubcategory, SubAccountId, SubAccountName and Tags; and our own: x_Estimate (always true:
// AWS bills by other numbers), x_EstimateTag, x_CostLow, x_CostHigh, x_UsageType, x_CloudProvider.
std::vector<std::string> focus_columns();

std::string focus_header();  // of CSV, with its line break
// `billing_account` is who pays; empty: the account itself, as AWS does not tell. List, contracted,
// effective and billed cost are the same number: AWS tells one.
std::string focus_csv(const Charge& charge, const std::string& billing_account);
std::string focus_ndjson(const Charge& charge, const std::string& billing_account);

}  // namespace usaged::core
