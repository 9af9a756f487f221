#pragma once

#include <string>

#include "core/time.h"
#include "net/aws.h"

// AWS Security Token Service's API, version 2011-06-15: form in, XML out.
namespace usaged::net {

struct RoleRequest {
  std::string role_arn;
  std::string session_name;
  std::string external_id;    // empty: none
  core::Seconds duration{0};  // 0: as STS has it, an hour
};

struct TemporaryCredentials {
  sigv4::Credentials keys;
  core::Time expires;
};

struct CallerIdentity {
  std::string account;
  std::string arn;
};

// Each throws AwsError; `stats` is kept up either way.
TemporaryCredentials assume_role(AwsClient& sts, const RoleRequest& request, CallStats& stats);
// Needs a client that does not sign. `token` is an OpenID Connect token.
TemporaryCredentials assume_role_with_web_identity(AwsClient& sts, const RoleRequest& request,
                                                   const std::string& token, CallStats& stats);
CallerIdentity get_caller_identity(AwsClient& sts, CallStats& stats);

}  // namespace usaged::net
