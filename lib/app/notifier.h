#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/clock.h"
#include "app/log.h"
#include "app/sender.h"
#include "core/config.h"
#include "net/environment.h"
#include "store/store.h"
#include "web/metrics.h"

namespace usaged::app {

// Tells receivers of alerts: makes messages of what is in the outbox (core/dispatch.h), and sends
// each until it is delivered, or dead after a day of attempts. Each receiver has a thread of its
// own, so that a slow one holds up no other. A crash between sending and marking sends again, with
// the same id.
class Notifier {
 public:
  struct World {
    store::Store& store;
    const Clock& clock;
    web::Counters& counters;
    Stop& stop;   // takes on nothing new
    Stop& abort;  // gives up what is under way
    Log& log;
    net::Environment environment;
    std::string external_url;
  };

  // The configuration must outlive it. Messages for receivers that are gone are given up.
  Notifier(const core::Config& config, World world);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  void start();
  void join();

  // Alerts, silences or acknowledgements have changed.
  void notice();
  // A round of polls has ended: pings go out.
  void polled();

  // Makes and tries everything that is due now, once, without waiting for more to tell together;
  // how many messages were delivered.
  int deliver_due();

 private:
  // What the thread of a receiver has in its hands.
  struct Line {
    explicit Line(const core::Receiver& r) : receiver(&r) {}
    const core::Receiver* receiver;
    std::unique_ptr<Sender> sender;
    std::unique_ptr<store::Reader> reader;
    std::atomic<bool> news{true};
    std::atomic<bool> polled{false};
    std::optional<core::Time> next;        // when there is something to make, if nothing happens
    std::optional<core::Time> digest_for;  // which of its times has been looked at
    // Of an Alertmanager: when it was told last of all that fires.
    std::optional<core::Time> resent;
    std::thread thread;
  };

  int serve(Line& line, bool at_once);
  core::Time next_due(const Line& line);
  void compose(Line& line, bool at_once, core::Time now);
  void compose_digest(Line& line, core::Time now);
  void resend(Line& line, core::Time now);
  void send_ping(Line& line);
  int deliver(Line& line);
  store::Delivery attempt(Line& line, const store::Notification& message);

  const core::Config& config_;
  World world_;
  std::vector<std::unique_ptr<Line>> lines_;
};

// Sends a sample to the receiver of that name, past any outbox; what came back. Throws
// Error(kInvalid) if there is none, or Error(kConfig) if a secret can't be read.
net::DeliveryResult test_notify(const std::string& receiver, const std::string& external_url,
                                const Sender::World& world);

}  // namespace usaged::app
