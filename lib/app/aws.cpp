#include "app/aws.h"

#include <algorithm>
#include <random>

#include "core/region.h"
#include "net/endpoint.h"
#include "net/sts.h"

namespace usaged::app {
namespace {

using core::Partition;

double random01() {
  thread_local std::mt19937_64 engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

// Where STS is asked unless profile or environment say: where we are anyway.
std::string default_sts_region(const core::Target& target) {
  std::string usual = "us-gov-west-1";
  if (core::partition_of(target.regions.front()) == Partition::kCommercial) usual = "us-east-1";
  if (core::partition_of(target.regions.front()) == Partition::kChina) usual = "cn-north-1";
  const bool asked = std::ranges::find(target.regions, usual) != target.regions.end();
  return asked ? usual : target.regions.front();
}

// What the credentials below a role depend on.
std::string base_key(const core::Target& target) {
  const auto flag = [](const std::optional<bool>& value) { return value ? (*value ? 1 : 0) : 2; };
  return fmt::format("{}\n{}\n{}{}", target.credentials.profile, default_sts_region(target),
                     flag(target.fips), flag(target.dual_stack));
}

std::string role_key(const core::Target& target, const std::string& role_arn) {
  const core::Identity& identity = target.credentials;
  return fmt::format("{}\n{}\n{}\n{}\n{}", base_key(target), role_arn, identity.external_id,
                     identity.session_name, identity.duration.count());
}

}  // namespace

Aws::Aws(World world) : world_(std::move(world)), attempts_(net::attempts_of(world_.environment)) {
  net::check_endpoints("environment", world_.config, world_.environment);
}

Aws::Lease Aws::connect() { return {*this, take()}; }

std::unique_ptr<net::HttpClient> Aws::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto http = std::move(idle_.back());
      idle_.pop_back();
      return http;
    }
  }
  return std::make_unique<net::CurlClient>(world_.stop.flag(), "inspector-usaged",
                                           world_.environment("AWS_CA_BUNDLE").value_or(""));
}

void Aws::give_back(std::unique_ptr<net::HttpClient> http) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(http));
}

net::RetryQuota& Aws::quota(const std::string& identity, const std::string& region) {
  const std::lock_guard lock(mutex_);
  return quotas_[{identity, region}];
}

std::chrono::steady_clock::time_point Aws::deadline() const {
  return std::chrono::steady_clock::now() + world_.config.collection.poll_timeout;
}

net::AwsClient Aws::make_client(const net::AwsEndpoint& endpoint, const Call& call,
                                const Lease& lease, net::Signer signer) {
  net::AwsClient::Limits limits;
  limits.request_timeout = world_.config.collection.request_timeout;
  limits.deadline = call.deadline;
  limits.attempts = call.retry ? attempts_ : 1;
  // A role for each account is one identity: many of them must not retry more than one would.
  const std::string identity =
      call.base ? base_key(call.target) : role_key(call.target, call.target.credentials.role_arn);
  return {endpoint,
          {&lease.http(), [this] { return world_.clock.now(); },
           [this](std::chrono::milliseconds delay) { return world_.stop.wait_for(delay); },
           random01, std::move(signer), &skews_},
          limits,
          quota(identity, endpoint.region)};
}

net::AwsClient Aws::client(const std::string& service, const Call& call, const Lease& lease) {
  const net::EndpointOptions options = service == "inspector2" ? net::inspector_options(call.target)
                                                               : net::other_options(call.target);
  return make_client(net::aws_endpoint(service, call.region, options, world_.environment), call,
                     lease, [this, call, &lease](const net::sigv4::Credentials* rejected) {
                       return credentials(call, lease, rejected).keys;
                     });
}

net::CredentialWorld Aws::credential_world(const Call& call, const Lease& lease) {
  net::CredentialWorld world;
  world.environment = world_.environment;
  world.http = &lease.http();
  world.now = [this] { return world_.clock.now(); };
  world.stop = world_.stop.flag();
  world.sts = [this, &call, &lease](const std::string& region, net::Signer signer) {
    return make_client(
        net::aws_endpoint("sts", region, net::other_options(call.target), world_.environment), call,
        lease, std::move(signer));
  };
  world.sts_region = default_sts_region(call.target);
  return world;
}

net::FoundCredentials Aws::credentials(const Call& call, const Lease& lease,
                                       const net::sigv4::Credentials* rejected) {
  const core::Identity& identity = call.target.credentials;
  const auto base = [&](const net::sigv4::Credentials* refused) {
    return cache_.get(base_key(call.target), world_.clock.now(), refused, [&] {
      return net::find_credentials(identity.profile, credential_world(call, lease));
    });
  };
  if (call.base || identity.role_arn.empty()) return base(rejected);

  const std::string role_arn = identity.role_arn_for(call.account);
  return cache_.get(role_key(call.target, role_arn), world_.clock.now(), rejected, [&] {
    const net::CredentialWorld world = credential_world(call, lease);
    std::string provider;
    net::AwsClient sts =
        world.sts(net::sts_region(identity.profile, world), [&](const auto* refused) {
          const net::FoundCredentials found = base(refused);
          provider = found.provider;
          return found.keys;
        });
    net::CallStats stats;
    try {
      const net::TemporaryCredentials given = net::assume_role(
          sts, {role_arn, identity.session_name, identity.external_id, identity.duration}, stats);
      return net::FoundCredentials{given.keys, given.expires,
                                   fmt::format("role {}, by {}", role_arn, provider)};
    } catch (const net::AwsError& e) {
      if (provider.empty()) throw;  // it didn't come to asking for the role
      throw net::AwsError(e.outcome(),
                          fmt::format("role {} can't be assumed with the keys of {}: {}", role_arn,
                                      provider, e.what()));
    }
  });
}

}  // namespace usaged::app
