#include "app/daemon.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/text.h"
#include "store/reader.h"
#include "support/memory.h"
#include "support/raw_http.h"
#include "support/sanitizer.h"
#include "support/world.h"

namespace usaged::app {
namespace {

using core::kDay;
using core::kHour;
using support::eventually;
using support::get;
using support::World;
using json = nlohmann::json;
using ::testing::HasSubstr;

json ask(const Daemon& daemon, const std::string& target) {
  return json::parse(get(daemon.port(), target));
}

TEST(Daemon, PollsServesAndStops) {
  World world;
  world.start_simulator();
  Daemon& daemon = world.start_daemon();
  EXPECT_THAT(get(daemon.port(), "/-/ready", true), HasSubstr(" 503 "));
  daemon.start();
  EXPECT_THAT(get(daemon.port(), "/-/ready", true), HasSubstr(" 200 "));
  EXPECT_TRUE(
      eventually([&] { return ask(daemon, "/api/v1/polls?outcome=ok")["data"].size() == 2; }));
  EXPECT_EQ(ask(daemon, "/api/v1/status")["data"]["state"], "ok");
  EXPECT_TRUE(ask(daemon, "/api/v1/usage/latest")["completeness"]["complete"].get<bool>());
  EXPECT_TRUE(daemon.alive());
  EXPECT_THAT(daemon.status_line(), HasSubstr("2 targets and regions good, 0 failing"));
  const auto began = std::chrono::steady_clock::now();
  world.daemon.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds{5});
}

TEST(Daemon, GivesBackWhatIsFreeOnceItsPollsAreJudged) {
  if (support::kAddressSanitizer || support::kThreadSanitizer) {
    GTEST_SKIP() << "The sanitizer's heap is its own";
  }
  World world;
  world.start_simulator();
  Daemon& daemon = world.start_daemon();
  daemon.start();
  const auto polls = [&] { return ask(daemon, "/api/v1/polls?outcome=ok")["data"].size(); };
  ASSERT_TRUE(eventually([&] { return polls() == 2; }));
  // Pages that are free, each few of them behind one that is not.
  std::vector<std::vector<char>> pieces(65536, std::vector<char>(1000));
  const std::int64_t full = support::memory("VmRSS");
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (i % 64 != 0) std::vector<char>().swap(pieces[i]);
  }
  world.clock.set(world.clock.now() + kHour);
  ASSERT_TRUE(eventually([&] { return polls() == 4; }));
  EXPECT_TRUE(eventually([&] { return support::memory("VmRSS") < full - (40 << 20); }));
}

TEST(Daemon, GoesOnWithoutADatabaseThatWasDamaged) {
  USAGED_NEEDS_A_FILE();
  World world;
  world.start_simulator();
  world.start_daemon().step();
  world.daemon.reset();
  {
    std::fstream file(world.config.database, std::ios::in | std::ios::out | std::ios::binary);
    file.write("no database here", 16);
  }
  Daemon& daemon = world.start_daemon();
  world.clock.set(world.clock.now() + kHour);
  daemon.step();
  const json status = ask(daemon, "/api/v1/status")["data"];
  EXPECT_EQ(status["polls"], 2);
  const json aside = status["database"]["set_aside"];
  EXPECT_EQ(aside, json::array({world.config.database + ".damaged-2026-03-01T120000Z"}));
  EXPECT_THAT(get(daemon.port(), "/metrics"),
              HasSubstr("inspector_usaged_databases_set_aside 1\n"));
  const json alerts = ask(daemon, "/api/v1/alerts")["data"];
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0]["rule"], "database-damaged");
  EXPECT_EQ(alerts[0]["state"], "firing");
  EXPECT_EQ(alerts[0]["details"]["set_aside"], aside[0]);
  std::filesystem::remove(aside[0].get<std::string>());
  daemon.step();
  EXPECT_EQ(ask(daemon, "/api/v1/alerts?state=firing")["data"].size(), 0U);
}

TEST(Daemon, TakesTheRepliesDoublesAsTheyAre) {
  World world;
  world.options.reply = core::read_file(std::string(SOURCE_DIR) + "/tests/data/usage-totals.json");
  world.options.organization.regions = {"us-east-1"};
  world.start_simulator();
  Daemon& daemon = world.start_daemon();
  daemon.step();
  world.clock.set(world.clock.now() + kHour);
  daemon.step();
  std::map<std::string, std::pair<double, double>> expected;
  const json sent = json::parse(*world.options.reply);
  for (const json& usage : sent["totals"][0]["usage"]) {
    expected[usage["type"]] = {usage["total"], usage["estimatedMonthlyCost"]};
  }
  const json latest = ask(daemon, "/api/v1/usage/latest");
  ASSERT_EQ(latest["data"].size(), expected.size());
  for (const json& row : latest["data"]) {
    EXPECT_EQ(row["total"].get<double>(), expected.at(row["usage_type"]).first);
    EXPECT_EQ(row["estimated_monthly_cost"].get<double>(), expected.at(row["usage_type"]).second);
  }
  const json history = ask(daemon, "/api/v1/usage/history?group_by=type&metric=total&start=now-2h");
  ASSERT_EQ(history["data"].size(), expected.size());
  for (const json& line : history["data"]) {
    ASSERT_EQ(line["points"].size(), 2U);
    for (const json& point : line["points"]) {
      EXPECT_EQ(point[1].get<double>(), expected.at(line["labels"]["usage_type"]).first);
    }
  }
}

core::Receiver webhook(const std::string& name, const std::string& url) {
  core::Receiver receiver;
  receiver.name = name;
  receiver.url = url;
  return receiver;
}

core::Rule increase() {
  core::Rule rule;
  rule.name = "cost-increase";
  return rule;
}

TEST(Daemon, AJumpInUsageFiresOnceAndResolves) {
  World world;
  world.config.rules = {increase()};
  world.options.organization.regions = {"us-east-1"};
  const core::Time start = world.clock.now();
  {
    const sim::Organization organization(world.options.organization);
    int account = 0;
    while (!organization.is_member(account, start)) ++account;
    world.options.organization.surges = {
        {organization.account_ids()[static_cast<std::size_t>(account)], "us-east-1",
         "EC2_INSTANCE_HOURS", start + 30 * kHour, start + 36 * kHour, 500}};
  }
  world.start_simulator();
  world.config.receivers = {webhook("hook", world.simulator->url() + "/webhook")};
  world.config.receivers[0].secret_file = world.folder.path("secret");
  std::ofstream(world.folder.path("secret")) << "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
  Daemon& daemon = world.start_daemon();
  std::vector<std::string> states;
  for (int hour = 0; hour <= 72; ++hour) {
    world.clock.set(start + hour * kHour);
    daemon.step();
    const json alerts = ask(daemon, "/api/v1/alerts");
    const std::string state = alerts["data"].empty() ? "none" : alerts["data"][0]["state"];
    if (states.empty() || states.back() != state) states.push_back(state);
  }
  EXPECT_THAT(states, ::testing::ElementsAre("none", "pending", "firing", "resolved"));
  const json alert = ask(daemon, "/api/v1/alerts/1")["data"];
  EXPECT_EQ(alert["labels"]["account_id"], world.options.organization.surges[0].account);
  EXPECT_GT(alert["events"].size(), 2U);

  const auto webhooks = world.simulator->webhooks();
  ASSERT_EQ(webhooks.size(), 2U);
  EXPECT_EQ(json::parse(webhooks[0].body)["status"], "firing");
  EXPECT_EQ(json::parse(webhooks[1].body)["status"], "resolved");
  const json metrics = get(daemon.port(), "/metrics");
  EXPECT_THAT(
      metrics.get<std::string>(),
      HasSubstr("inspector_notifications_total{receiver=\"hook\",outcome=\"delivered\"} 2"));
  // The signature is that of the secret in the file.
  const std::string text = webhooks[0].id + "." + webhooks[0].timestamp + "." + webhooks[0].body;
  const std::string secret = core::base64_decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  EXPECT_EQ(webhooks[0].signature, "v1," + core::base64(core::hmac_sha256(secret, text)));
}

// A daemon with one message in its outbox.
void raise_alert(World& world) {
  world.options.organization.regions = {"us-east-1"};
  world.config.rules = {increase()};
  world.config.rules[0].increase_amount = 0;
  world.config.rules[0].increase_percent = 0;
  world.config.rules[0].for_polls = 1;
  world.config.rules[0].group_by = {};
  world.config.rules[0].window = kHour;
  const core::Time start = world.clock.now();
  const sim::Organization organization(world.options.organization);
  for (const std::string& account : organization.account_ids()) {
    world.options.organization.surges.push_back(
        {account, "us-east-1", "EC2_INSTANCE_HOURS", start, start + kDay, 500});
  }
}

TEST(Daemon, MessagesWaitForTheirReceiverAndKeepTheirId) {
  World world;
  raise_alert(world);
  world.start_simulator();
  sim::SimulatorOptions receiver_options = world.options;
  receiver_options.port = 0;
  auto receiver = std::make_unique<sim::Simulator>(receiver_options);
  receiver_options.port = receiver->port();
  world.config.receivers = {webhook("hook", receiver->url() + "/webhook"),
                            webhook("other", world.simulator->url() + "/webhook")};
  receiver.reset();

  Daemon& daemon = world.start_daemon();
  daemon.step();
  world.clock.set(world.clock.now() + kHour);
  daemon.step();
  EXPECT_EQ(world.simulator->webhooks().size(), 1U);  // the other receiver is not held up
  const json waiting = ask(daemon, "/api/v1/notifications?state=pending")["data"];
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0]["attempts"], 1);
  EXPECT_FALSE(waiting[0]["error"].is_null());

  receiver = std::make_unique<sim::Simulator>(receiver_options);
  world.start_daemon();  // a restart loses nothing
  world.clock.set(world.clock.now() + core::Seconds{10});
  world.daemon->step();
  ASSERT_EQ(receiver->webhooks().size(), 1U);
  EXPECT_EQ(receiver->webhooks()[0].id, waiting[0]["uid"]);
}

TEST(Daemon, MessagesDieAfterADayOrAtOnceIfRefused) {
  World world;
  raise_alert(world);
  world.start_simulator();
  world.config.receivers = {webhook("away", "http://127.0.0.1:1/"),
                            webhook("refuses", world.simulator->url() + "/nothing")};
  Daemon& daemon = world.start_daemon();
  daemon.step();
  const core::Time start = world.clock.now() + kHour;
  world.clock.set(start);
  daemon.step();
  const auto state = [&](const std::string& receiver) {
    const json reply = ask(*world.daemon, "/api/v1/notifications");
    for (const json& row : reply["data"]) {
      if (row["receiver"] == receiver) return row["state"].get<std::string>();
    }
    return std::string("none");
  };
  EXPECT_EQ(state("away"), "pending");
  EXPECT_EQ(state("refuses"), "dead");
  world.config.rules.clear();
  world.start_daemon();
  for (int hour = 1; hour <= 24; ++hour) {
    world.clock.set(start + hour * kHour);
    world.daemon->step();
  }
  EXPECT_EQ(ask(*world.daemon, "/api/v1/notifications?state=dead")["data"].size(), 3U);
}

TEST(Daemon, AnAlertWhoseRuleIsGoneEnds) {
  World world;
  raise_alert(world);
  world.start_simulator();
  world.start_daemon().step();
  world.clock.set(world.clock.now() + kHour);
  world.daemon->step();
  ASSERT_EQ(ask(*world.daemon, "/api/v1/alerts?state=firing")["data"].size(), 1U);
  world.config.rules[0].name = "another";
  world.config.rules[0].increase_amount = 1e9;
  world.start_daemon().step();
  EXPECT_EQ(ask(*world.daemon, "/api/v1/alerts?state=resolved")["data"].size(), 1U);
}

TEST(Daemon, AGapDoesNotResolveAnAlert) {
  World world;
  raise_alert(world);
  world.config.rules[0].window = 12 * kHour;
  world.start_simulator();
  world.start_daemon().step();
  world.clock.set(world.clock.now() + 12 * kHour);
  world.daemon->step();
  ASSERT_EQ(ask(*world.daemon, "/api/v1/alerts?state=firing")["data"].size(), 1U);
  world.simulator.reset();
  for (int hour = 1; hour < 20; ++hour) {
    world.clock.set(world.clock.now() + kHour);
    world.daemon->step();
  }
  EXPECT_EQ(ask(*world.daemon, "/api/v1/alerts?state=firing")["data"].size(), 1U);
  const json status = ask(*world.daemon, "/api/v1/status")["data"];
  EXPECT_EQ(status["state"], "degraded");
  EXPECT_EQ(status["targets"][0]["state"], "failing");
  EXPECT_FALSE(ask(*world.daemon, "/api/v1/usage/latest")["completeness"]["complete"].get<bool>());
}

TEST(Daemon, ASecondOneOnTheSameDatabaseIsRefused) {
  USAGED_NEEDS_A_FILE();
  World world;
  world.start_simulator();
  world.start_daemon();
  Stop stop;
  EXPECT_THROW(Daemon(world.config, {world.clock, stop, *world.log, nullptr}), core::Error);
}

TEST(Daemon, StatusNamesEachThatSharesADatabase) {
  World world;
  world.start_simulator();
  core::Target second = world.config.targets.front();
  second.name = "u";
  world.config.targets.push_back(second);
  Daemon& one = world.start_daemon();
  one.start();
  const auto polled = [&] { return ask(one, "/api/v1/polls?outcome=ok")["data"].size() == 4; };
  EXPECT_TRUE(eventually(polled));
  json status = ask(one, "/api/v1/status")["data"];
  if (support::postgres_server().empty()) {
    EXPECT_EQ(status["daemons"].size(), 0);
    EXPECT_TRUE(status["targets"][0]["polled_by"].is_null());
    return;
  }
  ASSERT_EQ(status["daemons"].size(), 1);
  const std::string name = status["daemons"][0]["name"];
  EXPECT_EQ(status["daemons"][0]["targets"], 2);
  EXPECT_EQ(status["daemons"][0]["rules"], true);
  for (const json& target : status["targets"]) EXPECT_EQ(target["polled_by"], name);

  {
    Stop stop;
    Daemon other(world.config, world.daemon_world(stop));
    other.start();
    // Once the first has given up what is beyond its share.
    EXPECT_TRUE(eventually([&] {
      status = ask(one, "/api/v1/status")["data"];
      return status["daemons"].size() == 2 && status["daemons"][0]["targets"] == 1 &&
             status["daemons"][1]["targets"] == 1;
    }));
    EXPECT_NE(status["targets"][0]["polled_by"], status["targets"][3]["polled_by"]);
    EXPECT_NE(status["daemons"][0]["rules"], status["daemons"][1]["rules"]);
    // Whoever is asked for polls has the others do theirs.
    const std::string reply = support::raw_http(one.port(),
                                                "POST /api/v1/polls HTTP/1.1\r\nHost: localhost\r\n"
                                                "Connection: close\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(support::status_of(reply), 202);
    EXPECT_EQ(json::parse(reply.substr(reply.find("\r\n\r\n") + 4))["data"].size(), 4) << reply;
    const auto again = [&] { return ask(one, "/api/v1/polls?outcome=ok")["data"].size() == 8; };
    EXPECT_TRUE(eventually(again));
  }
  status = ask(one, "/api/v1/status")["data"];
  ASSERT_EQ(status["daemons"].size(), 1);
  EXPECT_EQ(status["daemons"][0]["name"], name);
}

TEST(Clock, WaitsInTheWorldsTime) {
  // Its time does not pass while the test looks at it.
  struct FastClock : Clock {
    core::Time now() const override { return core::from_unix(1000); }
    double speed() const override { return 1000; }
  };
  const FastClock clock;
  using std::chrono::milliseconds;
  EXPECT_EQ(wait_until(clock, clock.now() + core::Seconds{20}), milliseconds{20});
  // A clock may jump.
  EXPECT_EQ(wait_until(clock, clock.now() + kDay), milliseconds{30});
}

TEST(Stop, EndsAWaitWhenWhatIsWaitedForHasCome) {
  Stop stop;
  std::atomic<bool> come = false;
  std::atomic<bool> waits = false;
  std::future<bool> waited = std::async(std::launch::async, [&] {
    waits = true;
    return stop.wait_for(std::chrono::hours{1}, [&] { return come.load(); });
  });
  ASSERT_TRUE(eventually([&] { return waits.load(); }));
  come = true;
  stop.wake();
  EXPECT_TRUE(waited.get());
  stop.request();
  EXPECT_FALSE(stop.wait_for(std::chrono::hours{1}));
}

TEST(Clock, RunsFasterOnceToldTo) {
  ManualClock clock(core::from_unix(1000));
  EXPECT_EQ(clock.now(), core::from_unix(1000));
  clock.run(100000);
  EXPECT_TRUE(eventually([&] { return clock.now() > core::from_unix(2000); }));
  clock.set(core::from_unix(50));
  EXPECT_LT(clock.now(), core::from_unix(900000));
}

}  // namespace
}  // namespace usaged::app
