#include "app/demo.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace usaged::app {
namespace {

using core::kDay;
using core::kHour;
using core::Seconds;
using core::Time;

constexpr Seconds kInterval = kHour;
constexpr Seconds kSurgeAfter = 6 * kHour;
constexpr Seconds kSurgeLasts = 36 * kHour;
constexpr double kSurgeFactor = 80;
constexpr Seconds kPastSurgeBefore = 40 * kDay;
constexpr double kPastSurgeFactor = 60;
constexpr double kBudgetStep = 100;
const std::string kSurgeType = "EC2_INSTANCE_HOURS";

sim::OrganizationSpec organization_spec(const DemoOptions& options) {
  sim::OrganizationSpec spec;
  spec.accounts = options.accounts;
  spec.seed = options.seed;
  return spec;
}

// What accounts that stay cost in the first region, cheapest first, by id.
std::vector<std::pair<double, std::string>> costs(const DemoOptions& options, Time at) {
  const sim::Organization organization(organization_spec(options));
  std::vector<std::pair<double, std::string>> by_cost;
  for (int i = 0; i < options.accounts; ++i) {
    if (!organization.is_member(i, at - 60 * kDay)) continue;
    if (!organization.is_member(i, at + 30 * kDay)) continue;
    double cost = 0;
    for (const core::UsageTotal& total :
         organization.totals(i, organization.regions().front(), at)) {
      cost += total.cost.value_or(0);
    }
    by_cost.emplace_back(cost, organization.account_ids().at(static_cast<std::size_t>(i)));
  }
  std::ranges::sort(by_cost);
  return by_cost;
}

// The account whose usage jumps once the demo is live: one of middling size.
sim::Surge choose_surge(const DemoOptions& options, Time live_from) {
  const auto by_cost = costs(options, live_from);
  const std::string account = by_cost.empty() ? "" : by_cost[by_cost.size() * 3 / 4].second;
  const Time from = live_from + kSurgeAfter;
  return {
      account,     organization_spec(options).regions.front(), kSurgeType, from, from + kSurgeLasts,
      kSurgeFactor};
}

// One in the history, by the largest account, which has left the window again meanwhile.
sim::Surge past_surge(const DemoOptions& options, Time live_from) {
  const auto by_cost = costs(options, live_from);
  const std::string account = by_cost.empty() ? "" : by_cost.back().second;
  const Time from = live_from - kPastSurgeBefore;
  return {account,     organization_spec(options).regions.front(),
          kSurgeType,  from,
          from + kDay, kPastSurgeFactor};
}

// A month's budget that is kept, if nothing happens.
core::Rule budget_rule(const DemoOptions& options, Time live_from) {
  double cost = 0;
  for (const auto& [one, account] : costs(options, live_from)) cost += one;
  core::Rule rule = core::default_rule(core::RuleKind::kBudget, "monthly-budget");
  rule.group_by = {};
  const auto regions = static_cast<double>(organization_spec(options).regions.size());
  rule.limit = kBudgetStep * (std::ceil(1.1 * regions * cost / kBudgetStep));
  return rule;
}

core::AccountDirectory name_accounts(const std::vector<std::string>& ids) {
  constexpr std::array<const char*, 10> kProducts{"payments",  "search", "checkout", "identity",
                                                  "inventory", "ml",     "website",  "reporting",
                                                  "logistics", "mobile"};
  constexpr std::array<const char*, 3> kStages{"prod", "staging", "dev"};
  constexpr std::array<const char*, 4> kTeams{"commerce", "platform", "data", "growth"};
  core::AccountDirectory directory;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::size_t round = i / (kProducts.size() * kStages.size());
    core::Account account;
    account.name = fmt::format("{}-{}{}", kProducts.at(i % kProducts.size()),
                               kStages.at(i / kProducts.size() % kStages.size()),
                               round == 0 ? "" : fmt::format("-{}", round + 1));
    account.tags["team"] = kTeams.at(i % kTeams.size());
    directory[ids[i]] = account;
  }
  return directory;
}

sim::SimulatorOptions simulator_options(const DemoOptions& options,
                                        const std::vector<sim::Surge>& surges,
                                        const ManualClock& clock) {
  sim::SimulatorOptions result;
  result.organization = organization_spec(options);
  result.organization.surges = surges;
  result.now = result.signing_now = [&clock] { return clock.now(); };
  return result;
}

}  // namespace

Demo::Demo(DemoOptions options, Stop& stop, Log& log)
    : options_(std::move(options)),
      stop_(stop),
      live_from_(std::chrono::floor<std::chrono::hours>(SystemClock().now())),
      clock_(live_from_ - options_.days * kDay),
      surge_(choose_surge(options_, live_from_)),
      simulator_(simulator_options(options_, {past_surge(options_, live_from_), surge_}, clock_)) {
  config_.database = options_.database;
  config_.http.port = options_.port;
  config_.collection.interval = kInterval;
  config_.rules.push_back(budget_rule(options_, live_from_));
  config_.accounts = name_accounts(simulator_.organization().account_ids());
  core::Target target;
  target.name = "demo";
  target.regions = simulator_.organization().regions();
  target.endpoint = simulator_.url();
  config_.targets = {target};
  core::Receiver& receiver = config_.receivers.emplace_back();
  receiver.name = "demo-webhook";
  receiver.url = simulator_.url() + "/webhook";
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    const net::sigv4::Credentials credentials = sim::SimulatorOptions{}.credentials;
    if (name == "AWS_ACCESS_KEY_ID") return credentials.access_key_id;
    if (name == "AWS_SECRET_ACCESS_KEY") return credentials.secret_access_key;
    return std::nullopt;
  };
  const auto open = [&] {
    daemon_ = std::make_unique<Daemon>(config_, Daemon::World{clock_, stop_, log, environment});
  };
  try {
    open();
  } catch (const core::Error& e) {
    if (e.code() != core::ErrorCode::kUnavailable || config_.http.port == 0) throw;
    config_.http.port = 0;  // the usual one is taken
    open();
  }
}

void Demo::collect_history(const std::function<void(double)>& progress) {
  const Time start = live_from_ - options_.days * kDay;
  for (Time t = start; t <= live_from_ && !stop_.requested(); t += kInterval) {
    clock_.set(t);
    daemon_->step();
    const double done = static_cast<double>((t - start).count()) /
                        static_cast<double>(std::max(live_from_ - start, kInterval).count());
    progress(done);
  }
}

void Demo::go_live() {
  clock_.run(options_.speed);
  daemon_->start();
}

}  // namespace usaged::app
