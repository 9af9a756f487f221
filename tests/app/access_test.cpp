// Asking AWS as operators do: roles, organizations, trials, and what goes wrong with them, from the
// collector to the database.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "app/collector.h"
#include "app/diagnosis.h"
#include "core/region.h"
#include "store/history.h"
#include "store/reader.h"
#include "support/raw_http.h"
#include "support/world.h"

namespace usaged::app {
namespace {

using core::kDay;
using core::kHour;
using core::Outcome;
using core::Seconds;
using support::eventually;
using support::World;
using ::testing::HasSubstr;
using ::testing::Not;
using json = nlohmann::json;

class AccessTest : public ::testing::Test {
 protected:
  World& new_world(const std::string& faults = "", int accounts = 10) {
    World& world = world_.emplace(accounts, faults);
    world.options.organization.regions = {"us-east-1"};
    return world;
  }
  // A collector over a store, as after a restart.
  Collector& collect() {
    World& world = *world_;
    collector_.reset();
    store_.reset();
    if (!world.simulator) world.start_simulator();
    world.stop = std::make_unique<Stop>();
    store_ = std::make_unique<store::Store>(world.config.database);
    store_->set_targets(world.config.targets, world.clock.now());
    const auto from = world.daemon_world();
    collector_ = std::make_unique<Collector>(
        world.config, Collector::World{*store_, world.clock, counters_, *world.stop, *world.stop,
                                       claims_, *world.log, from.environment, nullptr});
    return *collector_;
  }
  void pass(Seconds time) { world_->clock.set(world_->clock.now() + time); }
  store::Reader reader() const { return store::Reader(world_->config.database); }
  core::Target& target() { return world_->config.targets.at(0); }

  // Ids of accounts that are members now.
  std::vector<std::string> members(std::size_t most) const {
    const sim::Organization& organization = world_->simulator->organization();
    std::vector<std::string> ids;
    for (int i = 0; ids.size() < most; ++i) {
      if (organization.is_member(i, world_->clock.now())) {
        ids.push_back(organization.account_ids().at(static_cast<std::size_t>(i)));
      }
    }
    return ids;
  }
  store::AccountRow account(const std::string& id) const {
    for (store::AccountRow& row : reader().accounts()) {
      if (row.id == id) return row;
    }
    return {};
  }

  std::optional<World> world_;
  web::Counters counters_;
  Claims claims_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Collector> collector_;
};

const std::string kRoles = "arn:aws:iam::{account}:role/InspectorUsageRead";

TEST_F(AccessTest, ARoleForEachAccountFansOutAndOneThatFailsIsListed) {
  World& world = new_world();
  world.options.organization.regions = {"us-east-1", "eu-west-1"};
  world.start_simulator();
  const auto ids = members(3);
  world.options.faults =
      sim::parse_faults("f", "faults: [{service: sts, kind: denied, account: '" + ids[1] + "'}]");
  world.simulator.reset();
  world.start_simulator();
  target().accounts = ids;
  target().credentials.role_arn = kRoles;
  target().free_trials = false;
  const auto results = collect().poll_due();
  ASSERT_EQ(results.size(), 2U);
  for (const PollResult& result : results) {
    EXPECT_EQ(result.outcome, Outcome::kOk) << result.error;
    EXPECT_EQ(result.accounts, 2);
    EXPECT_EQ(result.failed_accounts, 1);
  }
  EXPECT_EQ(world.simulator->requests("inspector2"), 4);  // each account as itself, in each region
  // A role's keys serve both regions; the refused one is asked for in each of them.
  EXPECT_LE(world.simulator->requests("sts"), 4);
  const auto missing = account(ids[1]).missing;
  ASSERT_EQ(missing.size(), 2U);
  EXPECT_THAT(missing[0].error, HasSubstr("role arn:aws:iam::" + ids[1] +
                                          ":role/InspectorUsageRead can't be assumed with the keys "
                                          "of environment (AWS_ACCESS_KEY_ID): AccessDenied"));
  auto r = reader();
  for (const store::LatestRow& row : store::History(r).latest({}, world.clock.now()).rows) {
    EXPECT_TRUE(row.account == ids[0] || row.account == ids[2]);
    EXPECT_TRUE(row.cost);
  }
}

TEST_F(AccessTest, OneAccountThatFailsLaterIsUnknown) {
  World& world = new_world();
  world.start_simulator();
  const auto ids = members(2);
  target().accounts = ids;
  target().credentials.role_arn = kRoles;
  collect().poll_due();
  world.options.faults =
      sim::parse_faults("f", "faults: [{kind: denied, account: '" + ids[0] + "'}]");
  world.simulator.reset();
  world.start_simulator();
  pass(kHour);
  EXPECT_EQ(collect().poll_due().at(0).outcome, Outcome::kOk);
  auto r = reader();
  int unknown = 0;
  for (const store::LatestRow& row : store::History(r).latest({}, world.clock.now()).rows) {
    unknown += row.account == ids[0] && !row.total ? 1 : 0;
    EXPECT_EQ(row.total.has_value(), row.account == ids[1]);
  }
  EXPECT_GE(unknown, 6);
}

TEST_F(AccessTest, IfEveryAccountFailsSoDoesThePoll) {
  World& world = new_world("faults: [{service: sts, kind: denied}]");
  world.start_simulator();
  target().accounts = members(3);
  target().credentials.role_arn = kRoles;
  const auto results = collect().poll_due();
  EXPECT_EQ(results.at(0).outcome, Outcome::kCredentials);
  EXPECT_THAT(results.at(0).error, HasSubstr("each of 3 accounts failed; "));
  EXPECT_EQ(world.simulator->requests(), 0);
}

TEST_F(AccessTest, OneRoleWithExternalIdSessionNameAndDuration) {
  World& world = new_world();
  world.options.sts.external_id = "my-id";
  world.start_simulator();
  target().credentials = {"", "arn:aws:iam::123456789012:role/Read", "my-id", "me", 2 * kHour};
  EXPECT_EQ(collect().poll_due().at(0).outcome, Outcome::kOk);
  EXPECT_EQ(world.simulator->requests("sts"), 1);
  // Good for two hours: fetched anew from a quarter of an hour before their end.
  pass(kHour);
  collector_->poll_due();
  EXPECT_EQ(world.simulator->requests("sts"), 1);
  pass(kHour - Seconds{15 * 60});
  collector_->poll_now({});
  EXPECT_EQ(world.simulator->requests("sts"), 2);
  // The wrong one is refused.
  target().credentials.external_id = "other";
  const auto refused = collect().poll_now({});
  EXPECT_EQ(refused.at(0).outcome, Outcome::kCredentials);
  EXPECT_THAT(refused.at(0).error, Not(HasSubstr("other")));
}

TEST_F(AccessTest, TheOrganizationSaysWhichAccountsThereAreAndWhatTheyAreCalled) {
  World& world = new_world("", 45);
  world.start_simulator();
  target().organizations = true;
  target().credentials.role_arn = kRoles;
  EXPECT_EQ(collect().poll_due().at(0).outcome, Outcome::kOk);
  EXPECT_EQ(world.simulator->requests("organizations"), 3);
  std::size_t active = 0;
  for (const store::AccountRow& row : reader().accounts()) {
    EXPECT_THAT(row.known.name, HasSubstr("account-"));
    active += row.organization_status == "ACTIVE" ? 1 : 0;
  }
  EXPECT_GT(active, 35U);
  EXPECT_EQ(reader().polls("", "", "", 0, 1)[0].accounts, static_cast<int>(active));
  // Asked once a day, not at once after a restart, and what it said is kept when it fails.
  pass(kHour);
  EXPECT_EQ(collect().poll_due().at(0).outcome, Outcome::kOk);
  EXPECT_EQ(world.simulator->requests("organizations"), 3);
  world.options.faults = sim::parse_faults("f", "faults: [{service: organizations, kind: denied}]");
  world.simulator.reset();
  world.start_simulator();
  pass(kDay);
  EXPECT_EQ(collect().poll_due().at(0).outcome, Outcome::kOk);
  EXPECT_EQ(world.simulator->requests("organizations"), 1);
  EXPECT_EQ(reader().accounts().at(0).organization_status.empty(), false);
  const auto refreshes = reader().refreshes();
  EXPECT_THAT(refreshes.at(0).error, HasSubstr("AccessDeniedException"));
}

TEST_F(AccessTest, WithoutAnyAccountThePollSaysWhatIsMissing) {
  World& world = new_world("faults: [{service: organizations, kind: denied}]");
  world.start_simulator();
  target().organizations = true;
  target().credentials.role_arn = kRoles;
  const auto results = collect().poll_due();
  EXPECT_EQ(results.at(0).outcome, Outcome::kCredentials);
  EXPECT_THAT(results.at(0).error, HasSubstr("AWS Organizations"));
}

TEST_F(AccessTest, TrialsAreAskedOnceADayInHundreds) {
  World& world = new_world("", 250);
  EXPECT_EQ(collect().poll_due().at(0).outcome, Outcome::kOk);
  EXPECT_EQ(world.simulator->requests("trials"), 3);
  EXPECT_GT(reader().trials({}).size(), 1000U);
  for (int hour = 1; hour < 24; ++hour) {
    pass(kHour);
    collect().poll_due();
  }
  EXPECT_EQ(world.simulator->requests("trials"), 3);
  pass(kHour);
  collect().poll_due();
  EXPECT_EQ(world.simulator->requests("trials"), 6);
  // Those that still run have a price: that of the others.
  int running = 0;
  for (const store::TrialRow& row : reader().trials({})) {
    if (row.trial.status != "ACTIVE" || row.trial.type == "CODE_REPOSITORY") continue;
    ++running;
    EXPECT_GT(row.monthly_cost_after.value_or(-1), 0) << row.trial.account << row.trial.type;
  }
  EXPECT_GT(running, 0);
}

TEST_F(AccessTest, TrialsThatCanNotBeAskedDisturbNoPoll) {
  World& world = new_world("faults: [{service: trials, kind: denied}]");
  EXPECT_EQ(collect().poll_due().at(0).outcome, Outcome::kOk);
  EXPECT_THAT(reader().refreshes().at(0).error, HasSubstr("AccessDeniedException"));
  target().free_trials = false;
  pass(kDay);
  EXPECT_EQ(collect().poll_due().at(0).outcome, Outcome::kOk);
  EXPECT_EQ(world.simulator->requests("trials"), 1);
}

TEST_F(AccessTest, TheBreakerProbesWithoutRetries) {
  World& world = new_world("faults: [{kind: server_error}]");
  collect();
  std::vector<std::int64_t> requests;
  for (int i = 0; i < 5; ++i) {
    const std::int64_t before = world.simulator->requests();
    collector_->poll_now({});
    requests.push_back(world.simulator->requests() - before);
  }
  EXPECT_THAT(requests, ::testing::ElementsAre(3, 3, 3, 1, 1));
  // One good answer closes it.
  world.options.faults.clear();
  world.simulator.reset();
  world.start_simulator();
  EXPECT_EQ(collect().poll_now({}).at(0).outcome, Outcome::kOk);
  EXPECT_EQ(reader().scopes().at(0).failures, 0);
}

TEST_F(AccessTest, ThrottlingEverywhereStaysWithinPollsAndQuota) {
  World& world = new_world("faults: [{kind: throttle}]");
  world.options.organization.regions = core::regions_of(core::Partition::kCommercial);
  world.options.organization.regions.resize(12);
  collect();
  // Three cycles of one try and two retries each; then the breakers are open.
  for (int cycle = 0; cycle < 5; ++cycle) {
    const std::int64_t before = world.simulator->requests();
    EXPECT_EQ(collector_->poll_due().size(), 12U);
    EXPECT_EQ(world.simulator->requests() - before, cycle < 3 ? 36 : 12) << cycle;
    pass(kHour);
  }
  // A restart gives no new budget.
  const std::int64_t before = world.simulator->requests();
  EXPECT_EQ(collect().poll_due().size(), 12U);
  EXPECT_EQ(world.simulator->requests() - before, 12);
}

TEST_F(AccessTest, AClockThatIsWrongIsCorrectedAndShown) {
  World& world = new_world();
  world.options.clock_skew = Seconds{-900};
  world.start_simulator();
  Daemon& daemon = world.start_daemon();
  daemon.step();
  const json status = json::parse(support::get(daemon.port(), "/api/v1/status"))["data"];
  EXPECT_EQ(status["targets"][0]["state"], "ok");
  EXPECT_EQ(status["targets"][0]["clock_skew_seconds"], -900);
  EXPECT_EQ(world.simulator->requests(), 2);
  pass(kHour);
  daemon.step();
  EXPECT_EQ(world.simulator->requests(), 3);  // it is known by now
}

TEST_F(AccessTest, ExpiredCredentialsAreFetchedAnewOnceAndSharedByAll) {
  World& world = new_world("faults: [{kind: expired_token, count: 1}]");
  world.options.organization.regions = {"us-east-1", "us-east-2", "us-west-1", "us-west-2"};
  world.start_simulator();
  target().credentials.role_arn = "arn:aws:iam::123456789012:role/Read";
  target().free_trials = false;
  for (const PollResult& result : collect().poll_due()) {
    EXPECT_EQ(result.outcome, Outcome::kOk) << result.error;
  }
  EXPECT_EQ(world.simulator->requests("sts"), 2);
  EXPECT_EQ(world.simulator->requests(), 5);
}

// One region hangs, one is denied and one sends garbage among all of them.
TEST_F(AccessTest, ThreeBadRegionsOf33DisturbNoOther) {
  World& world = new_world(
      "faults: [{kind: hang, region: eu-west-1, duration: 60s}, {kind: denied, region: eu-west-2}, "
      "{kind: garbage, region: eu-west-3}]");
  world.options.organization.regions = core::regions_of(core::Partition::kCommercial);
  world.config.collection.request_timeout = Seconds{2};
  world.config.collection.poll_timeout = Seconds{20};
  world.start_simulator();
  target().free_trials = false;
  pass(Seconds{20 * 60});  // far from the next slot
  collect().start();
  const auto good = [&] { return reader().polls("", "", "ok", 0, 100).size(); };
  ASSERT_TRUE(eventually([&] { return good() == 30; }));
  EXPECT_EQ(reader().polls("", "eu-west-1", "", 0, 9).at(0).outcome, "running");
  EXPECT_TRUE(eventually(
      [&] { return reader().polls("", "eu-west-1", "", 0, 9).at(0).outcome == "timeout"; }));
  world.stop->request();
  collector_.reset();
  store_.reset();
  Daemon& daemon = world.start_daemon();
  const json status = json::parse(support::get(daemon.port(), "/api/v1/status"))["data"];
  ASSERT_EQ(status["targets"].size(), 33U);
  const auto row = [&](const std::string& region) {
    return *std::ranges::find_if(status["targets"],
                                 [&](const json& one) { return one["region"] == region; });
  };
  const core::Time now = world.clock.now();
  EXPECT_EQ(row("us-east-1")["state"], "ok");
  EXPECT_EQ(row("eu-west-1")["last_outcome"], "timeout");
  EXPECT_THAT(row("eu-west-1")["error"].get<std::string>(), HasSubstr("timed out"));
  EXPECT_EQ(row("eu-west-1")["next_reason"], "retry");
  EXPECT_EQ(row("eu-west-1")["next_try"], core::format_time(now + Seconds{60}));
  EXPECT_EQ(row("eu-west-2")["last_outcome"], "denied");
  EXPECT_EQ(row("eu-west-2")["next_reason"], "slot");
  EXPECT_EQ(row("eu-west-3")["last_outcome"], "malformed");
  EXPECT_THAT(row("eu-west-3")["error"].get<std::string>(), HasSubstr("not a JSON object"));
  for (const json& one : status["targets"]) EXPECT_FALSE(one["next_try"].is_null());
}

TEST_F(AccessTest, TheDiagnosisSaysWhoIsAskingAndWhatIsMissing) {
  World& world = new_world(
      "faults: [{kind: denied, region: eu-west-1}, {service: organizations, kind: denied}]");
  world.options.organization.regions = {"us-east-1", "eu-west-1"};
  world.start_simulator();
  core::Target roles = target();
  roles.name = "roles";
  roles.accounts = {members(1)[0], "999999999999"};
  roles.credentials.role_arn = kRoles;
  target().organizations = true;
  world.config.targets.push_back(roles);
  core::Target lost = target();
  lost.name = "lost";
  lost.credentials.profile = "nobody";
  world.config.targets.push_back(lost);
  Aws aws({world.config, world.clock, *world.stop, world.daemon_world().environment});
  const auto findings = diagnose(world.config, aws);
  ASSERT_EQ(findings.size(), 2U + 3U + 2U);
  EXPECT_EQ(findings[0].provider, "environment (AWS_ACCESS_KEY_ID)");
  EXPECT_EQ(findings[0].arn, "arn:aws:iam::123456789012:user/simulator");
  EXPECT_THAT(findings[0].missing_actions(), ::testing::ElementsAre("organizations:ListAccounts"));
  EXPECT_THAT(findings[1].missing_actions(), ::testing::ElementsAre("inspector2:ListUsageTotals"));
  EXPECT_TRUE(findings[2].good());
  EXPECT_THAT(findings[2].arn, HasSubstr(":assumed-role/InspectorUsageRead/inspector-usaged"));
  EXPECT_THAT(findings[3].missing_actions(), ::testing::ElementsAre("sts:AssumeRole"));
  EXPECT_EQ(findings[3].account, "999999999999");
  EXPECT_EQ(findings[4].region, "eu-west-1");
  EXPECT_THAT(findings[5].error, HasSubstr("there is no profile 'nobody'"));
  EXPECT_TRUE(findings[5].missing_actions().empty());
}

TEST(Policies, AreTheLeastThatIsNeeded) {
  core::Target target;
  target.name = "t";
  target.regions = {"us-gov-west-1"};
  target.free_trials = false;
  auto policies = least_policies(target);
  ASSERT_EQ(policies.size(), 1U);
  EXPECT_EQ(policies[0].document["Statement"].size(), 1U);
  EXPECT_EQ(policies[0].document["Statement"][0]["Action"],
            nlohmann::ordered_json::array({"inspector2:ListUsageTotals"}));
  target.free_trials = target.organizations = true;
  target.credentials.role_arn = "arn:aws-us-gov:iam::{account}:role/Read";
  target.credentials.external_id = "secret-id";
  policies = least_policies(target);
  ASSERT_EQ(policies.size(), 3U);
  EXPECT_EQ(policies[0].document["Statement"][0]["Resource"], "arn:aws-us-gov:iam::*:role/Read");
  EXPECT_EQ(policies[0].document["Statement"][1]["Action"],
            nlohmann::ordered_json::array({"organizations:ListAccounts"}));
  EXPECT_EQ(policies[1].document["Statement"][0]["Action"].size(), 2U);
  EXPECT_EQ(policies[2].document["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"],
            "EXTERNAL_ID");
  for (const Policy& policy : policies) {
    EXPECT_THAT(policy.document.dump(), Not(HasSubstr("secret-id")));
  }
}

TEST_F(AccessTest, AnEnvironmentThatCanNotBeIsRefusedAtTheStart) {
  World& world = new_world();
  world.start_simulator();
  world.environment["AWS_USE_FIPS_ENDPOINT"] = "true";
  EXPECT_THROW(collect(), core::Error);
  world.environment.erase("AWS_USE_FIPS_ENDPOINT");
  world.environment["AWS_MAX_ATTEMPTS"] = "many";
  EXPECT_THROW(collect(), core::Error);
}

}  // namespace
}  // namespace usaged::app
