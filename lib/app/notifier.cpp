#include "app/notifier.h"

#include <algorithm>

#include "app/notices.h"
#include "app/thread.h"
#include "core/error.h"
#include "core/text.h"
#include "net/payload.h"

namespace usaged::app {
namespace {

using core::ReceiverKind;
using core::Time;

constexpr int kAtATime = 100;
constexpr int kPingAttempts = 3;

}  // namespace

Notifier::Notifier(const core::Config& config, World world)
    : config_(config), world_(std::move(world)) {
  std::vector<std::string> names;
  for (const core::Receiver& receiver : config_.receivers) {
    names.push_back(receiver.name);
    auto line = std::make_unique<Line>(receiver);
    line->sender = std::make_unique<Sender>(
        receiver, Sender::World{config_, world_.clock, world_.abort, world_.environment});
    line->reader = std::make_unique<store::Reader>(world_.store.path());
    lines_.push_back(std::move(line));
  }
  const int dropped = world_.store.drop_notifications(names, world_.clock.now());
  if (dropped > 0) {
    world_.log.warn("notifications given up: their receivers are no longer configured",
                    {{"count", dropped}});
  }
}

Notifier::~Notifier() {
  if (std::ranges::any_of(lines_, [](const auto& line) { return line->thread.joinable(); })) {
    world_.stop.request();
  }
  join();
}

void Notifier::start() {
  for (const auto& line : lines_) {
    Line& self = *line;
    self.thread = std::thread([this, &self] {
      name_thread("send");
      auto pause = std::chrono::milliseconds{0};
      while (world_.stop.wait_for(pause, [&self] { return self.news || self.polled; })) {
        try {
          serve(self, false);
          pause = wait_until(world_.clock, next_due(self));
        } catch (const std::exception& e) {
          world_.store.note(e);
          self.news = true;  // what it was at has to be done yet
          world_.log.error("delivery broke off",
                           {{"receiver", self.receiver->name}, {"error", e.what()}});
          world_.stop.wait_for(std::chrono::seconds{5});
        }
      }
    });
  }
}

void Notifier::join() {
  for (const auto& line : lines_) {
    if (line->thread.joinable()) line->thread.join();
  }
}

void Notifier::notice() {
  for (const auto& line : lines_) line->news = true;
  world_.stop.wake();
}

void Notifier::polled() {
  for (const auto& line : lines_) {
    line->news = true;
    line->polled = true;
  }
  world_.stop.wake();
}

int Notifier::deliver_due() {
  int delivered = 0;
  for (const auto& line : lines_) {
    line->news = true;
    delivered += serve(*line, true);
  }
  return delivered;
}

int Notifier::serve(Line& line, bool at_once) {
  const bool polled = line.polled.exchange(false);
  if (!world_.store.holds(store::receiver_duty(line.receiver->name))) {
    line.news = false;
    return 0;
  }
  if (line.receiver->kind == ReceiverKind::kPing) {
    line.news = false;
    if (polled) send_ping(line);
    return 0;
  }
  const Time now = world_.clock.now();
  if (line.news.exchange(false) || (line.next && *line.next <= now)) {
    compose(line, at_once, now);
  }
  if (line.receiver->digest != core::Digest::kNever) compose_digest(line, now);
  const int delivered = deliver(line);
  if (line.receiver->kind == ReceiverKind::kAlertmanager) resend(line, now);
  return delivered;
}

// When there is something to do, if nothing happens.
Time Notifier::next_due(const Line& line) {
  const core::Receiver& receiver = *line.receiver;
  const Time now = world_.clock.now();
  Time due = now + core::kDay;
  if (receiver.kind == ReceiverKind::kPing) return due;
  if (!world_.store.holds(store::receiver_duty(receiver.name))) return due;
  const auto consider = [&due](std::optional<Time> t) {
    if (t) due = std::min(due, *t);
  };
  consider(line.next);
  consider(world_.store.next_attempt(receiver.name));
  if (receiver.digest != core::Digest::kNever)
    consider(digest_slot(receiver, now) + digest_span(receiver));
  if (line.resent) consider(*line.resent + net::kAlertmanagerResend);
  return due;
}

void Notifier::compose(Line& line, bool at_once, Time now) {
  const core::Receiver& receiver = *line.receiver;
  core::DispatchInput input = world_.store.outbox(receiver.name);
  // Others' alerts are none of its group, unless it was told of them.
  std::erase_if(input.alerts, [&](const auto& entry) {
    const core::Alert& alert = entry.second;
    if (input.told.contains(alert.id)) return false;
    return std::ranges::none_of(input.untold,
                                [&](const core::Untold& one) { return one.alert == alert.id; });
  });
  core::Receiver grouping = receiver;
  if (at_once) grouping.group_wait = core::Seconds{0};
  if (receiver.kind == ReceiverKind::kAlertmanager) {
    // It groups, waits and repeats by itself.
    grouping.group_by.clear();
    grouping.group_wait = core::Seconds{0};
    grouping.repeat_interval = core::Seconds{0};
  }
  const core::DispatchPlan plan =
      core::plan_dispatches(grouping, config_.rules, world_.store.silences(now), input, now);
  line.next = plan.next;
  world_.store.drop_events(receiver.name, plan.dropped, now);
  const NoticeSource source{config_, *line.reader, world_.external_url};
  for (const core::Dispatch& dispatch : plan.dispatches) {
    std::vector<core::Alert> alerts;
    for (const std::int64_t id : dispatch.alerts) alerts.push_back(input.alerts.at(id));
    store::Notification message;
    message.receiver = receiver.name;
    message.group_key = dispatch.group_key;
    message.reason = core::dispatch_reason_name(dispatch.reason);
    message.created = now;
    message.body = net::render(receiver.kind, make_notice(source, receiver, dispatch, alerts, now));
    message.uid =
        "msg_" +
        core::hex(core::sha256(fmt::format("{}\n{}\n{}\n{}", receiver.name, dispatch.group_key,
                                           core::unix_seconds(now), message.body)))
            .substr(0, 32);
    world_.store.compose(message, dispatch.events);
    // Whoever repeats needs to be asked again in time.
    if (grouping.repeat_interval.count() > 0) {
      const Time again = now + grouping.repeat_interval;
      line.next = std::min(line.next.value_or(again), again);
    }
  }
}

void Notifier::compose_digest(Line& line, Time now) {
  const core::Receiver& receiver = *line.receiver;
  if (core::muted(receiver.mute, now)) return;
  const Time slot = digest_slot(receiver, now);
  if (line.digest_for == slot) return;
  // The first is due once there is something to tell of.
  const auto last = world_.store.last_message(receiver.name, kDigestKey);
  const Time since = last ? *last : world_.store.first_poll().value_or(now);
  if (since >= slot) {
    line.digest_for = slot;
    return;
  }
  std::vector<core::Alert> firing = world_.store.open_alerts();
  std::erase_if(firing,
                [](const core::Alert& alert) { return alert.state != core::AlertState::kFiring; });
  const core::Seconds span = digest_span(receiver);
  const NoticeSource source{config_, *line.reader, world_.external_url};
  store::Notification message;
  message.receiver = receiver.name;
  message.group_key = kDigestKey;
  message.reason = "digest";
  message.created = now;
  message.body = net::render(
      receiver.kind,
      make_digest(source, receiver, firing, world_.store.resolved_since(now - span), now));
  message.uid = "msg_" + core::hex(core::sha256(fmt::format("{}\ndigest\n{}", receiver.name,
                                                            core::unix_seconds(slot))))
                             .substr(0, 32);
  world_.store.compose(message, {});
  line.digest_for = slot;
}

// An Alertmanager forgets what it is not told again.
void Notifier::resend(Line& line, Time now) {
  if (line.resent && now - *line.resent < net::kAlertmanagerResend && now >= *line.resent) return;
  line.resent = now;
  const core::Receiver& receiver = *line.receiver;
  if (core::muted(receiver.mute, now)) return;
  const core::DispatchInput input = world_.store.outbox(receiver.name);
  const std::vector<core::Silence> silences = world_.store.silences(now);
  std::vector<core::Alert> alerts;
  const auto add = [&](const core::Alert& alert) {
    const core::Labels labels = core::notice_labels(alert, core::rule_of(alert, config_.rules));
    if (!core::silenced_until(silences, labels, now)) alerts.push_back(alert);
  };
  for (const auto& [id, alert] : input.alerts) {
    if (input.told.contains(id) && alert.state == core::AlertState::kFiring) add(alert);
  }
  if (receiver.send_resolved) {
    for (const core::Alert& alert : world_.store.resolved_since(now - net::kAlertmanagerResolved)) {
      if (world_.store.was_told(receiver.name, alert.id)) add(alert);
    }
  }
  if (alerts.empty()) return;
  const NoticeSource source{config_, *line.reader, world_.external_url};
  const std::string body =
      net::render(receiver.kind, make_notice(source, receiver, core::Dispatch{}, alerts, now));
  const net::DeliveryResult result = line.sender->send("resend", "", body);
  if (!result.delivered) {
    world_.log.warn("what fires could not be told again",
                    {{"receiver", receiver.name}, {"error", result.error}});
  }
}

void Notifier::send_ping(Line& line) {
  std::vector<std::string> failing;
  for (const store::ScopeRow& scope : line.reader->scopes()) {
    if (scope.removed || scope.failures == 0) continue;
    failing.push_back(fmt::format("{}/{}: {} {}", scope.newest.target, scope.newest.region,
                                  scope.newest.outcome, scope.newest.error));
  }
  for (int i = 1; i <= kPingAttempts && !world_.stop.requested(); ++i) {
    const net::DeliveryResult result =
        line.sender->ping(core::join(failing, "\n").substr(0, 10000));
    world_.counters.notification_tried(line.receiver->name,
                                       result.delivered ? "delivered" : "failed");
    if (result.delivered) return;
    world_.log.warn("ping failed", {{"receiver", line.receiver->name}, {"error", result.error}});
    if (!result.retry || i == kPingAttempts) return;
    world_.stop.wait_for(std::chrono::seconds{i});
  }
}

int Notifier::deliver(Line& line) {
  const std::string& name = line.receiver->name;
  int delivered = 0;
  for (const store::Notification& message :
       world_.store.due_notifications(name, world_.clock.now(), kAtATime)) {
    if (world_.stop.requested()) break;
    const store::Delivery delivery = attempt(line, message);
    // A request that a stop cut short was no attempt.
    if (world_.abort.requested() && delivery.state == store::DeliveryState::kPending) break;
    world_.store.record_delivery(message.id, delivery);
    switch (delivery.state) {
      case store::DeliveryState::kDelivered:
        ++delivered;
        world_.counters.notification_tried(name, "delivered");
        world_.log.info(
            "delivered",
            {{"receiver", name}, {"message_id", message.uid}, {"reason", message.reason}});
        break;
      case store::DeliveryState::kPending:
        world_.counters.notification_tried(name, "failed");
        world_.log.warn("not delivered",
                        {{"receiver", name},
                         {"message_id", message.uid},
                         {"error", delivery.error},
                         {"next_attempt", core::format_time(delivery.next_attempt)}});
        break;
      case store::DeliveryState::kDead:
        world_.counters.notification_tried(name, "dead");
        world_.log.error(
            "given up",
            {{"receiver", name}, {"message_id", message.uid}, {"error", delivery.error}});
        break;
    }
  }
  return delivered;
}

store::Delivery Notifier::attempt(Line& line, const store::Notification& message) {
  net::DeliveryResult result;
  try {
    result = line.sender->send(message.uid, message.group_key, message.body);
  } catch (const core::Error& e) {  // a secret can't be read, or is none
    result.retry = true;
    result.error = e.what();
  }
  store::Delivery delivery;
  delivery.at = world_.clock.now();
  delivery.error = result.error;
  // The second that now began a while ago: a receiver that asks for a time is not asked within it.
  const core::Seconds asked =
      result.retry_after ? *result.retry_after + core::Seconds{1} : core::Seconds{0};
  delivery.next_attempt =
      delivery.at + std::max(net::delivery_backoff(message.attempts + 1), asked);
  if (result.delivered) {
    delivery.state = store::DeliveryState::kDelivered;
  } else if (!result.retry || delivery.next_attempt > message.tried_from + net::kDeliveryPatience) {
    delivery.state = store::DeliveryState::kDead;
  }
  return delivery;
}

net::DeliveryResult test_notify(const std::string& name, const std::string& external_url,
                                const Sender::World& world) {
  const auto& receivers = world.config.receivers;
  const auto receiver = std::ranges::find(receivers, name, &core::Receiver::name);
  if (receiver == receivers.end()) {
    std::vector<std::string> names;
    for (const core::Receiver& one : receivers) names.push_back(one.name);
    throw core::Error(core::ErrorCode::kInvalid, "there is no receiver '{}' in the configuration{}",
                      name, names.empty() ? "" : "; there is " + core::join(names, ", "));
  }
  Sender sender(*receiver, world);
  if (receiver->kind == ReceiverKind::kPing) return sender.ping("");
  const Time now = world.clock.now();
  const core::Notice notice = sample_notice(*receiver, external_url, now);
  return sender.send("msg_test_" + std::to_string(core::unix_seconds(now)), notice.group_key,
                     net::render(receiver->kind, notice));
}

}  // namespace usaged::app
