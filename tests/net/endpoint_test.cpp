#include "net/endpoint.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "net/aws.h"
#include "support/environment.h"

namespace usaged::net {
namespace {

using support::environment;
using ::testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

std::string url(const std::string& service, const std::string& region,
                const EndpointOptions& options = {}, const Variables& variables = {}) {
  try {
    return aws_endpoint(service, region, options, environment(variables)).url;
  } catch (const core::Error& e) {
    EXPECT_EQ(e.code(), core::ErrorCode::kConfig);
    return e.what();
  }
}

const EndpointOptions kFips{"", true, false};
const EndpointOptions kDual{"", false, true};
const EndpointOptions kBoth{"", true, true};
const EndpointOptions kCustom{"http://127.0.0.1:9/x", {}, {}};

TEST(Endpoint, IsTheDocumentedHostOfEachPartition) {
  EXPECT_EQ(url("inspector2", "eu-west-1"), "https://inspector2.eu-west-1.amazonaws.com");
  EXPECT_EQ(url("inspector2", "cn-north-1"), "https://inspector2.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(url("inspector2", "us-gov-west-1"), "https://inspector2.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(url("sts", "eu-west-1"), "https://sts.eu-west-1.amazonaws.com");
  EXPECT_EQ(url("sts", "cn-northwest-1"), "https://sts.cn-northwest-1.amazonaws.com.cn");
  EXPECT_EQ(url("organizations", "eu-west-1"), "https://organizations.us-east-1.amazonaws.com");
  EXPECT_EQ(url("organizations", "cn-north-1"),
            "https://organizations.cn-northwest-1.amazonaws.com.cn");
  EXPECT_EQ(url("organizations", "us-gov-east-1"),
            "https://organizations.us-gov-west-1.amazonaws.com");
  const AwsEndpoint endpoint = aws_endpoint("organizations", "eu-west-1", {}, environment({}));
  EXPECT_EQ(endpoint.region, "us-east-1");
  EXPECT_EQ(endpoint.service, "organizations");
}

TEST(Endpoint, FipsAndDualStackHaveHostsOfTheirOwn) {
  EXPECT_EQ(url("inspector2", "us-east-1", kFips),
            "https://inspector2-fips.us-east-1.amazonaws.com");
  EXPECT_EQ(url("inspector2", "us-gov-east-1", kFips),
            "https://inspector2-fips.us-gov-east-1.amazonaws.com");
  EXPECT_EQ(url("sts", "us-gov-east-1", kFips), "https://sts.us-gov-east-1.amazonaws.com");
  EXPECT_EQ(url("sts", "us-west-2", kFips), "https://sts-fips.us-west-2.amazonaws.com");
  EXPECT_EQ(url("inspector2", "eu-west-1", kDual), "https://inspector2.eu-west-1.api.aws");
  EXPECT_EQ(url("inspector2", "cn-north-1", kDual),
            "https://inspector2.cn-north-1.api.amazonwebservices.com.cn");
  EXPECT_EQ(url("inspector2", "us-east-2", kBoth), "https://inspector2-fips.us-east-2.api.aws");
  EXPECT_THAT(url("inspector2", "eu-west-1", kFips), HasSubstr("eu-west-1 has no FIPS endpoint"));
}

TEST(Endpoint, TheEnvironmentAsksForThemToo) {
  const Variables fips{{"AWS_USE_FIPS_ENDPOINT", "true"}};
  EXPECT_EQ(url("inspector2", "us-east-1", {}, fips),
            "https://inspector2-fips.us-east-1.amazonaws.com");
  EXPECT_EQ(url("inspector2", "us-east-1", {"", false, {}}, fips),
            "https://inspector2.us-east-1.amazonaws.com");
  EXPECT_EQ(url("inspector2", "us-east-1", {}, {{"AWS_USE_DUALSTACK_ENDPOINT", "TRUE"}}),
            "https://inspector2.us-east-1.api.aws");
  EXPECT_THAT(url("inspector2", "us-east-1", {}, {{"AWS_USE_FIPS_ENDPOINT", "yes"}}),
              HasSubstr("AWS_USE_FIPS_ENDPOINT: 'yes' is neither true nor false"));
}

TEST(Endpoint, TheNearestAddressWins) {
  const Variables both{{"AWS_ENDPOINT_URL", "http://all"}, {"AWS_ENDPOINT_URL_STS", "http://sts"}};
  EXPECT_EQ(url("inspector2", "us-east-1", kCustom, both), "http://127.0.0.1:9/x");
  EXPECT_EQ(url("sts", "us-east-1", {}, both), "http://sts");
  EXPECT_EQ(url("inspector2", "us-east-1", {}, both), "http://all");
  EXPECT_EQ(url("inspector2", "us-east-1", {}, {{"AWS_ENDPOINT_URL_INSPECTOR2", "http://i"}}),
            "http://i");
  Variables ignored = both;
  ignored["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true";
  EXPECT_EQ(url("sts", "us-east-1", {}, ignored), "https://sts.us-east-1.amazonaws.com");
  EXPECT_THAT(url("sts", "us-east-1", {}, {{"AWS_ENDPOINT_URL", "nonsense"}}),
              HasSubstr("AWS_ENDPOINT_URL: not a URL"));
}

TEST(Endpoint, AnAddressOfOnesOwnIsNeitherFipsNorDualStack) {
  EXPECT_THAT(url("inspector2", "us-east-1", kFips, {{"AWS_ENDPOINT_URL", "http://a"}}),
              HasSubstr("FIPS can't be had with an address of your own (AWS_ENDPOINT_URL)"));
  EXPECT_THAT(url("inspector2", "us-east-1", kCustom, {{"AWS_USE_DUALSTACK_ENDPOINT", "true"}}),
              HasSubstr("dual stack can't be had with an address of your own (endpoint)"));
}

TEST(Endpoint, TheCheckNamesEachTargetOnce) {
  core::Config config;
  core::Target target;
  target.name = "one";
  target.regions = {"eu-west-1", "us-east-1"};
  config.targets = {target};
  EXPECT_NO_THROW(check_endpoints("c.yaml", config, environment({})));
  try {
    check_endpoints("c.yaml", config, environment({{"AWS_USE_FIPS_ENDPOINT", "true"}}));
    FAIL();
  } catch (const core::Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("c.yaml: target one: eu-west-1 has no FIPS endpoint"));
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
  }
}

TEST(Attempts, AreThreeUnlessTheEnvironmentSaysOtherwise) {
  EXPECT_EQ(attempts_of(environment({})), 3);
  EXPECT_EQ(attempts_of(environment({{"AWS_MAX_ATTEMPTS", "1"}})), 1);
  for (const char* bad : {"0", "11", "x", "3x", "-1"}) {
    EXPECT_THROW(attempts_of(environment({{"AWS_MAX_ATTEMPTS", bad}})), core::Error) << bad;
  }
}

}  // namespace
}  // namespace usaged::net
