#include "app/collector.h"

#include <gmock/gmock.h>

#include "store/reader.h"
#include "support/old_polls.h"
#include "support/world.h"

namespace usaged::app {
namespace {

using core::kHour;
using core::Outcome;
using support::eventually;
using support::World;

class CollectorTest : public ::testing::Test {
 protected:
  World& new_world(int accounts = 10, const std::string& faults = "") {
    return world_.emplace(accounts, faults);
  }
  void make(World& world) {
    world.start_simulator();
    store_ = std::make_unique<store::Store>(world.config.database);
    remake(world);
  }
  void remake(World& world) {
    collector_.reset();
    world.stop = std::make_unique<Stop>();
    const auto daemon_world = world.daemon_world();
    collector_ = std::make_unique<Collector>(
        world.config, Collector::World{*store_, world.clock, counters_, *world.stop, *world.stop,
                                       claims_, *world.log, daemon_world.environment, nullptr});
  }
  std::vector<store::PollRow> polls(const World& world) {
    return store::Reader(world.config.database).polls("", "", "", 0, 1000);
  }

  std::optional<World> world_;  // the others refer to it
  web::Counters counters_;
  Claims claims_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Collector> collector_;
};

TEST_F(CollectorTest, AsksEachTargetAndRegionOnceAnInterval) {
  World& world = new_world();
  make(world);
  EXPECT_EQ(collector_->poll_due().size(), 2U);
  EXPECT_TRUE(collector_->poll_due().empty());
  world.clock.set(world.clock.now() + kHour);
  EXPECT_EQ(collector_->poll_due().size(), 2U);
  EXPECT_EQ(polls(world).size(), 4U);
}

TEST_F(CollectorTest, ARestartDoesNotAskAgainAndOnePollMakesUpForALongStop) {
  World& world = new_world();
  make(world);
  collector_->poll_due();
  remake(world);
  EXPECT_TRUE(collector_->poll_due().empty());
  world.clock.set(world.clock.now() + 50 * kHour);
  remake(world);
  EXPECT_EQ(collector_->poll_due().size(), 2U);
  EXPECT_TRUE(collector_->poll_due().empty());
}

TEST_F(CollectorTest, APollReadsNoMoreWhereThereWereManyBefore) {
  USAGED_NEEDS_A_FILE();
  World& world = new_world();
  make(world);
  const auto read_by_a_poll = [&] {
    collector_->poll_now({});
    const std::int64_t before = support::bytes_read();
    EXPECT_EQ(collector_->poll_now({}).front().outcome, Outcome::kOk);
    return support::bytes_read() - before;
  };
  const std::int64_t few = read_by_a_poll();
  collector_.reset();
  store_.reset();
  support::add_old_polls(world.config.database);
  store_ = std::make_unique<store::Store>(world.config.database);
  remake(world);
  EXPECT_LT(read_by_a_poll(), few + 500'000);
}

TEST_F(CollectorTest, StoresWhatTheServiceSaid) {
  World& world = new_world();
  make(world);
  for (const PollResult& result : collector_->poll_due()) {
    EXPECT_EQ(result.outcome, Outcome::kOk) << result.error;
    EXPECT_GT(result.series, 0);
  }
  store::Reader reader(world.config.database);
  const auto latest = store::History(reader).latest({}, world.clock.now());
  std::size_t expected = 0;
  for (const std::string& region : world.options.organization.regions) {
    for (int account = 0; account < 10; ++account) {
      if (!world.simulator->organization().is_member(account, world.clock.now())) continue;
      for (const auto& total :
           world.simulator->organization().totals(account, region, world.clock.now())) {
        ++expected;
        const auto found = std::ranges::find_if(latest.rows, [&](const store::LatestRow& row) {
          return row.account == total.account && row.region == region && row.type == total.type;
        });
        ASSERT_NE(found, latest.rows.end());
        EXPECT_EQ(found->total, total.total);
        EXPECT_EQ(found->cost, total.cost);
      }
    }
  }
  EXPECT_EQ(latest.rows.size(), expected);
}

TEST_F(CollectorTest, OneThatFailsIsRecordedAndDisturbsNoOther) {
  World& world = new_world(10, "faults: [{kind: denied, region: us-east-1}]");
  make(world);
  const auto results = collector_->poll_due();
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].outcome, Outcome::kOk);
  EXPECT_EQ(results[1].outcome, Outcome::kDenied);
  EXPECT_THAT(results[1].error, ::testing::HasSubstr("AccessDeniedException"));
  // Not worth asking again before the next slot.
  EXPECT_TRUE(collector_->poll_due().empty());
}

TEST_F(CollectorTest, AFailureIsTriedAgainSoon) {
  World& world = new_world(10, "faults: [{kind: server_error, region: us-east-1, count: 3}]");
  make(world);
  EXPECT_EQ(collector_->poll_due()[1].outcome, Outcome::kServer);
  EXPECT_TRUE(collector_->poll_due().empty());
  world.clock.set(world.clock.now() + core::Seconds{60});
  const auto again = collector_->poll_due();
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].region, "us-east-1");
  EXPECT_EQ(again[0].outcome, Outcome::kOk);
}

TEST_F(CollectorTest, WithoutCredentialsThePollSaysSo) {
  World& world = new_world();
  make(world);
  world.config.targets[0].credentials.profile = "nobody";
  const auto results = collector_->poll_due();
  EXPECT_EQ(results.at(0).outcome, Outcome::kCredentials);
  EXPECT_EQ(world.simulator->requests(), 0);
}

TEST_F(CollectorTest, AHangingTargetDelaysNoOther) {
  World& world = new_world(5, "faults: [{kind: hang, region: us-east-1, duration: 20s}]");
  world.options.organization.regions = {"us-east-1", "us-east-2", "us-west-1", "us-west-2"};
  make(world);
  collector_->start();
  EXPECT_TRUE(eventually([&] {
    store::Reader reader(world.config.database);
    return reader.polls("", "", "ok", 0, 10).size() == 3;
  }));
  EXPECT_FALSE(collector_->idle());
  EXPECT_TRUE(collector_->alive());
  world.stop->request();
  collector_->join();
  EXPECT_EQ(store::Reader(world.config.database).polls("", "", "interrupted", 0, 10).size(), 1U);
}

TEST_F(CollectorTest, NeverTwoPollsOfOneTargetBeyondItsLimit) {
  World& world = new_world(5, "faults: [{kind: hang, duration: 1s}]");
  world.options.organization.regions = {"us-east-1", "us-east-2", "us-west-1", "us-west-2"};
  make(world);
  world.config.collection.concurrency_per_target = 2;
  collector_->start();
  std::size_t most = 0;
  for (int i = 0; i < 150; ++i) {
    store::Reader reader(world.config.database);
    most = std::max(most, reader.polls("", "", "running", 0, 10).size());
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  EXPECT_EQ(most, 2U);
  world.stop->request();
}

TEST_F(CollectorTest, APollThatBreaksOffOnItsSecondPageLeavesNoSamples) {
  World& world = new_world(700, "faults: [{kind: cut, after: 1}]");
  world.options.organization.regions = {"us-east-1"};
  make(world);
  EXPECT_NE(collector_->poll_due().at(0).outcome, Outcome::kOk);
  store::Reader reader(world.config.database);
  EXPECT_EQ(reader.db().integer("SELECT count(*) FROM sample_block"), 0);
  EXPECT_EQ(polls(world).at(0).pages, 1);
}

}  // namespace
}  // namespace usaged::app
