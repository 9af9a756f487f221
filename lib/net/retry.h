#pragma once

#include <chrono>
#include <mutex>
#include <optional>

#include "net/http.h"

// The standard retry mode of the AWS SDKs (as it has been their default since 2026-11-10).
namespace usaged::net {

enum class RetryKind {
  kNone,       // trying again would give the same
  kTransient,  // connection errors, time-outs, 5xx
  kThrottling,
};

inline constexpr int kMostAttempts = 3;

// What a client may spend on retries, so that many failing calls don't become three times as many.
// Shared by the calls of one identity and region. Safe for every thread.
class RetryQuota {
 public:
  // Takes what one retry costs; false if not enough is left.
  bool acquire(RetryKind kind);
  // Gives back after a success: what its last retry took, or 1 if there was none.
  void release(std::optional<RetryKind> last_retry);
  int available() const;

 private:
  mutable std::mutex mutex_;
  int tokens_ = 500;
};

// The delay before retry `retry` (0 is the first): random01 * min(B * 2^retry, 20 s), B = 50 ms for
// transient errors and 1 s for throttling.
std::chrono::milliseconds backoff(RetryKind kind, int retry, double random01);

// The delay that the server's hints make of `computed`: x-amz-retry-after (milliseconds), else
// Retry-After (seconds): max(computed, min(hint, computed + 5 s)).
std::chrono::milliseconds with_hint(std::chrono::milliseconds computed, const HttpReply& reply);

}  // namespace usaged::net
