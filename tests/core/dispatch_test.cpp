#include "core/dispatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace usaged::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const Time kDispatchStart = from_unix(1772366400);

struct Case {
  Receiver receiver;
  std::vector<Rule> rules;
  std::vector<Silence> silences;
  DispatchInput input;

  Alert& add(std::int64_t id, const std::string& rule, AlertState state = AlertState::kFiring) {
    Alert alert;
    alert.id = id;
    alert.rule = rule;
    alert.severity = "warning";
    alert.labels = {{"account_id", std::to_string(id)}};
    alert.state = state;
    return input.alerts[id] = alert;
  }
  void news(std::int64_t id, Time at) {
    input.untold.push_back({static_cast<std::int64_t>(input.untold.size()) + 1, id, at});
  }
  void silence(const std::string& matcher) {
    Silence one;
    one.matchers = {parse_matcher(matcher)};
    one.starts_at = kDispatchStart - kHour;
    one.ends_at = kDispatchStart + kHour;
    silences = {one};
  }
  DispatchPlan plan(Time now) const {
    return plan_dispatches(receiver, rules, silences, input, now);
  }
};

TEST(Dispatch, NewsWaitForMoreOfTheirGroup) {
  Case c;
  c.add(1, "spike");
  c.add(2, "spike");
  c.add(3, "stale");
  c.news(1, kDispatchStart);
  c.news(2, kDispatchStart + Seconds{20});
  const DispatchPlan early = c.plan(kDispatchStart + Seconds{29});
  EXPECT_THAT(early.dispatches, IsEmpty());
  EXPECT_EQ(early.next, kDispatchStart + Seconds{30});
  const DispatchPlan due = c.plan(kDispatchStart + Seconds{30});
  ASSERT_EQ(due.dispatches.size(), 1U);
  EXPECT_EQ(due.dispatches[0].reason, DispatchReason::kNews);
  EXPECT_EQ(due.dispatches[0].group_key, "{}:{alertname=\"spike\"}");
  EXPECT_THAT(due.dispatches[0].alerts, UnorderedElementsAre(1, 2));
  EXPECT_THAT(due.dispatches[0].events, ElementsAre(1, 2));
}

TEST(Dispatch, LabelsOfRulesGroupToo) {
  Case c;
  Rule rule;
  rule.name = "spike";
  rule.labels = {{"team", "finops"}};
  c.rules = {rule};
  c.receiver.group_by = {"team"};
  c.receiver.group_wait = Seconds{0};
  c.add(1, "spike");
  c.news(1, kDispatchStart);
  EXPECT_EQ(c.plan(kDispatchStart).dispatches.at(0).group_labels, (Labels{{"team", "finops"}}));
}

TEST(Dispatch, WhatFiresIsToldAgainUntilSomebodyLooksAfterIt) {
  Case c;
  c.add(1, "spike");
  c.input.told = {1};
  c.input.last_told["{}:{alertname=\"spike\"}"] = kDispatchStart;
  EXPECT_THAT(c.plan(kDispatchStart + kDay - Seconds{1}).dispatches, IsEmpty());
  EXPECT_EQ(c.plan(kDispatchStart + kDay - Seconds{1}).next, kDispatchStart + kDay);
  ASSERT_EQ(c.plan(kDispatchStart + kDay).dispatches.size(), 1U);
  EXPECT_EQ(c.plan(kDispatchStart + kDay).dispatches[0].reason, DispatchReason::kRepeat);
  c.input.alerts[1].acked_at = kDispatchStart + kHour;
  EXPECT_THAT(c.plan(kDispatchStart + kDay).dispatches, IsEmpty());
  c.input.alerts[1].acked_at.reset();
  c.receiver.repeat_interval = Seconds{0};
  EXPECT_THAT(c.plan(kDispatchStart + 100 * kDay).dispatches, IsEmpty());
}

TEST(Dispatch, WhatIsSilencedWaitsAndIsDroppedIfItEndsUntold) {
  Case c;
  c.receiver.group_wait = Seconds{0};
  c.add(1, "spike");
  c.news(1, kDispatchStart);
  c.silence("account_id=1");
  const DispatchPlan silent = c.plan(kDispatchStart);
  EXPECT_THAT(silent.dispatches, IsEmpty());
  EXPECT_THAT(silent.dropped, IsEmpty());
  EXPECT_EQ(silent.next, kDispatchStart + kHour);
  // Once the silence is over, it is told.
  EXPECT_EQ(c.plan(kDispatchStart + kHour).dispatches.size(), 1U);
  // It resolves before: nobody was told, nobody needs to be.
  c.input.alerts[1].state = AlertState::kResolved;
  c.news(1, kDispatchStart);
  EXPECT_THAT(c.plan(kDispatchStart).dispatches, IsEmpty());
  EXPECT_THAT(c.plan(kDispatchStart).dropped, ElementsAre(1, 2));
  // Had it been told before, its end is told, silence or not.
  c.input.told = {1};
  EXPECT_THAT(c.plan(kDispatchStart).dropped, IsEmpty());
  EXPECT_THAT(c.plan(kDispatchStart).dispatches.at(0).alerts, ElementsAre(1));
}

TEST(Dispatch, EndsAreToldUnlessTheReceiverWantsNone) {
  Case c;
  c.receiver.group_wait = Seconds{0};
  c.add(1, "spike", AlertState::kResolved);
  c.input.told = {1};
  c.news(1, kDispatchStart);
  EXPECT_EQ(c.plan(kDispatchStart).dispatches.size(), 1U);
  c.receiver.send_resolved = false;
  EXPECT_THAT(c.plan(kDispatchStart).dropped, ElementsAre(1));
  // One that began and ended before anybody was told of it is news.
  c.input.told.clear();
  EXPECT_EQ(c.plan(kDispatchStart).dispatches.size(), 1U);
}

TEST(Dispatch, OnlyPagerDutyIsToldThatSomebodyLooksAfterIt) {
  Case c;
  c.receiver.group_wait = Seconds{0};
  c.add(1, "spike").acked_at = kDispatchStart;
  c.input.told = {1};
  c.input.untold = {{7, 1, kDispatchStart, true}};
  EXPECT_THAT(c.plan(kDispatchStart).dispatches, IsEmpty());
  EXPECT_THAT(c.plan(kDispatchStart).dropped, ElementsAre(7));
  c.receiver.kind = ReceiverKind::kPagerDuty;
  EXPECT_THAT(c.plan(kDispatchStart).dispatches.at(0).events, ElementsAre(7));
  c.input.alerts[1].state = AlertState::kResolved;
  EXPECT_THAT(c.plan(kDispatchStart).dropped, ElementsAre(7));
}

TEST(Dispatch, InAMuteWindowEverythingWaits) {
  Case c;
  c.receiver.group_wait = Seconds{0};
  c.receiver.mute = {MuteWindow{}};
  c.add(1, "spike");
  c.news(1, kDispatchStart);
  EXPECT_THAT(c.plan(kDispatchStart).dispatches, IsEmpty());
  EXPECT_THAT(c.plan(kDispatchStart).dropped, IsEmpty());
  EXPECT_TRUE(c.plan(kDispatchStart).next);
}

TEST(Dispatch, ManyGroupsAtOnceAreAStorm) {
  Case c;
  c.receiver.group_wait = Seconds{0};
  c.receiver.group_by = {"account_id"};
  for (std::int64_t id = 1; id <= 10; ++id) {
    c.add(id, "spike");
    c.news(id, kDispatchStart);
  }
  EXPECT_EQ(c.plan(kDispatchStart).dispatches.size(), kStorm);
  c.add(11, "spike");
  c.news(11, kDispatchStart);
  const DispatchPlan storm = c.plan(kDispatchStart);
  ASSERT_EQ(storm.dispatches.size(), 1U);
  EXPECT_EQ(storm.dispatches[0].reason, DispatchReason::kStorm);
  EXPECT_EQ(storm.dispatches[0].alerts.size(), 11U);
  EXPECT_EQ(storm.dispatches[0].events.size(), 11U);
  // PagerDuty closes an incident by its group's key.
  c.receiver.kind = ReceiverKind::kPagerDuty;
  EXPECT_EQ(c.plan(kDispatchStart).dispatches.size(), 11U);
  // What was told in a storm is repeated as of then.
  c.receiver.kind = ReceiverKind::kWebhook;
  c.input.untold.clear();
  c.input.last_told[storm.dispatches[0].group_key] = kDispatchStart;
  EXPECT_THAT(c.plan(kDispatchStart + kDay - Seconds{1}).dispatches, IsEmpty());
  EXPECT_EQ(c.plan(kDispatchStart + kDay).dispatches.size(), 1U);
}

}  // namespace
}  // namespace usaged::core
