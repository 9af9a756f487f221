#pragma once

#include <chrono>
#include <ctime>
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

// How much of the processor's time this process takes while it has nothing to do for a third of a
// second: less than a hundredth of that, or all of it where a thread goes round without a rest.
inline std::chrono::milliseconds processor_time_at_rest() {
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds{333});
  return std::chrono::milliseconds{(std::clock() - before) * 1000 / CLOCKS_PER_SEC};
}

}  // namespace usaged::support
