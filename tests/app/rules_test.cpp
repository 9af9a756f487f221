#include "app/rules.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "store/store.h"
#include "support/database.h"
#include "support/usage.h"

namespace usaged::app {
namespace {

using core::kDay;
using core::kHour;
using core::RuleKind;
using core::Time;
using core::Verdict;
using support::usage;

const Time kStart = core::from_unix(1769904000);  // 2026-02-01
const std::string kEc2 = "EC2_INSTANCE_HOURS";

class RulesTest : public ::testing::Test {
 protected:
  void poll(Time t, const std::vector<core::UsageTotal>& totals,
            const std::string& region = "eu-west-1") {
    const auto id = store_.begin_poll("t", region, t, 6 * kHour, t);
    store_.finish_poll(id, {totals, {}}, {t, core::Outcome::kOk, 1, 1, "", ""});
    store_.settle("t", region, t);
    store_.sum_days();
  }
  void fail(Time t, const std::string& region) {
    store_.fail_poll(store_.begin_poll("t", region, t, 6 * kHour, t),
                     {t, core::Outcome::kDenied, 1, 0, "AccessDeniedException", ""});
  }
  core::Rule rule(RuleKind kind) { return core::default_rule(kind, "r"); }
  // What the rule says of the group with this value of a label; nullopt: the group is not there.
  std::optional<Measured> see(const core::Rule& rule, Time now, const std::string& value) {
    store::Reader reader(store_.path());
    RuleMemory memory;
    for (Measured& one : measure(reader, rule, now, memory)) {
      for (const auto& [name, text] : one.group.labels) {
        if (text == value) return std::move(one);
      }
      if (one.group.labels.empty() && value.empty()) return std::move(one);
    }
    return std::nullopt;
  }
  Verdict verdict(const core::Rule& rule, Time now, const std::string& value) {
    const auto seen = see(rule, now, value);
    return seen ? core::judge(rule, seen->measurement) : Verdict::kCalm;
  }
  static nlohmann::json details(const std::optional<Measured>& seen) {
    return nlohmann::json::parse(seen->measurement.details);
  }

  support::TempFolder folder_;
  store::Store store_{support::database_in(folder_)};
};

TEST_F(RulesTest, AThresholdFiresFromItsLimitOn) {
  core::Rule limit = rule(RuleKind::kThreshold);
  limit.limit = 100;
  poll(kStart,
       {usage("111111111111", kEc2, 1, 100), usage("222222222222", kEc2, 1, 99.99),
        usage("333333333333", kEc2, 1, 94.9), usage("444444444444", kEc2, 1, std::nullopt)});
  EXPECT_EQ(verdict(limit, kStart, "111111111111"), Verdict::kIncreased);
  EXPECT_EQ(verdict(limit, kStart, "222222222222"), Verdict::kElevated);
  EXPECT_EQ(verdict(limit, kStart, "333333333333"), Verdict::kCalm);
  EXPECT_EQ(verdict(limit, kStart, "444444444444"), Verdict::kUnknown);
  // Across a gap nothing is said.
  EXPECT_EQ(verdict(limit, kStart + kDay, "111111111111"), Verdict::kUnknown);
}

TEST_F(RulesTest, ABudgetFiresWhenTheMonthIsProjectedToPassItOrHas) {
  // 10 a day from the first of February on; the account was there before.
  for (Time t = kStart - 12 * kHour; t <= kStart + 39 * kDay; t += 6 * kHour) {
    std::vector<core::UsageTotal> totals{usage("111111111111", "OTHER", 1, 0)};
    const double days = static_cast<double>((t - kStart).count()) / 86400;
    if (t > kStart) totals.push_back(usage("111111111111", kEc2, 1, 10 * std::min(days, 30.0)));
    poll(t, totals);
  }
  core::Rule budget = rule(RuleKind::kBudget);
  budget.group_by = {};
  const Time now = kStart + 39 * kDay;  // 12 March: 11 days are over, 310 are to come
  budget.limit = 300;
  const auto seen = see(budget, now, "");
  ASSERT_TRUE(seen);
  EXPECT_EQ(core::judge(budget, seen->measurement), Verdict::kIncreased);
  EXPECT_NEAR(details(seen)["spent"].get<double>(), 110, 1);
  EXPECT_NEAR(details(seen)["projected"].get<double>(), 310, 3);
  EXPECT_EQ(details(seen)["passed_on"], "2026-03-31");
  budget.limit = 318;
  EXPECT_EQ(verdict(budget, now, ""), Verdict::kElevated);
  budget.limit = 340;
  EXPECT_EQ(verdict(budget, now, ""), Verdict::kCalm);
  budget.forecast = false;
  budget.limit = 105;
  EXPECT_EQ(verdict(budget, now, ""), Verdict::kIncreased);
  budget.limit = 200;
  EXPECT_EQ(verdict(budget, now, ""), Verdict::kCalm);
}

TEST_F(RulesTest, NewAndGoneAreSeenForAWindow) {
  for (int step = 0; step <= 16; ++step) {
    const Time t = kStart + step * 6 * kHour;
    std::vector<core::UsageTotal> totals{usage("111111111111", kEc2, 1, 1)};
    if (step >= 8) totals.push_back(usage("222222222222", kEc2, 1, 1));
    if (step < 8) totals.push_back(usage("333333333333", kEc2, 1, 1));
    poll(t, totals);
  }
  const Time then = kStart + 48 * kHour;
  const core::Rule fresh = rule(RuleKind::kNew);
  EXPECT_EQ(verdict(fresh, then, "222222222222"), Verdict::kIncreased);
  EXPECT_EQ(verdict(fresh, then, "111111111111"), Verdict::kCalm);
  EXPECT_EQ(verdict(fresh, then + 18 * kHour, "222222222222"), Verdict::kIncreased);
  EXPECT_EQ(verdict(fresh, then + 24 * kHour, "222222222222"), Verdict::kCalm);
  const core::Rule gone = rule(RuleKind::kGone);
  EXPECT_EQ(verdict(gone, then, "333333333333"), Verdict::kIncreased);
  EXPECT_EQ(verdict(gone, then, "111111111111"), Verdict::kCalm);
  EXPECT_EQ(verdict(gone, then + 30 * kHour, "333333333333"), Verdict::kCalm);
}

TEST_F(RulesTest, ATrialIsToldBeforeItsEnd) {
  poll(kStart, {usage("111111111111", kEc2, 1, 1)});
  store_.begin_refresh(store::RefreshKind::kTrials, "t", "eu-west-1", kStart);
  const Time end = kStart + 10 * kDay;
  store_.finish_trials("t", "eu-west-1",
                       {{"111111111111", "EC2", kStart - 5 * kDay, end, "ACTIVE"}}, {}, kStart);
  const core::Rule trial = rule(RuleKind::kTrial);
  EXPECT_FALSE(see(trial, end - 7 * kDay - core::Seconds{1}, "111111111111"));
  const auto seen = see(trial, end - 7 * kDay, "111111111111");
  ASSERT_TRUE(seen);
  EXPECT_EQ(core::judge(trial, seen->measurement), Verdict::kIncreased);
  EXPECT_EQ(details(seen)["ends"], core::format_time(end));
  EXPECT_FALSE(see(trial, end, "111111111111"));  // it is over
  core::Rule other = trial;
  other.accounts = {"222222222222"};
  EXPECT_FALSE(see(other, end - kDay, "111111111111"));
}

TEST_F(RulesTest, APriceIsThatOfMostAccounts) {
  const core::Rule price = rule(RuleKind::kPrice);
  const auto poll_at = [&](Time t, double factor) {
    poll(t,
         {usage("111111111111", kEc2, 100, 10 * factor),
          usage("222222222222", kEc2, 50, 5 * factor), usage("333333333333", kEc2, 80, 8 * factor),
          usage("444444444444", kEc2, 70, 0), usage("555555555555", kEc2, 10, std::nullopt)});
  };
  poll_at(kStart, 1);
  poll_at(kStart + kDay, 1.019);
  EXPECT_EQ(verdict(price, kStart + kDay, kEc2), Verdict::kCalm);
  poll_at(kStart + 2 * kDay, 1.019 * 0.97);
  const auto seen = see(price, kStart + 2 * kDay, kEc2);
  EXPECT_EQ(core::judge(price, seen->measurement), Verdict::kIncreased);
  EXPECT_NEAR(details(seen)["percent"].get<double>(), 3, 1e-9);
  EXPECT_NEAR(details(seen)["price_before"].get<double>(), 0.1019, 1e-12);
  // Usage that changes is no price that changes.
  poll(kStart + 3 * kDay, {usage("111111111111", kEc2, 500, 10 * 5 * 1.019 * 0.97)});
  EXPECT_EQ(verdict(price, kStart + 3 * kDay, kEc2), Verdict::kCalm);
}

TEST_F(RulesTest, AnAccountLacksWhatTheOthersHave) {
  core::Rule parity = rule(RuleKind::kParity);
  std::vector<core::UsageTotal> totals;
  for (int i = 0; i < 10; ++i) {
    const std::string account = "00000000000" + std::to_string(i);
    totals.push_back(usage(account, kEc2, 1, 1));
    if (i > 0) totals.push_back(usage(account, "ECR_RESCAN", 1, 1));
    if (i > 1) totals.push_back(usage(account, "LAMBDA_FUNCTION_HOURS", 1, 1));
  }
  poll(kStart, totals);
  const auto first = see(parity, kStart, "000000000000");
  EXPECT_EQ(core::judge(parity, first->measurement), Verdict::kIncreased);
  // Nine of the nine others have ECR; eight of nine have Lambda, which is less than 90%.
  EXPECT_EQ(details(first)["missing"], (nlohmann::json{"ECR_RESCAN in eu-west-1"}));
  EXPECT_EQ(verdict(parity, kStart, "000000000001"), Verdict::kCalm);
  parity.share = 0.88;
  EXPECT_EQ(verdict(parity, kStart, "000000000001"), Verdict::kIncreased);
  // Two tell nothing of what is usual.
  parity.accounts = {"000000000000", "000000000001"};
  EXPECT_EQ(verdict(parity, kStart, "000000000000"), Verdict::kCalm);
  // Regions are compared by their usage types.
  core::Rule regions = rule(RuleKind::kParity);
  regions.group_by = {"region"};
  for (const char* region : {"us-east-1", "us-west-2"}) poll(kStart, totals, region);
  poll(kStart, {usage("000000000001", kEc2, 1, 1)}, "eu-north-1");
  EXPECT_EQ(verdict(regions, kStart, "us-east-1"), Verdict::kCalm);
  EXPECT_EQ(details(see(regions, kStart, "eu-north-1"))["missing"],
            (nlohmann::json{"ECR_RESCAN", "LAMBDA_FUNCTION_HOURS"}));
}

TEST_F(RulesTest, ARegionWithoutAGoodPollIsStale) {
  poll(kStart, {usage("111111111111", kEc2, 1, 1)});
  fail(kStart, "us-east-1");
  fail(kStart + 6 * kHour, "eu-west-1");
  const core::Rule stale = rule(RuleKind::kStale);
  EXPECT_EQ(verdict(stale, kStart + 6 * kHour, "eu-west-1"), Verdict::kCalm);
  const Time late = kStart + 6 * kHour + core::Seconds{1};
  const auto seen = see(stale, late, "eu-west-1");
  EXPECT_EQ(core::judge(stale, seen->measurement), Verdict::kIncreased);
  EXPECT_EQ(details(seen)["last_success"], core::format_time(kStart));
  EXPECT_EQ(details(seen)["outcome"], "denied");
  // Never once good counts from the first attempt on.
  EXPECT_EQ(verdict(stale, late, "us-east-1"), Verdict::kIncreased);
  EXPECT_TRUE(details(see(stale, late, "us-east-1"))["last_success"].is_null());
}

}  // namespace
}  // namespace usaged::app
