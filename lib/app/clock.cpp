#include "app/clock.h"

#include <algorithm>
#include <cmath>

namespace usaged::app {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

core::Time SystemClock::now() const {
  return std::chrono::floor<core::Seconds>(std::chrono::system_clock::now());
}

core::Time ManualClock::now() const {
  const std::lock_guard lock(mutex_);
  if (speed_ == 0) return base_;
  const std::chrono::duration<double> passed = steady_clock::now() - since_;
  return base_ + core::Seconds{static_cast<std::int64_t>(passed.count() * speed_)};
}

double ManualClock::speed() const {
  const std::lock_guard lock(mutex_);
  return speed_;
}

void ManualClock::set(core::Time t) {
  const std::lock_guard lock(mutex_);
  base_ = t;
  since_ = steady_clock::now();
}

void ManualClock::run(double speed) {
  const core::Time t = now();
  const std::lock_guard lock(mutex_);
  base_ = t;
  since_ = steady_clock::now();
  speed_ = speed;
}

void Stop::request() {
  const std::lock_guard lock(mutex_);
  flag_ = true;
  changed_.notify_all();
}

bool Stop::wait_for(milliseconds duration) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, duration, [this] { return flag_.load(); });
}

milliseconds wait_until(const Clock& clock, core::Time until) {
  constexpr double kMostMs = 1000;
  constexpr double kLeastMs = 10;
  const double speed = clock.speed();
  if (speed <= 0) return milliseconds{50};
  const double left = static_cast<double>((until - clock.now()).count()) / speed * 1000;
  return milliseconds{static_cast<std::int64_t>(std::clamp(left, kLeastMs, kMostMs))};
}

}  // namespace usaged::app
