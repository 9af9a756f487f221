#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>

#include "app/alerter.h"
#include "app/clock.h"
#include "app/collector.h"
#include "app/notifier.h"
#include "core/config.h"
#include "net/environment.h"
#include "store/store.h"
#include "web/metrics.h"
#include "web/server.h"

namespace usaged::app {

// The whole program but for its command line: store, collector, alerter, notifier and server.
class Daemon {
 public:
  // What it takes from outside.
  struct World {
    const Clock& clock;
    Stop& stop;
    spdlog::logger& log;
    net::Environment environment;
  };

  // Opens the store, notes what was cut short, and listens. Polls nothing yet.
  // Throws Error.
  Daemon(core::Config config, World world);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Polls, evaluates and sends, from now until the stop is requested.
  void start();
  // Waits for the threads to end what they are at. The stop must have been requested.
  void join();

  // Polls what is due now, evaluates, and sends: one round of what start() does all the time.
  void step();

  std::string url() const { return server_->url(); }
  int port() const { return server_->port(); }
  // True if every thread has shown life lately and the store answers.
  bool alive();
  // One line for `systemctl status`.
  std::string status_line();

 private:
  web::Actors actors();

  core::Config config_;
  World world_;
  store::Store store_;
  int interrupted_;  // polls that were cut short when the last process ended
  web::Counters counters_;
  std::atomic<bool> started_{false};
  std::unique_ptr<web::Server> server_;  // ends before what its requests may reach
  Collector collector_;
  Alerter alerter_;
  Notifier notifier_;
};

// What runs without a server: one round of polls, for the `poll` command.
std::vector<PollResult> poll_once(const core::Config& config,
                                  const std::vector<std::string>& targets,
                                  const Daemon::World& world);

}  // namespace usaged::app
