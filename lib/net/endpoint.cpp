#include "net/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/region.h"
#include "core/text.h"

namespace usaged::net {
namespace {

using core::Error;
using core::ErrorCode;
using core::Partition;

// The address that the environment gives to a service, and the variable that does; empty: none.
std::pair<std::string, std::string> of_environment(const std::string& service,
                                                   const Environment& environment) {
  if (environment_flag(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", false)) return {};
  std::string name = "AWS_ENDPOINT_URL_" + service;
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  for (const std::string& variable : {name, std::string("AWS_ENDPOINT_URL")}) {
    const auto url = environment(variable);
    if (!url) continue;
    try {
      core::check_url(*url);
    } catch (const Error& e) {
      throw Error(ErrorCode::kConfig, "{}: {}", variable, e.what());
    }
    return {*url, variable};
  }
  return {};
}

std::string home_region(const std::string& service, const std::string& region) {
  if (service != "organizations") return region;
  switch (core::partition_of(region)) {
    case Partition::kCommercial:
      return "us-east-1";
    case Partition::kChina:
      return "cn-northwest-1";
    case Partition::kGovCloud:
      break;
  }
  return "us-gov-west-1";
}

}  // namespace

AwsEndpoint aws_endpoint(const std::string& service, const std::string& for_region,
                         const EndpointOptions& options, const Environment& environment) {
  const std::string region = home_region(service, for_region);
  const bool fips =
      options.fips ? *options.fips : environment_flag(environment, "AWS_USE_FIPS_ENDPOINT", false);
  const bool dual_stack = options.dual_stack
                              ? *options.dual_stack
                              : environment_flag(environment, "AWS_USE_DUALSTACK_ENDPOINT", false);
  const auto [url, variable] = options.custom.empty()
                                   ? of_environment(service, environment)
                                   : std::pair(options.custom, std::string("endpoint"));
  if (!url.empty()) {
    if (fips || dual_stack) {
      throw Error(ErrorCode::kConfig,
                  "{} can't be had with an address of your own ({}); leave out one of them",
                  fips ? "FIPS" : "dual stack", variable);
    }
    return {url, region, service};
  }
  if (fips && !core::has_fips_endpoint(region)) {
    throw Error(ErrorCode::kConfig, "{} has no FIPS endpoint; there is one in {}", region,
                core::join(core::fips_regions(), ", "));
  }
  const Partition partition = core::partition_of(region);
  const bool china = partition == Partition::kChina;
  const char* domain = dual_stack ? (china ? "api.amazonwebservices.com.cn" : "api.aws")
                                  : (china ? "amazonaws.com.cn" : "amazonaws.com");
  // In GovCloud all but Inspector's addresses are FIPS by their usual names.
  const bool own_name = fips && (service == "inspector2" || partition != Partition::kGovCloud);
  return {fmt::format("https://{}{}.{}.{}", service, own_name ? "-fips" : "", region, domain),
          region, service};
}

EndpointOptions inspector_options(const core::Target& target) {
  return {target.endpoint, target.fips, target.dual_stack};
}

EndpointOptions other_options(const core::Target& target) {
  return {"", target.fips, target.dual_stack};
}

void check_endpoints(const std::string& name, const core::Config& config,
                     const Environment& environment) {
  std::vector<std::string> problems;
  const auto attempt = [&](const core::Target& target, const std::string& service,
                           const std::string& region, const EndpointOptions& options) {
    try {
      aws_endpoint(service, region, options, environment);
    } catch (const Error& e) {
      const std::string problem = fmt::format("{}: target {}: {}", name, target.name, e.what());
      if (std::ranges::find(problems, problem) == problems.end()) problems.push_back(problem);
    }
  };
  for (const core::Target& target : config.targets) {
    for (const std::string& region : target.regions) {
      attempt(target, "inspector2", region, inspector_options(target));
    }
    if (target.organizations) {
      attempt(target, "organizations", target.regions.front(), other_options(target));
    }
  }
  if (!problems.empty()) throw Error(ErrorCode::kConfig, core::join(problems, "\n"));
}

}  // namespace usaged::net
