#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace usaged::support {

// True as soon as `condition` is; false after twenty seconds.
inline bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  return condition();
}

}  // namespace usaged::support
