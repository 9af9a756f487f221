#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "app/clock.h"
#include "app/log.h"
#include "app/rules.h"
#include "core/alert.h"
#include "core/config.h"
#include "store/history.h"
#include "store/store.h"

namespace usaged::app {

// Puts what is stored before the rules, and stores what becomes of the alerts together with whom
// has to be told.
class Alerter {
 public:
  struct World {
    store::Store& store;
    const Clock& clock;
    Stop& stop;
    Log& log;
    std::function<bool()> quiet;  // no poll is under way, so one evaluation serves for several
    std::function<void()> evaluated{};  // called after each evaluation
  };

  // The configuration must outlive it.
  Alerter(const core::Config& config, World world);
  ~Alerter();
  Alerter(const Alerter&) = delete;
  Alerter& operator=(const Alerter&) = delete;

  // Evaluates soon after each notice(), until the stop is requested and join() has returned.
  void start();
  void join();
  // There is something new in the store.
  void notice();

  // Evaluates every rule now. Throws Error(kStorage).
  void evaluate();

 private:
  void work();
  void evaluate(const core::Rule& rule, const std::vector<core::Alert>& open, core::Time now,
                std::vector<store::AlertTransition>& transitions);
  // Whom a rule tells.
  std::vector<std::string> receivers_of(const std::string& rule_name) const;

  const core::Config& config_;
  World world_;
  store::Reader reader_;
  RuleMemory memory_;
  std::atomic<bool> dirty_ = false;
  std::thread thread_;
};

}  // namespace usaged::app
