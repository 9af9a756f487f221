#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "store/store.h"
#include "support/database.h"

namespace usaged::store {
namespace {

using core::AlertChange;
using core::Error;
using core::kDay;
using core::kHour;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const core::Time kOutboxStart = core::from_unix(1772366400);

class Outbox : public ::testing::Test {
 protected:
  core::Alert fire(const std::vector<std::string>& receivers, const std::string& name = "f00",
                   core::Time now = kOutboxStart) {
    core::Alert alert;
    alert.fingerprint = name;
    alert.rule = "r";
    alert.severity = "warning";
    alert.state = core::AlertState::kFiring;
    alert.pending_since = alert.counted_until = now;
    alert.starts_at = now;
    alert.peak = 7;
    store_.apply({{alert, AlertChange::kFired, receivers}}, now);
    return store_.open_alerts().back();
  }
  void resolve(core::Alert alert, core::Time now) {
    alert.state = core::AlertState::kResolved;
    alert.ends_at = now;
    store_.apply({{alert, AlertChange::kResolved}}, now);
  }
  Notification message(const std::string& uid, const std::string& receiver,
                       core::Time created = kOutboxStart) {
    Notification one;
    one.uid = uid;
    one.receiver = receiver;
    one.group_key = "g";
    one.reason = "news";
    one.created = created;
    one.body = "body";
    return one;
  }
  std::vector<std::int64_t> untold(const std::string& receiver) {
    std::vector<std::int64_t> alerts;
    for (const core::Untold& one : store_.outbox(receiver).untold) alerts.push_back(one.alert);
    return alerts;
  }

  support::TempFolder folder_;
  std::string path_ = support::database_in(folder_);
  Store store_{path_};
};

TEST_F(Outbox, HasARowForEachEventAndReceiver) {
  const core::Alert alert = fire({"hook", "mail"});
  EXPECT_EQ(alert.peak, 7);
  EXPECT_THAT(untold("hook"), ElementsAre(alert.id));
  EXPECT_THAT(untold("mail"), ElementsAre(alert.id));
  EXPECT_THAT(untold("other"), IsEmpty());
  const core::DispatchInput before = store_.outbox("hook");
  EXPECT_THAT(before.told, IsEmpty());
  store_.compose(message("m1", "hook"), {before.untold.at(0).event});
  EXPECT_THAT(untold("hook"), IsEmpty());
  EXPECT_THAT(untold("mail"), ElementsAre(alert.id));
  EXPECT_THAT(store_.outbox("hook").told, ElementsAre(alert.id));
  EXPECT_EQ(store_.outbox("hook").last_told.at("g"), kOutboxStart);
  EXPECT_TRUE(store_.was_told("hook", alert.id));
  EXPECT_FALSE(store_.was_told("mail", alert.id));
  // The end goes to whom the beginning was for.
  resolve(alert, kOutboxStart + kHour);
  EXPECT_THAT(untold("hook"), ElementsAre(alert.id));
  EXPECT_THAT(untold("mail"), ElementsAre(alert.id, alert.id));
  EXPECT_THAT(untold("other"), IsEmpty());
  EXPECT_EQ(store_.outbox("hook").alerts.at(alert.id).state, core::AlertState::kResolved);
  std::vector<std::int64_t> events;
  for (const core::Untold& one : store_.outbox("mail").untold) events.push_back(one.event);
  store_.drop_events("mail", events, kOutboxStart);
  EXPECT_THAT(untold("mail"), IsEmpty());
  EXPECT_EQ(store_.resolved_since(kOutboxStart).size(), 1U);
  EXPECT_EQ(store_.resolved_since(kOutboxStart + 2 * kHour).size(), 0U);
  EXPECT_THAT(Reader(path_).notifications("", 0, 10).at(0).alerts, ElementsAre(alert.id));
}

TEST_F(Outbox, AMessageIsMadeOfItsEventsOrNotAtAll) {
  fire({"hook"});
  const std::int64_t event = store_.outbox("hook").untold.at(0).event;
  store_.compose(message("m1", "hook"), {});
  EXPECT_THROW(store_.compose(message("m1", "hook"), {event}), Error);  // the uid is taken
  EXPECT_EQ(untold("hook").size(), 1U);
}

TEST_F(Outbox, MessagesStayUntilDeliveredOrDead) {
  store_.compose(message("m1", "hook"), {});
  store_.compose(message("m2", "hook"), {});
  EXPECT_TRUE(store_.due_notifications("hook", kOutboxStart - core::Seconds{1}, 10).empty());
  auto due = store_.due_notifications("hook", kOutboxStart, 10);
  ASSERT_EQ(due.size(), 2U);
  EXPECT_EQ(due[0].body, "body");
  store_.record_delivery(due[0].id,
                         {DeliveryState::kPending, kOutboxStart, kOutboxStart + kHour, "HTTP 500"});
  store_.record_delivery(due[1].id, {DeliveryState::kDelivered, kOutboxStart, {}, ""});
  EXPECT_TRUE(store_.due_notifications("other", kOutboxStart + kHour, 10).empty());
  EXPECT_TRUE(store_.due_notifications("hook", kOutboxStart, 10).empty());
  due = store_.due_notifications("hook", kOutboxStart + kHour, 10);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].attempts, 1);
  store_.record_delivery(due[0].id, {DeliveryState::kDead, kOutboxStart, {}, "HTTP 404"});
  EXPECT_TRUE(store_.due_notifications("hook", kOutboxStart + 100 * kHour, 10).empty());
  EXPECT_EQ(Reader(path_).notifications("dead", 0, 10).at(0).error, "HTTP 404");
}

TEST_F(Outbox, DeadMessagesCanBeSentAgainWithTheSameId) {
  for (const char* uid : {"m1", "m2"}) store_.compose(message(uid, uid), {});
  for (const auto& dead : Reader(path_).notifications("", 0, 10)) {
    store_.record_delivery(dead.id, {DeliveryState::kDead, kOutboxStart, {}, "HTTP 404"});
  }
  const core::Time later = kOutboxStart + 3 * kDay;
  EXPECT_EQ(store_.redrive(99, "", later), 0);
  EXPECT_EQ(store_.redrive(std::nullopt, "nobody", later), 0);
  EXPECT_EQ(store_.redrive(1, "", later), 1);
  const auto due = store_.due_notifications("m1", later, 10);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].uid, "m1");
  EXPECT_EQ(due[0].tried_from, later);
  EXPECT_EQ(store_.redrive(std::nullopt, "", later), 1);  // the other; this one waits already
}

TEST_F(Outbox, WhatIsForReceiversThatAreGoneIsGivenUp) {
  store_.compose(message("old", "old"), {});
  store_.compose(message("kept", "kept"), {});
  fire({"old", "kept"});
  EXPECT_EQ(store_.drop_notifications({"kept"}, kOutboxStart), 1);
  EXPECT_EQ(store_.due_notifications("kept", kOutboxStart, 10).size(), 1U);
  EXPECT_EQ(Reader(path_).notifications("dead", 0, 10).at(0).receiver, "old");
  EXPECT_THAT(untold("old"), IsEmpty());
  EXPECT_EQ(untold("kept").size(), 1U);
}

TEST_F(Outbox, FlappingIsSeenByWhatFiredBefore) {
  for (int i = 0; i < 3; ++i) {
    resolve(fire({}, "f00", kOutboxStart + i * kHour),
            kOutboxStart + i * kHour + core::Seconds{60});
  }
  fire({}, "other");
  EXPECT_EQ(store_.earlier_firings("f00", kOutboxStart), 3);
  EXPECT_EQ(store_.earlier_firings("f00", kOutboxStart + core::Seconds{1}), 2);
  EXPECT_EQ(store_.earlier_firings("other", kOutboxStart), 0);  // it fires still
}

TEST_F(Outbox, AnAcknowledgementStaysWithItsAlert) {
  const core::Alert alert = fire({"pager"});
  EXPECT_EQ(store_.acknowledge(alert.id, "ann", "on it", kOutboxStart).acked_by, "ann");
  const auto events = store_.outbox("pager").untold;
  ASSERT_EQ(events.size(), 2U);
  EXPECT_FALSE(events[0].acknowledged);
  EXPECT_TRUE(events[1].acknowledged);
  // An evaluation that read the alert before changes nothing of it.
  core::Alert kept = alert;
  kept.after = 9;
  store_.apply({{kept, AlertChange::kKept}}, kOutboxStart + kHour);
  EXPECT_EQ(store_.open_alerts().at(0).ack_comment, "on it");
  EXPECT_EQ(store_.open_alerts().at(0).after, 9);
  EXPECT_THROW(store_.acknowledge(99, "ann", "", kOutboxStart), Error);
  resolve(alert, kOutboxStart + kHour);
  EXPECT_THROW(store_.acknowledge(alert.id, "ann", "", kOutboxStart), Error);
  // The next one is not.
  EXPECT_FALSE(fire({}).acked_at);
}

TEST_F(Outbox, SilencesEndByThemselvesOrAreEnded) {
  core::Silence silence;
  silence.matchers = {core::parse_matcher("region=~eu-.*"), core::parse_matcher("team!=\"a b\"")};
  silence.starts_at = silence.created_at = kOutboxStart;
  silence.ends_at = kOutboxStart + kHour;
  silence.created_by = "ann";
  silence.comment = "why";
  const std::int64_t id = store_.add_silence(silence);
  ASSERT_EQ(store_.silences(kOutboxStart).size(), 1U);
  EXPECT_EQ(store_.silences(kOutboxStart)[0].matchers, silence.matchers);
  EXPECT_TRUE(store_.silences(kOutboxStart + kHour).empty());
  Reader reader(path_);
  EXPECT_EQ(reader.silences("pending", kOutboxStart - core::Seconds{1}, 0, 10).size(), 1U);
  EXPECT_EQ(reader.silences("active", kOutboxStart, 0, 10).size(), 1U);
  EXPECT_EQ(store_.end_silence(id, kOutboxStart + core::Seconds{60}).ends_at,
            kOutboxStart + core::Seconds{60});
  EXPECT_EQ(store_.end_silence(id, kOutboxStart + kHour).ends_at, kOutboxStart + core::Seconds{60});
  EXPECT_EQ(reader.silences("expired", kOutboxStart + kHour, 0, 10).size(), 1U);
  EXPECT_THROW(store_.end_silence(99, kOutboxStart), Error);
}

}  // namespace
}  // namespace usaged::store
