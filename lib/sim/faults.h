#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/time.h"

namespace usaged::sim {

// What the simulated Inspector does wrong.
enum class FaultKind {
  kThrottle,       // 429 ThrottlingException
  kServerError,    // 500 InternalServerException
  kUnavailable,    // 503 with a page of HTML
  kDenied,         // 403 AccessDeniedException
  kExpiredToken,   // 403 ExpiredTokenException
  kHang,           // says nothing for `duration`, then answers
  kCut,            // breaks off in the middle of the reply
  kGarbage,        // 200, but no JSON
  kEmpty,          // 200, without a body
  kRepeatedToken,  // the same nextToken for ever
  kUnknownType,    // a usage type that nobody has heard of
  kNullMembers,    // null and absent members
  kStraddle,       // accounts that begin on one page and end on the next
};

struct Fault {
  FaultKind kind;
  std::string service = "inspector2";
  std::string region;      // empty: every one
  std::string account;     // of the role that asks or is asked for; empty: every one
  double probability = 1;  // of each request
  int after = 0;           // so many of the requests that are meant pass first
  int every = 1;           // of the others, each n-th
  int count = 0;           // so many times; 0: for ever
  std::optional<core::Seconds> retry_after;
  core::Seconds duration{30};
};

// Reads a plan: a YAML file with `faults:`, a list of maps with `kind` (throttle, server_error,
// unavailable, denied, expired_token, hang, cut, garbage, empty, repeated_token, unknown_type,
// null_members, straddle) and, each optional, `service` (inspector2, which means ListUsageTotals,
// trials, sts, organizations, metadata or container), `region`, `account`, `probability` (0 to 1),
// `after`, `every`, `count`, `retry_after` and `duration`. Throws Error(kConfig) with all its
// errors.
std::vector<Fault> parse_faults(const std::string& name, const std::string& text);

// Decides for each request which faults it meets. Safe for every thread.
class FaultPlan {
 public:
  FaultPlan(std::vector<Fault> faults, std::uint64_t seed)
      : faults_(std::move(faults)), met_(faults_.size()), done_(faults_.size()), random_(seed) {}

  // `region` and `account` are empty where the service has none.
  std::vector<Fault> next(const std::string& service, const std::string& region,
                          const std::string& account);

 private:
  std::mutex mutex_;
  std::vector<Fault> faults_;
  std::vector<int> met_;
  std::vector<int> done_;
  std::uint64_t random_;
};

}  // namespace usaged::sim
