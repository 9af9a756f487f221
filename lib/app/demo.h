#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/clock.h"
#include "app/daemon.h"
#include "app/log.h"
#include "core/config.h"
#include "core/time.h"
#include "sim/simulator.h"

namespace usaged::app {

struct DemoOptions {
  std::string database;  // the file must not exist
  int port = 10330;      // 0: any free one
  int accounts = 50;
  int days = 90;  // of history
  std::uint64_t seed = 1;
  double speed = 1800;  // of the clock, once live: half an hour a second
};

// The whole daemon before a simulated Inspector in the same process: history is collected through
// HTTP, signatures, parser and store by moving the clock, and then goes on live, faster than the
// world. Soon after that, one account's usage jumps. Another's did so in the history, and left the
// window since.
class Demo {
 public:
  Demo(DemoOptions options, Stop& stop, Log& log);

  // Collects the history; tells how much of it is there, from 0 to 1.
  void collect_history(const std::function<void(double)>& progress);
  // Lets the clock run.
  void go_live();

  std::string url() const { return daemon_->url(); }
  std::string database() const { return config_.database; }
  const sim::Simulator& simulator() const { return simulator_; }
  core::Time now() const { return clock_.now(); }
  // The account whose usage will jump.
  const std::string& surging_account() const { return surge_.account; }

 private:
  DemoOptions options_;
  Stop& stop_;
  core::Time live_from_;
  ManualClock clock_;
  sim::Surge surge_;
  sim::Simulator simulator_;
  core::Config config_;
  std::unique_ptr<Daemon> daemon_;
};

}  // namespace usaged::app
