#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdlib>
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

// How much of the processor's time a process takes, this one or another, while it has nothing to do
// for a third of a second: less than a hundredth of that, or all of it where a thread goes round
// without a rest.
inline std::chrono::milliseconds processor_time_at_rest(pid_t process = 0) {
  clockid_t clock = 0;
  if (clock_getcpuclockid(process, &clock) != 0) std::abort();
  const auto taken = [clock] {
    timespec time{};
    clock_gettime(clock, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
  };
  const auto before = taken();
  std::this_thread::sleep_for(std::chrono::milliseconds{333});
  return std::chrono::duration_cast<std::chrono::milliseconds>(taken() - before);
}

}  // namespace usaged::support
