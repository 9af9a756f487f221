#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace usaged::app {

// Which targets and regions are being polled, by whichever collector: while one collector ends what
// it is at, another may have begun; and of daemons that share a store, another may have the target.
// Safe for every thread.
class Claims {
 public:
  using Scope = std::pair<std::string, std::string>;  // target, region

  // `ours` tells whether a target is this process's to poll; without it all are.
  explicit Claims(std::function<bool(const std::string&)> ours = {}) : ours_(std::move(ours)) {}

  bool ours(const std::string& target) const { return !ours_ || ours_(target); }

  // False if it is taken.
  bool take(const Scope& scope) {
    if (!ours(scope.first)) return false;
    const std::lock_guard lock(mutex_);
    return taken_.insert(scope).second;
  }
  void give_back(const Scope& scope) {
    const std::lock_guard lock(mutex_);
    taken_.erase(scope);
  }
  bool taken(const Scope& scope) const {
    if (!ours(scope.first)) return true;
    const std::lock_guard lock(mutex_);
    return taken_.contains(scope);
  }

  // Nothing of a target is being polled here.
  bool idle(const std::string& target) const {
    const std::lock_guard lock(mutex_);
    const auto first = taken_.lower_bound({target, ""});
    return first == taken_.end() || first->first != target;
  }

 private:
  const std::function<bool(const std::string&)> ours_;
  mutable std::mutex mutex_;
  std::set<Scope> taken_;
};

}  // namespace usaged::app
