#pragma once

#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace usaged::app {

// Which targets and regions are being polled, by whichever collector: while one collector ends what
// it is at, another may have begun. Safe for every thread.
class Claims {
 public:
  using Scope = std::pair<std::string, std::string>;  // target, region

  // False if it is taken.
  bool take(const Scope& scope) {
    const std::lock_guard lock(mutex_);
    return taken_.insert(scope).second;
  }
  void give_back(const Scope& scope) {
    const std::lock_guard lock(mutex_);
    taken_.erase(scope);
  }
  bool taken(const Scope& scope) const {
    const std::lock_guard lock(mutex_);
    return taken_.contains(scope);
  }

 private:
  mutable std::mutex mutex_;
  std::set<Scope> taken_;
};

}  // namespace usaged::app
