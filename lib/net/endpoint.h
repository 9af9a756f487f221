#pragma once

#include <optional>
#include <string>

#include "core/config.h"
#include "net/environment.h"

// The addresses of AWS's services.
namespace usaged::net {

// Where a service is asked, and for which region and name its requests are signed.
struct AwsEndpoint {
  std::string url;
  std::string region;
  std::string service;
};

// What decides about an address beside service and region.
struct EndpointOptions {
  std::string custom;        // as configured; empty: none
  std::optional<bool> fips;  // nullopt: as AWS_USE_FIPS_ENDPOINT says, else false
  std::optional<bool> dual_stack;
};

// Where "inspector2", "sts" or "organizations" is for a region: at the configured address, else
// that of AWS_ENDPOINT_URL_<SERVICE> or AWS_ENDPOINT_URL, else AWS's own. Organizations has one for
// a whole partition, in its home region. Throws Error(kConfig) for what can't be: FIPS or dual
// stack with an address of one's own, FIPS where there is none, a variable that is no URL or
// neither true nor false.
AwsEndpoint aws_endpoint(const std::string& service, const std::string& region,
                         const EndpointOptions& options, const Environment& environment);

// The options of a target's Inspector, and of the other services that it needs.
EndpointOptions inspector_options(const core::Target& target);
EndpointOptions other_options(const core::Target& target);

// Throws Error(kConfig) with a line for each target that has no address because of the environment;
// `name` is the configuration's. To be called before the first poll.
void check_endpoints(const std::string& name, const core::Config& config,
                     const Environment& environment);

}  // namespace usaged::net
