#include "app/diagnosis.h"

#include <algorithm>

#include "app/parallel.h"
#include "core/error.h"
#include "core/region.h"
#include "core/text.h"
#include "net/inspector.h"
#include "net/organizations.h"
#include "net/sts.h"

namespace usaged::app {
namespace {

using core::Error;
using core::Outcome;
using Json = nlohmann::ordered_json;

constexpr const char* kUsage = "inspector2:ListUsageTotals";
constexpr const char* kTrials = "inspector2:BatchGetFreeTrialInfo";
constexpr const char* kAccounts = "organizations:ListAccounts";
constexpr const char* kRole = "sts:AssumeRole";

// One place to look at.
struct Place {
  const core::Target* target;
  std::string region;
  std::string account;
  bool organization;  // asks for its accounts here, which is once a target
};

template <typename Ask>
Check check(const char* action, Ask ask) {
  Check result{action};
  try {
    ask();
  } catch (const net::AwsError& e) {
    result.error = e.what();
    result.denied = e.outcome() == Outcome::kDenied;
  } catch (const Error& e) {
    result.error = e.what();
  }
  return result;
}

Finding look(const Place& place, Aws& aws) {
  Finding finding;
  finding.target = place.target->name;
  finding.region = place.region;
  finding.account = place.account;
  Aws::Call call{*place.target, place.region, place.account};
  call.deadline = aws.deadline();
  const Aws::Lease lease = aws.connect();
  net::CallStats stats;
  std::string own;
  try {
    finding.provider = aws.credentials(call, lease).provider;
    net::AwsClient sts = aws.client("sts", call, lease);
    const net::CallerIdentity identity = net::get_caller_identity(sts, stats);
    finding.arn = identity.arn;
    own = identity.account;
  } catch (const net::AwsError& e) {
    finding.error = e.what();
    const bool refused = e.outcome() == Outcome::kDenied || e.outcome() == Outcome::kCredentials;
    if (finding.provider.empty() && !place.target->credentials.role_arn.empty() && refused) {
      finding.checks.push_back({kRole, e.what(), true});
    }
    return finding;
  } catch (const Error& e) {
    finding.error = e.what();
    return finding;
  }
  net::AwsClient inspector = aws.client("inspector2", call, lease);
  finding.checks.push_back(check(kUsage, [&] { net::probe_usage_totals(inspector, stats); }));
  if (place.target->free_trials) {
    finding.checks.push_back(
        check(kTrials, [&] { net::batch_get_free_trial_info(inspector, {own}, stats); }));
  }
  if (place.organization) {
    Aws::Call base = call;
    base.base = place.target->credentials.per_account();
    finding.checks.push_back(check(kAccounts, [&] {
      net::AwsClient client = aws.client("organizations", base, lease);
      net::list_accounts(client, stats);
    }));
  }
  finding.clock_skew = stats.clock_skew;
  return finding;
}

// The accounts whose roles are to be assumed. One that is not known is an error of its own.
std::vector<std::string> accounts_of(const core::Target& target, Aws& aws, std::string& error) {
  if (!target.accounts.empty()) return target.accounts;
  std::vector<std::string> ids;
  try {
    Aws::Call call{target, target.regions.front()};
    call.base = true;
    call.deadline = aws.deadline();
    const Aws::Lease lease = aws.connect();
    net::AwsClient client = aws.client("organizations", call, lease);
    net::CallStats stats;
    for (const net::OrganizationMember& member : net::list_accounts(client, stats)) {
      if (member.status == "ACTIVE") ids.push_back(member.id);
    }
    if (ids.empty()) error = "AWS Organizations lists no active account";
  } catch (const Error& e) {
    error = e.what();
  }
  return ids;
}

Json statement(const char* id, const std::vector<std::string>& actions,
               const std::string& resource) {
  return {{"Sid", id}, {"Effect", "Allow"}, {"Action", actions}, {"Resource", resource}};
}

Json document(const std::vector<Json>& statements) {
  return {{"Version", "2012-10-17"}, {"Statement", statements}};
}

}  // namespace

bool Finding::good() const {
  return error.empty() &&
         std::ranges::all_of(checks, [](const Check& check) { return check.error.empty(); });
}

std::vector<std::string> Finding::missing_actions() const {
  std::vector<std::string> actions;
  for (const Check& check : checks) {
    if (check.denied) actions.push_back(check.action);
  }
  return actions;
}

std::vector<Finding> diagnose(const core::Config& config, Aws& aws) {
  std::vector<Finding> findings;
  std::vector<Place> places;
  for (const core::Target& target : config.targets) {
    std::vector<std::string> accounts{""};
    if (target.credentials.per_account()) {
      std::string error;
      accounts = accounts_of(target, aws, error);
      if (!error.empty()) {
        Finding finding;
        finding.target = target.name;
        finding.region = target.regions.front();
        finding.error = "no account to ask is known: " + error;
        findings.push_back(std::move(finding));
        continue;
      }
    }
    for (const std::string& region : target.regions) {
      const bool first = region == target.regions.front();
      for (const std::string& account : accounts) {
        const bool once = first && account == accounts.front();
        places.push_back({&target, region, account, target.organizations && once});
        if (!first) break;
      }
    }
  }
  const std::size_t from = findings.size();
  findings.resize(from + places.size());
  in_parallel(places.size(), static_cast<std::size_t>(config.collection.concurrency),
              [&](Turns& turns) {
                for (std::size_t i = 0; turns.next(i);) findings[from + i] = look(places[i], aws);
              });
  return findings;
}

std::vector<Policy> least_policies(const core::Target& target) {
  const core::Identity& identity = target.credentials;
  std::vector<std::string> inspector{kUsage};
  if (target.free_trials) inspector.emplace_back(kTrials);
  const Json usage = statement("InspectorUsage", inspector, "*");
  const Json accounts = statement("OrganizationAccounts", {kAccounts}, "*");
  if (identity.role_arn.empty()) {
    std::vector<Json> all{usage};
    if (target.organizations) all.push_back(accounts);
    return {{target.name, "the identity that asks", document(all)}};
  }
  const std::string role = identity.role_arn_for("*");
  std::vector<Json> base{statement("AssumeRole", {kRole}, role)};
  std::vector<Json> assumed{usage};
  if (target.organizations) (identity.per_account() ? base : assumed).push_back(accounts);
  Json trust = statement("AssumeRole", {kRole}, "");
  trust.erase("Resource");
  trust["Principal"] = {
      {"AWS", fmt::format("arn:{}:iam::ACCOUNT:role/ROLE",
                          core::partition_name(core::partition_of(target.regions.front())))}};
  if (!identity.external_id.empty()) {
    trust["Condition"] = {{"StringEquals", {{"sts:ExternalId", "EXTERNAL_ID"}}}};
  }
  return {{target.name, "the identity that assumes the role", document(base)},
          {target.name, fmt::format("the role {}", role), document(assumed)},
          {target.name,
           fmt::format("who may assume the role {}, its trust policy; put in the identity that "
                       "assumes it{}",
                       role, identity.external_id.empty() ? "" : " and the external id"),
           document({trust})}};
}

}  // namespace usaged::app
