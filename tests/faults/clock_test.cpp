#include <gmock/gmock.h>

#include <map>
#include <set>

#include "faults/work.h"
#include "support/world.h"

// A clock that jumps, and a machine that sleeps.
namespace usaged::faults {
namespace {

using core::kDay;
using core::kHour;
using core::Seconds;
using core::Time;

class ClockTest : public ::testing::Test {
 protected:
  ClockTest() {
    world_.options.organization.regions = {"us-east-1"};
    world_.options.now = world_.options.signing_now = [this] { return true_time_; };
    world_.start_simulator();
    world_.start_daemon();
  }
  // Goes on for some hours, looking every ten minutes.
  void run(int hours) {
    for (int i = 0; i < hours * 6; ++i) {
      world_.daemon->step();
      jump(Seconds{600});
      true_time_ += Seconds{600};
    }
  }
  // Our clock only.
  void jump(Seconds by) { world_.clock.set(world_.clock.now() + by); }

  std::vector<store::PollRow> polls() {
    return store::Reader(world_.config.database).polls("", "", "", 0, 1000);
  }
  void expect_no_slot_twice() {
    std::set<Time> slots;
    for (const store::PollRow& poll : polls()) {
      EXPECT_EQ(poll.outcome, "ok") << poll.error;
      EXPECT_TRUE(slots.insert(poll.slot).second) << core::format_time(poll.slot);
    }
  }
  // Whether there is a sum of the organization at each hour.
  std::vector<bool> known(Time from, int hours) {
    store::Reader reader(world_.config.database);
    const auto history = store::History(reader).history({}, from, from + hours * kHour,
                                                        core::Step(kHour), world_.clock.now());
    std::vector<bool> known;
    for (const auto& value : history.lines.at(0).values) known.push_back(value.has_value());
    return known;
  }
  Time newest() {
    store::Reader reader(world_.config.database);
    return store::History(reader).latest({}, world_.clock.now()).rows.at(0).taken_at;
  }

  support::World world_{3};
  Time true_time_ = world_.clock.now();  // AWS's
};

TEST_F(ClockTest, ADayForwardsIsAGapThatIsSaid) {
  const Time start = world_.clock.now();
  run(5);
  jump(kDay);
  run(5);
  expect_no_slot_twice();
  EXPECT_EQ(polls().size(), 12U);
  const std::vector<bool> hours = known(start, 34);
  EXPECT_TRUE(hours[4]);
  EXPECT_THAT(std::vector<bool>(hours.begin() + 7, hours.begin() + 28), ::testing::Each(false));
  EXPECT_TRUE(hours[32]);
}

TEST_F(ClockTest, ADayBackwardsIsWaitedOut) {
  run(5);
  jump(-kDay);
  run(20);
  EXPECT_EQ(polls().size(), 6U);
  run(10);
  expect_no_slot_twice();
  EXPECT_GT(polls().size(), 6U);
}

TEST_F(ClockTest, TenYearsForwardsAndBackLeaveNothingBehind) {
  run(5);
  jump(3653 * kDay);
  run(3);
  jump(-3653 * kDay);
  run(5);
  expect_no_slot_twice();
  EXPECT_EQ(polls().size(), 16U);
  EXPECT_LE(newest(), world_.clock.now());
  EXPECT_GT(newest(), world_.clock.now() - 2 * kHour);
}

TEST_F(ClockTest, AfterASuspendOnePollMakesUpForAll) {
  run(3);
  jump(kHour * 9 / 2);
  run(3);
  expect_no_slot_twice();
  EXPECT_EQ(polls().size(), 8U);
}

}  // namespace
}  // namespace usaged::faults
