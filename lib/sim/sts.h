#pragma once

#include <string>

#include "core/time.h"
#include "sim/identity.h"
#include "sim/message.h"
#include "sim/organization.h"

namespace usaged::sim {

// What the simulated STS wants beside a good signature.
struct StsOptions {
  std::string external_id;  // of AssumeRole; empty: any
  std::string web_identity_token = "simulator-web-identity-token";
};

// The simulated STS: AssumeRole, AssumeRoleWithWebIdentity (the one that is not signed) and
// GetCallerIdentity. Every role may be assumed that is in an account of the organization or of its
// administrator.
class Sts {
 public:
  Sts(const Identities& identities, const Organization& organization, StsOptions options)
      : identities_(identities), organization_(organization), options_(std::move(options)) {}

  static bool is_signed(const Request& request);  // whether the action that is asked for is
  // The account of the role that is asked for; "" if none is.
  static std::string role_account(const Request& request);
  // Throws a Refusal. `caller` counts for signed actions.
  Reply answer(const Caller& caller, const Request& request, core::Time now) const;

 private:
  Reply session(const std::string& action, const Request& request, core::Time now) const;

  const Identities& identities_;
  const Organization& organization_;
  StsOptions options_;
};

}  // namespace usaged::sim
