#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/alerter.h"
#include "app/claims.h"
#include "app/clock.h"
#include "app/collector.h"
#include "app/log.h"
#include "app/notifier.h"
#include "core/config.h"
#include "net/environment.h"
#include "store/store.h"
#include "web/metrics.h"
#include "web/server.h"

namespace usaged::app {

// The whole program but for its command line: store, server, and what works by a configuration.
class Daemon {
 public:
  // What it takes from outside.
  struct World {
    const Clock& clock;
    Stop& stop;
    Log& log;
    net::Environment environment;
    // Reads the configuration anew, for a reload; throws Error. Empty: there is none to read.
    std::function<core::Config()> configuration{};
    // Sockets of the service manager to serve at, instead of those of the configuration.
    std::vector<int> sockets{};
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

  // Reads the configuration, and goes by it from now on: targets, accounts, rules, receivers, what
  // the server lets in, the log's level. Polls that are under way end by the old one. A bad
  // configuration, or one that differs in what takes a restart, changes nothing: it is logged,
  // counted, shown by `status`, and thrown as Error.
  void reload();

  // Polls what is due now, evaluates, and sends: one round of what start() does all the time.
  void step();

  std::string url() const { return server_->url(); }
  int port() const { return server_->port(); }
  // True if every thread has shown life lately and the store answers; a server may be away.
  bool alive();
  // Throws Error once there is no going on: if polls, alerts or messages met damage in the
  // database, which another start gets over, or if a newer program has migrated it.
  void check() const;
  // One line for `systemctl status`.
  std::string status_line();

 private:
  // What works by one configuration.
  struct Generation;

  std::shared_ptr<Generation> current() const;
  void serve(core::Config config);
  void apply(core::Config config);
  void lead();
  std::string summary();
  web::Actors actors();

  World world_;
  store::Store store_;
  web::Counters counters_;
  Claims claims_{
      [this](const std::string& target) { return store_.holds(store::target_duty(target)); }};
  std::atomic<bool> started_{false};
  std::thread leading_;  // renews leases, where several daemons share the store
  std::unique_ptr<store::Reader> observer_;
  std::string revision_;      // of the store, as it saw it last
  mutable std::mutex mutex_;  // of the two below
  std::shared_ptr<Generation> current_;
  std::optional<core::Error> end_;  // why there is no going on
  std::mutex reloading_;
  std::vector<std::future<void>> ending_;  // generations that end their polls
  // The last that is made, and the first to go: its requests may reach all the rest.
  std::unique_ptr<web::Server> server_;
};

// Where a daemon with this configuration is found on this machine: unix:PATH, http://... or
// https://...
std::string local_url(const core::Config::Http& http);

// What links in alerts begin with: what is configured, else where the daemon is itself.
std::string external_url(const core::Config::Http& http, const std::string& own);

// What runs without a server: one round of polls, for the `poll` command.
std::vector<PollResult> poll_once(const core::Config& config,
                                  const std::vector<std::string>& targets,
                                  const Daemon::World& world);

}  // namespace usaged::app
