#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/time.h"
#include "net/sigv4.h"
#include "sim/message.h"

// Who asks the simulated AWS: long-term keys of its administrator, or sessions of roles that its
// STS has given. A session needs no memory: its token holds what it is, sealed.
namespace usaged::sim {

// The account that the long-term keys belong to: the organization's delegated administrator.
inline constexpr const char* kAdministrator = "123456789012";

struct Caller {
  std::string account;
  std::string arn;
  std::string region;   // of the signature
  std::string service;  // of the signature
  bool administrator() const { return account == kAdministrator; }
};

struct SessionKeys {
  net::sigv4::Credentials keys;
  core::Time expires;
};

class Identities {
 public:
  // `secret` seals sessions.
  Identities(net::sigv4::Credentials long_term, std::string secret)
      : long_term_(std::move(long_term)), secret_(std::move(secret)) {}

  // Keys of a session that acts as `arn` in `account` until `expires`.
  SessionKeys issue(const std::string& account, const std::string& arn, core::Time expires) const;

  // Checks a request's signature as AWS does, at its time `now`, for one of these services and
  // regions (no regions: any). Throws a Refusal.
  Caller authenticate(const Request& request, const std::vector<std::string>& services,
                      const std::vector<std::string>& regions, core::Time now) const;

 private:
  // The secret of a key and token, and whose they are. Throws a Refusal.
  std::string look_up(const std::string& access_key, const std::string& token, core::Time now,
                      Caller& caller) const;

  net::sigv4::Credentials long_term_;
  std::string secret_;
};

}  // namespace usaged::sim
