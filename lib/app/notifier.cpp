#include "app/notifier.h"

#include <spdlog/spdlog.h>

#include "core/error.h"
#include "core/text.h"
#include "net/webhook.h"

namespace usaged::app {
namespace {

constexpr std::chrono::milliseconds kPause{250};
constexpr int kAtATime = 100;

}  // namespace

Notifier::Notifier(const core::Config& config, World world) : config_(config), world_(world) {
  std::vector<std::string> names;
  for (const core::Receiver& receiver : config_.receivers) names.push_back(receiver.name);
  const int dropped = world_.store.drop_notifications(names, world_.clock.now());
  if (dropped > 0) {
    world_.log.warn("{} notifications were given up: their receivers are no longer configured",
                    dropped);
  }
}

Notifier::~Notifier() {
  if (!threads_.empty()) world_.stop.request();
  join();
}

void Notifier::start() {
  for (const core::Receiver& receiver : config_.receivers) {
    threads_.emplace_back([this, &receiver] {
      net::CurlClient http(world_.stop.flag(), "inspector-usaged");
      while (world_.stop.wait_for(kPause)) {
        try {
          deliver_due(receiver, http);
        } catch (const core::Error& e) {
          world_.log.error("receiver {}: {}", receiver.name, e.what());
          world_.stop.wait_for(std::chrono::seconds{5});
        }
      }
    });
  }
}

void Notifier::join() {
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

int Notifier::deliver_due() {
  net::CurlClient http(world_.stop.flag(), "inspector-usaged");
  int delivered = 0;
  for (const core::Receiver& receiver : config_.receivers) delivered += deliver_due(receiver, http);
  return delivered;
}

int Notifier::deliver_due(const core::Receiver& receiver, net::HttpClient& http) {
  int delivered = 0;
  for (const store::Notification& message :
       world_.store.due_notifications(receiver.name, world_.clock.now(), kAtATime)) {
    if (world_.stop.requested()) break;
    const store::Delivery delivery = attempt(receiver, message, http);
    // A request that a stop cut short was no attempt.
    if (world_.stop.requested() && delivery.state == store::DeliveryState::kPending) break;
    world_.store.record_delivery(message.id, delivery);
    switch (delivery.state) {
      case store::DeliveryState::kDelivered:
        ++delivered;
        world_.counters.notification_tried(receiver.name, "delivered");
        world_.log.info("receiver {}: {} delivered", receiver.name, message.uid);
        break;
      case store::DeliveryState::kPending:
        world_.counters.notification_tried(receiver.name, "retried");
        world_.log.warn("receiver {}: {} not delivered: {}; again at {}", receiver.name,
                        message.uid, delivery.error, core::format_time(delivery.next_attempt));
        break;
      case store::DeliveryState::kDead:
        world_.counters.notification_tried(receiver.name, "dead");
        world_.log.error("receiver {}: {} given up: {}", receiver.name, message.uid,
                         delivery.error);
        break;
    }
  }
  return delivered;
}

store::Delivery Notifier::attempt(const core::Receiver& receiver,
                                  const store::Notification& message, net::HttpClient& http) {
  net::DeliveryResult result;
  try {
    std::string secret;
    if (!receiver.secret_file.empty()) {
      secret = std::string(core::trim(core::read_file(receiver.secret_file, 4096)));
    }
    result = net::send_webhook(
        http, {receiver.url, secret, message.uid, message.body, world_.clock.now()});
  } catch (const core::Error& e) {  // the secret can't be read, or is none
    result.retry = true;
    result.error = e.what();
  }
  store::Delivery delivery;
  delivery.at = world_.clock.now();
  delivery.error = result.error;
  const core::Seconds wait = std::max(net::delivery_backoff(message.attempts + 1),
                                      result.retry_after.value_or(core::Seconds{0}));
  delivery.next_attempt = delivery.at + wait;
  if (result.delivered) {
    delivery.state = store::DeliveryState::kDelivered;
  } else if (!result.retry || delivery.next_attempt > message.created + net::kDeliveryPatience) {
    delivery.state = store::DeliveryState::kDead;
  }
  return delivery;
}

}  // namespace usaged::app
