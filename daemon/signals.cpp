#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>

#include "daemon/commands.h"

namespace usaged::daemon {
namespace {

// A lost terminal ends it too, unless SIGHUP means something else.
sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

void block_signals() {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int wait_for_signal(std::optional<core::Seconds> limit) {
  using std::chrono::steady_clock;
  const sigset_t set = ending_signals();
  const auto end = steady_clock::now() + limit.value_or(core::Seconds{0});
  int signal = -1;
  // Being stopped and continued interrupts it.
  do {
    if (!limit) {
      signal = sigwaitinfo(&set, nullptr);
      continue;
    }
    const auto left = std::max(end - steady_clock::now(), steady_clock::duration{0});
    const auto whole = std::chrono::floor<core::Seconds>(left);
    const timespec time{whole.count(), std::chrono::nanoseconds{left - whole}.count()};
    signal = sigtimedwait(&set, nullptr, &time);
  } while (signal < 0 && errno == EINTR);
  return std::max(signal, 0);
}

}  // namespace usaged::daemon
