// What is stored beside the samples: accounts that could not be asked, overlaps, prices,
// organization, free trials, and what the totals are seen to be.
#include <gmock/gmock.h>

#include "store/history.h"
#include "store/reader.h"
#include "store/store.h"
#include "support/database.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

using core::Behaviour;
using core::kDay;
using core::kHour;
using core::Outcome;
using core::Seconds;
using support::usage;
using ::testing::HasSubstr;

const core::Time kAccessStart = core::from_unix(1772366400);
const std::string kRegion = "eu-west-1";

class AccessTest : public ::testing::Test {
 protected:
  std::vector<BehaviourChange> poll(core::Time t, const Snapshot& snapshot,
                                    const std::string& target = "t") {
    const auto id = store_.begin_poll(target, kRegion, t, kHour, t);
    return store_.finish_poll(id, snapshot, {t, Outcome::kOk, 1, 1, "", "", Seconds{-7}});
  }
  AccountRow account(const std::string& id) {
    for (AccountRow& row : Reader(path_).accounts()) {
      if (row.id == id) return row;
    }
    ADD_FAILURE() << id << " is not there";
    return {};
  }
  static core::Target target(const std::string& name) {
    core::Target result;
    result.name = name;
    result.regions = {kRegion};
    result.organizations = true;
    return result;
  }

  support::TempFolder folder_;
  std::string path_ = support::database_in(folder_);
  Store store_{path_};
};

TEST_F(AccessTest, AnAccountThatCouldNotBeAskedIsUnknownAndNotGone) {
  const auto good = usage("111111111111", "A", 1, 10);
  const auto lost = usage("222222222222", "A", 2, 20);
  poll(kAccessStart, {{good, lost}, {}, {}});
  poll(kAccessStart + kHour, {{good}, {}, {{"222222222222", "denied (eu-west-1)"}}});
  Reader reader(path_);
  const auto latest = History(reader).latest({}, kAccessStart + kHour);
  ASSERT_EQ(latest.rows.size(), 2U);
  EXPECT_FALSE(latest.rows[1].total);
  EXPECT_FALSE(latest.rows[1].cost);
  EXPECT_EQ(latest.completeness.unknown_values, 2);
  Question question;
  const auto history = History(reader).history(question, kAccessStart, kAccessStart + kHour, kHour,
                                               kAccessStart + kHour);
  ASSERT_EQ(history.lines.size(), 1U);
  EXPECT_EQ(history.lines[0].values.front(), 30);
  EXPECT_FALSE(history.lines[0].values.back());  // a sum with an unknown part is unknown
  ASSERT_EQ(account("222222222222").missing.size(), 1U);
  EXPECT_EQ(account("222222222222").missing[0].error, "denied (eu-west-1)");
  EXPECT_EQ(account("222222222222").missing[0].since, kAccessStart + kHour);
  // It still fails: since when stays; it answers: forgotten; it leaves: gone.
  poll(kAccessStart + 2 * kHour, {{good}, {}, {{"222222222222", "hangs"}}});
  EXPECT_EQ(account("222222222222").missing[0].error, "hangs");
  EXPECT_EQ(account("222222222222").missing[0].since, kAccessStart + kHour);
  poll(kAccessStart + 3 * kHour, {{good, lost}, {}, {}});
  EXPECT_TRUE(account("222222222222").missing.empty());
  poll(kAccessStart + 4 * kHour, {{good}, {}, {}});
  EXPECT_EQ(History(reader).latest({}, kAccessStart + 4 * kHour).rows.size(), 1U);
  EXPECT_EQ(reader.polls("", "", "", 0, 1)[0].clock_skew, Seconds{-7});
}

TEST_F(AccessTest, AccountsThatTwoTargetsSeeAreCounted) {
  store_.set_targets({target("t"), target("u")}, kAccessStart);
  poll(kAccessStart,
       {{usage("111111111111", "A", 1, 1), usage("222222222222", "A", 1, 1)}, {}, {}});
  EXPECT_TRUE(Reader(path_).overlaps().empty());
  poll(kAccessStart,
       {{usage("222222222222", "A", 1, 1), usage("222222222222", "B", 1, 1),
         usage("333333333333", "A", 1, 1)},
        {},
        {}},
       "u");
  const auto overlaps = Reader(path_).overlaps();
  ASSERT_EQ(overlaps.size(), 1U);
  EXPECT_EQ(overlaps[0].target, "t");
  EXPECT_EQ(overlaps[0].other, "u");
  EXPECT_EQ(overlaps[0].region, kRegion);
  EXPECT_EQ(overlaps[0].accounts, 1);
  // Once it is seen by one only, and once the other is no longer asked.
  poll(kAccessStart + kHour, {{usage("111111111111", "A", 1, 1)}, {}, {}});
  EXPECT_TRUE(Reader(path_).overlaps().empty());
  poll(kAccessStart + 2 * kHour, {{usage("222222222222", "A", 1, 1)}, {}, {}});
  EXPECT_EQ(Reader(path_).overlaps().size(), 1U);
  store_.set_targets({target("t")}, kAccessStart + 2 * kHour);
  EXPECT_TRUE(Reader(path_).overlaps().empty());
}

TEST_F(AccessTest, AnOverlapBeginsWithAnAccountThatIsNewToOneOfTheTwo) {
  const auto sees = [](const std::string& account) { return usage(account, "A", 1, 1); };
  const auto shared = [this] {
    const auto overlaps = Reader(path_).overlaps();
    return overlaps.empty() ? 0 : overlaps[0].accounts;
  };
  store_.set_targets({target("t"), target("u")}, kAccessStart);
  poll(kAccessStart, {{sees("111111111111")}, {}, {}});
  poll(kAccessStart, {{sees("333333333333")}, {}, {}}, "u");
  EXPECT_EQ(shared(), 0);
  poll(kAccessStart + kHour, {{sees("111111111111"), sees("333333333333")}, {}, {}});
  EXPECT_EQ(shared(), 1);
  poll(kAccessStart + kHour, {{sees("111111111111"), sees("333333333333")}, {}, {}}, "u");
  EXPECT_EQ(shared(), 2);
  // It ends, and begins again with what both had seen before.
  poll(kAccessStart + 2 * kHour, {{sees("444444444444")}, {}, {}});
  EXPECT_EQ(shared(), 0);
  poll(kAccessStart + 3 * kHour, {{sees("111111111111")}, {}, {}});
  EXPECT_EQ(shared(), 1);
}

TEST_F(AccessTest, TheOrganizationsNamesComeAfterTheConfigurations) {
  store_.set_accounts({{"111111111111", {"mine", {}}}, {"222222222222", {"", {{"team", "red"}}}}});
  ASSERT_TRUE(store_.begin_refresh(RefreshKind::kOrganization, "t", "", kAccessStart));
  store_.finish_organization("t",
                             {{"111111111111", "theirs", "ACTIVE"},
                              {"222222222222", "two", "ACTIVE"},
                              {"333333333333", "three", "SUSPENDED"}},
                             kAccessStart);
  EXPECT_EQ(account("111111111111").known.name, "mine");
  EXPECT_EQ(account("222222222222").known.name, "two");
  EXPECT_EQ(account("222222222222").known.tags.at("team"), "red");
  EXPECT_EQ(account("333333333333").organization_status, "SUSPENDED");
  EXPECT_THAT(store_.organization_accounts("t"),
              ::testing::ElementsAre("111111111111", "222222222222"));
  // Kept when it fails, and gone with the target.
  ASSERT_TRUE(store_.begin_refresh(RefreshKind::kOrganization, "t", "", kAccessStart + kDay));
  store_.fail_refresh(RefreshKind::kOrganization, "t", "", "denied");
  EXPECT_EQ(account("222222222222").known.name, "two");
  const auto refreshes = Reader(path_).refreshes();
  ASSERT_EQ(refreshes.size(), 1U);
  EXPECT_EQ(refreshes[0].error, "denied");
  EXPECT_EQ(refreshes[0].attempted, kAccessStart + kDay);
  EXPECT_EQ(refreshes[0].succeeded, kAccessStart);
  store_.set_targets({}, kAccessStart + kDay);
  EXPECT_TRUE(store_.organization_accounts("t").empty());
  EXPECT_TRUE(Reader(path_).refreshes().empty());
}

TEST_F(AccessTest, ARefreshIsNotedBeforeItIsAsked) {
  EXPECT_TRUE(store_.begin_refresh(RefreshKind::kTrials, "t", kRegion, kAccessStart));
  // As after a crash: it has been tried.
  EXPECT_FALSE(
      store_.begin_refresh(RefreshKind::kTrials, "t", kRegion, kAccessStart + Seconds{3599}));
  EXPECT_THAT(Reader(path_).refreshes().at(0).error, HasSubstr("not ended"));
  EXPECT_TRUE(store_.begin_refresh(RefreshKind::kTrials, "t", kRegion, kAccessStart + kHour));
  store_.finish_trials("t", kRegion, {}, {}, kAccessStart + kHour);
  EXPECT_FALSE(store_.begin_refresh(RefreshKind::kTrials, "t", kRegion, kAccessStart + 24 * kHour));
  EXPECT_TRUE(store_.begin_refresh(RefreshKind::kTrials, "t", kRegion, kAccessStart + 25 * kHour));
  EXPECT_TRUE(store_.begin_refresh(RefreshKind::kTrials, "t", "eu-west-2", kAccessStart));
}

TEST_F(AccessTest, ATrialsCostIsThatOfTheLastDayAtTheOthersPrice) {
  // 222222222222 is ten days into its trial: 100 hours and 20 more a day later, at no cost.
  const auto snapshot = [](double hours, std::optional<double> scans) {
    return Snapshot{{usage("111111111111", "EC2_INSTANCE_HOURS", 720, 1.44),
                     usage("222222222222", "EC2_INSTANCE_HOURS", hours, 0.0),
                     usage("222222222222", "ECR_RESCAN", scans, 0.0)},
                    {},
                    {}};
  };
  poll(kAccessStart, snapshot(100, 7));
  poll(kAccessStart + kDay, snapshot(120, 8));
  const core::Time joined = kAccessStart - 9 * kDay;
  ASSERT_TRUE(store_.begin_refresh(RefreshKind::kTrials, "t", kRegion, kAccessStart + kDay));
  store_.finish_trials("t", kRegion,
                       {{"222222222222", "EC2", joined, joined + 15 * kDay, "ACTIVE"},
                        {"222222222222", "ECR", joined, joined + 15 * kDay, "ACTIVE"},
                        {"222222222222", "LAMBDA", joined, joined + 15 * kDay, "INACTIVE"}},
                       {{"333333333333", "ACCESS_DENIED", "no"}}, kAccessStart + kDay);
  const auto trials = Reader(path_).trials({"222222222222"});
  ASSERT_EQ(trials.size(), 3U);
  EXPECT_EQ(trials[0].trial.type, "EC2");
  EXPECT_EQ(trials[0].trial.end, joined + 15 * kDay);
  EXPECT_DOUBLE_EQ(*trials[0].monthly_cost_after, 30 * 20 * 0.002);
  EXPECT_EQ(trials[0].currency, "USD");
  EXPECT_FALSE(trials[1].monthly_cost_after);  // nobody pays for scans, so nobody knows the price
  EXPECT_FALSE(trials[2].monthly_cost_after);
  EXPECT_TRUE(Reader(path_).trials({"111111111111"}).empty());
  const auto errors = Reader(path_).trial_errors({});
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].code, "ACCESS_DENIED");
  // An account for which AWS can't say keeps what is known of it.
  store_.finish_trials("t", kRegion, {}, {{"222222222222", "INTERNAL_ERROR", "x"}},
                       kAccessStart + 2 * kDay);
  EXPECT_EQ(Reader(path_).trials({}).size(), 3U);
  store_.finish_trials("t", kRegion, {}, {}, kAccessStart + 3 * kDay);
  EXPECT_TRUE(Reader(path_).trials({}).empty());
}

TEST_F(AccessTest, WhatTheTotalsAreIsObservedAndAChangeTold) {
  std::vector<BehaviourChange> told;
  const auto note = [&told](std::vector<BehaviourChange> changes) {
    std::ranges::move(changes, std::back_inserter(told));
  };
  const auto totals = [](double value) {
    return Snapshot{
        {usage("111111111111", "A", value, value), usage("222222222222", "A", value * 2, value)},
        {},
        {}};
  };
  // A sum that wavers, polled four times a day.
  for (int quarter = 0; quarter < 4 * 20; ++quarter) {
    const double value = 700 + 20 * (quarter / 4 % 3);
    note(poll(kAccessStart + quarter * 6 * kHour, totals(value)));
  }
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].type, "A");
  EXPECT_EQ(told[0].before, Behaviour::kUnknown);
  EXPECT_EQ(told[0].after.behaviour, Behaviour::kRolling);
  auto rows = Reader(path_).behaviours();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].behaviour, Behaviour::kRolling);
  EXPECT_THAT(rows[0].reason, HasSubstr("falls"));
  // Then it counts up and begins anew each thirtieth day.
  for (int day = 20; day < 200; ++day) {
    note(poll(kAccessStart + day * kDay, totals(24 * (1 + day % 30))));
  }
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[1].before, Behaviour::kRolling);
  EXPECT_EQ(told[1].after.behaviour, Behaviour::kResetting);
  rows = Reader(path_).behaviours();
  EXPECT_EQ(rows.at(0).behaviour, Behaviour::kResetting);
  EXPECT_GT(rows.at(0).since, kAccessStart + 20 * kDay);
}

}  // namespace
}  // namespace usaged::store
