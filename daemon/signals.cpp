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

void wait_for_signal(app::Stop& stop, std::optional<core::Seconds> limit,
                     const std::function<void()>& tick, const std::function<void()>& hangup) {
  const sigset_t set = ending_signals();
  const auto start = std::chrono::steady_clock::now();
  while (!limit || std::chrono::steady_clock::now() - start < *limit) {
    const timespec second{1, 0};
    const int signal = sigtimedwait(&set, nullptr, &second);
    if (signal == SIGHUP && hangup) {
      hangup();
    } else if (signal > 0) {
      break;
    }
    if (tick) tick();
  }
  stop.request();
}

}  // namespace usaged::daemon
