#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <thread>
#include <vector>

#include "app/clock.h"
#include "core/config.h"
#include "net/http.h"
#include "store/store.h"
#include "web/metrics.h"

namespace usaged::app {

// Sends what is in the outbox until it is delivered, or dead after a day of attempts. Each receiver
// has a thread of its own, so that a slow one holds up no other. A crash between sending and
// marking sends again, with the same id.
class Notifier {
 public:
  struct World {
    store::Store& store;
    const Clock& clock;
    web::Counters& counters;
    Stop& stop;
    spdlog::logger& log;
  };

  // The configuration must outlive it. Messages for receivers that are gone are given up.
  Notifier(const core::Config& config, World world);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  void start();
  void join();

  // Tries everything that is due now, once; how many were delivered.
  int deliver_due();

 private:
  int deliver_due(const core::Receiver& receiver, net::HttpClient& http);
  store::Delivery attempt(const core::Receiver& receiver, const store::Notification& message,
                          net::HttpClient& http);

  const core::Config& config_;
  World world_;
  std::vector<std::thread> threads_;
};

}  // namespace usaged::app
