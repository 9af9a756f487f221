#pragma once

#include <map>
#include <memory>
#include <string>

#include "app/clock.h"
#include "app/daemon.h"
#include "app/log.h"
#include "core/config.h"
#include "sim/simulator.h"
#include "support/database.h"
#include "support/environment.h"
#include "support/wait.h"

namespace usaged::support {

// A simulated AWS, a clock, and a configuration that asks the one by the other.
struct World {
  explicit World(int accounts = 10, const std::string& faults = "") {
    options.organization.accounts = accounts;
    options.now = options.signing_now = [this] { return clock.now(); };
    if (!faults.empty()) options.faults = sim::parse_faults("faults", faults);
    config.database = database_in(folder);
    config.http.port = 0;
  }

  void start_simulator() {
    simulator = std::make_unique<sim::Simulator>(options);
    options.port = simulator->port();
    environment.emplace("AWS_ENDPOINT_URL", simulator->url());
    core::Target target;
    target.name = "t";
    target.regions = options.organization.regions;
    target.endpoint = simulator->url();
    if (config.targets.empty()) config.targets = {target};
  }

  app::Daemon::World daemon_world() { return daemon_world(*stop); }
  app::Daemon::World daemon_world(app::Stop& its_stop) {
    return {clock, its_stop, *log, support::environment(environment)};
  }

  // The daemon anew, as after a restart.
  app::Daemon& start_daemon() {
    daemon.reset();
    stop = std::make_unique<app::Stop>();
    daemon = std::make_unique<app::Daemon>(config, daemon_world());
    return *daemon;
  }

  TempFolder folder;
  app::ManualClock clock{core::from_unix(1772366400)};
  std::unique_ptr<app::Stop> stop = std::make_unique<app::Stop>();
  std::shared_ptr<app::Log> log = app::Log::quiet();
  std::map<std::string, std::string> environment{{"AWS_ACCESS_KEY_ID", "AKIASIMULATOR"},
                                                 {"AWS_SECRET_ACCESS_KEY", "simulator-secret"},
                                                 {"AWS_EC2_METADATA_DISABLED", "true"}};
  sim::SimulatorOptions options;
  core::Config config;
  std::unique_ptr<sim::Simulator> simulator;
  std::unique_ptr<app::Daemon> daemon;
};

}  // namespace usaged::support
