#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "core/time.h"

namespace usaged::app {

// What time it is. Everything below app gets the time as an argument.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual core::Time now() const = 0;
  // How many of its seconds pass in a real one; 0 if it stands still.
  virtual double speed() const { return 1; }
};

// The machine's.
class SystemClock : public Clock {
 public:
  core::Time now() const override;
};

// One that stands still until it is set, or runs faster than the world: for tests and the demo.
// Safe for every thread.
class ManualClock : public Clock {
 public:
  explicit ManualClock(core::Time t) : base_(t) {}
  core::Time now() const override;
  double speed() const override;
  void set(core::Time t);
  // From now on, `speed` of its seconds pass in a real one.
  void run(double speed);

 private:
  mutable std::mutex mutex_;
  core::Time base_;
  std::chrono::steady_clock::time_point since_;
  double speed_ = 0;
};

// Tells every thread of the program to end, and wakes those that wait for something to do.
class Stop {
 public:
  void request();
  bool requested() const { return flag_; }
  // For what looks at a flag.
  const std::atomic<bool>* flag() const { return &flag_; }
  // Waits in real time; false if it was told to stop.
  bool wait_for(std::chrono::milliseconds duration) {
    return wait_for(duration, [] { return false; });
  }
  // The same, or until `come`, which is looked at after each wake().
  bool wait_for(std::chrono::milliseconds duration, const std::function<bool()>& come);
  void wake();

 private:
  std::atomic<bool> flag_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
};

// How long to wait, in real time, until `until` has come: never more than 30 of the clock's
// seconds, so that one that jumps is noticed.
std::chrono::milliseconds wait_until(const Clock& clock, core::Time until);

}  // namespace usaged::app
