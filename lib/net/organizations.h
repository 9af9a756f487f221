#pragma once

#include <string>
#include <vector>

#include "net/aws.h"

// AWS Organizations' API, version 2016-11-28 (JSON 1.1).
namespace usaged::net {

struct OrganizationMember {
  std::string id;
  std::string name;
  std::string status;  // "ACTIVE", "SUSPENDED", "PENDING_CLOSURE" or what else comes
};

// ListAccounts, every page. Throws AwsError; `stats` is kept up either way.
std::vector<OrganizationMember> list_accounts(AwsClient& client, CallStats& stats);

}  // namespace usaged::net
