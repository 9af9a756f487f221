#include "net/retry.h"

#include <algorithm>

namespace usaged::net {
namespace {

using std::chrono::milliseconds;

constexpr int kMostTokens = 500;
constexpr double kMostBackoffMs = 20000;
constexpr std::int64_t kLongestHint = 86400000;
constexpr milliseconds kMostBeyond{5000};

int cost(RetryKind kind) { return kind == RetryKind::kThrottling ? 5 : 14; }

std::optional<milliseconds> hint(const HttpReply& reply) {
  const auto number = [&](const std::string& name) -> std::optional<std::int64_t> {
    const auto value = reply.number(name);
    return value ? std::optional(std::min(*value, kLongestHint)) : std::nullopt;
  };
  if (const auto value = number("x-amz-retry-after")) return milliseconds{*value};
  if (const auto value = number("retry-after")) return milliseconds{*value * 1000};
  return std::nullopt;
}

}  // namespace

bool RetryQuota::acquire(RetryKind kind) {
  const std::lock_guard lock(mutex_);
  if (kind == RetryKind::kNone || tokens_ < cost(kind)) return false;
  tokens_ -= cost(kind);
  return true;
}

void RetryQuota::release(std::optional<RetryKind> last_retry) {
  const std::lock_guard lock(mutex_);
  tokens_ = std::min(kMostTokens, tokens_ + (last_retry ? cost(*last_retry) : 1));
}

int RetryQuota::available() const {
  const std::lock_guard lock(mutex_);
  return tokens_;
}

milliseconds backoff(RetryKind kind, int retry, double random01) {
  const double base = kind == RetryKind::kThrottling ? 1000 : 50;
  const double most =
      std::min(base * static_cast<double>(1 << std::min(retry, 20)), kMostBackoffMs);
  return milliseconds{static_cast<std::int64_t>(random01 * most)};
}

milliseconds with_hint(milliseconds computed, const HttpReply& reply) {
  const auto wanted = hint(reply);
  if (!wanted) return computed;
  return std::max(computed, std::min(*wanted, computed + kMostBeyond));
}

}  // namespace usaged::net
