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

bool Stop::wait_for(milliseconds duration, const std::function<bool()>& come) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, duration, [&] { return flag_.load() || come(); });
  return !flag_;
}

void Stop::wake() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

milliseconds wait_until(const Clock& clock, core::Time until) {
  constexpr double kMostMs = 30000;  // at speed 1
  constexpr double kLeastMs = 10;
  const double speed = clock.speed();
  if (speed <= 0) return milliseconds{50};
  const double left = static_cast<double>((until - clock.now()).count()) / speed * 1000;
  return milliseconds{
      static_cast<std::int64_t>(std::clamp(left, kLeastMs, std::max(kLeastMs, kMostMs / speed)))};
}

}  // namespace usaged::app
