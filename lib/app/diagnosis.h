#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/aws.h"
#include "core/config.h"

namespace usaged::app {

// What one call of AWS came to.
struct Check {
  std::string action;   // in IAM's terms, "inspector2:ListUsageTotals"
  std::string error{};  // for people; empty: it is allowed
  bool denied = false;
};

// Who a target is in one region, and what they may do.
struct Finding {
  std::string target;
  std::string region;
  std::string account;   // whose role, if there is one for each
  std::string provider;  // of the credentials; empty: none were found
  std::string arn;       // as GetCallerIdentity has it; empty: not known
  std::string error;     // why there are no credentials, or nobody knows whose they are
  std::vector<Check> checks;
  std::optional<core::Seconds> clock_skew;

  bool good() const;
  std::vector<std::string> missing_actions() const;
};

// A policy for IAM, the least that a target needs.
struct Policy {
  std::string target;
  std::string purpose;  // for people: whom it is for
  nlohmann::ordered_json document;
};

// Asks AWS, as each target in each of its regions, who it is and whether it may do what it will
// want. With a role for each account: every account in the first region, the first in the others.
std::vector<Finding> diagnose(const core::Config& config, Aws& aws);

std::vector<Policy> least_policies(const core::Target& target);

}  // namespace usaged::app
