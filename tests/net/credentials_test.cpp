// Every provider and what can go wrong with it, over real files and sockets: the simulator stands
// for STS, the instance metadata service and the container's endpoint.
#include "net/credentials.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>

#include "core/error.h"
#include "net/sts.h"
#include "sim/metadata.h"
#include "sim/simulator.h"
#include "support/environment.h"
#include "support/temp_folder.h"

namespace usaged::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Variables = std::map<std::string, std::string>;

const core::Time kCredentialsNow = core::from_unix(1772366400);

// What the tests' secrets have in common, so that a message that shows one is found.
constexpr const char* kSecret = "SEKRET";

struct Case {
  std::string name;
  Variables variables;
  std::string credentials_file;
  std::string config_file;
  std::string profile;
  std::string expected;  // within the provider, or within the error
  std::string key = "";  // the access key id; "ASIA": begins so
  std::string faults = "";
};

class CredentialsTest : public ::testing::Test {
 protected:
  void start(const std::string& faults) {
    if (simulator_ && faults.empty() && faults_.empty()) return;  // it has nothing to forget
    faults_ = faults;
    sim::SimulatorOptions options;
    options.credentials = {"AKIABASE", "SEKRET-base", ""};
    options.organization.accounts = 3;
    options.container_token = "SEKRET-container";
    options.sts.external_id = "SEKRET-external";
    options.now = options.signing_now = [] { return kCredentialsNow; };
    if (!faults.empty()) options.faults = sim::parse_faults("f", faults);
    simulator_ = std::make_unique<sim::Simulator>(options);
  }

  // With {sim} for the simulator's address and {dir} for the folder.
  std::string fill(std::string text) const {
    for (const auto& [place, value] :
         {std::pair<std::string, std::string>("{sim}", simulator_->url()),
          std::pair<std::string, std::string>("{dir}", folder_.path())}) {
      for (std::size_t at = 0; (at = text.find(place, at)) != std::string::npos;) {
        text.replace(at, place.size(), value);
      }
    }
    return text;
  }

  CredentialWorld world(const Case& c) {
    std::ofstream(folder_.path("credentials")) << fill(c.credentials_file);
    std::ofstream(folder_.path("config")) << fill(c.config_file);
    std::ofstream(folder_.path("web-token")) << "simulator-web-identity-token\n";
    std::ofstream(folder_.path("bad-token")) << "SEKRET-bad";
    std::ofstream(folder_.path("empty")) << "";
    std::ofstream(folder_.path("container-token")) << "SEKRET-container";
    std::ofstream(folder_.path("broken-token")) << "SEKRET-container\r\nX-Evil: 1";
    Variables variables{{"AWS_SHARED_CREDENTIALS_FILE", "{dir}/credentials"},
                        {"AWS_CONFIG_FILE", "{dir}/config"},
                        {"AWS_ENDPOINT_URL_STS", "{sim}"},
                        {"AWS_EC2_METADATA_DISABLED", "true"}};
    for (const auto& [name, value] : c.variables) variables[name] = value;
    for (auto& [name, value] : variables) value = fill(value);
    CredentialWorld world;
    world.environment = support::environment(variables);
    world.http = &http_;
    world.now = [] { return kCredentialsNow; };
    world.sts = [this, environment = world.environment](const std::string& region, Signer signer) {
      sts_region_ = region;
      return AwsClient(
          aws_endpoint("sts", region, {}, environment),
          {&http_, [] { return kCredentialsNow; }, [](std::chrono::milliseconds) { return true; },
           [] { return 0.0; }, std::move(signer), &skews_},
          {}, quota_);
    };
    world.sts_region = "us-east-1";
    world.container_host = simulator_->url();
    return world;
  }

  FoundCredentials find(const Case& c) {
    if (!simulator_) start(c.faults);
    const CredentialWorld w = world(c);
    return find_credentials(c.profile, w);
  }

  std::string error_of(const Case& c) {
    try {
      return "no error, but keys by " + find(c).provider;
    } catch (const core::Error& e) {
      return e.what();
    }
  }

  std::unique_ptr<sim::Simulator> simulator_;
  std::string faults_;
  support::TempFolder folder_;
  CurlClient http_{nullptr, "test"};
  ClockSkews skews_;
  RetryQuota quota_;
  std::string sts_region_;
};

const Variables kKeys{{"AWS_ACCESS_KEY_ID", "AKENV"}, {"AWS_SECRET_ACCESS_KEY", "SEKRET-env"}};
const Variables kBaseKeys{{"AWS_ACCESS_KEY_ID", "AKIABASE"},
                          {"AWS_SECRET_ACCESS_KEY", "SEKRET-base"}};
const Variables kWebIdentity{{"AWS_WEB_IDENTITY_TOKEN_FILE", "{dir}/web-token"},
                             {"AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/Web"}};
const Variables kMachine{{"AWS_EC2_METADATA_DISABLED", ""},
                         {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "{sim}/"}};
const Variables kContainer{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x"},
                           {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "SEKRET-container"}};

Variables operator+(Variables a, const Variables& b) {
  for (const auto& [name, value] : b) a[name] = value;
  return a;
}

std::string keys(const std::string& section, const std::string& id) {
  return "[" + section + "]\naws_access_key_id = " + id + "\naws_secret_access_key = SEKRET-" + id +
         "\n";
}

const std::string kBaseProfile =
    "[base]\naws_access_key_id=AKIABASE\naws_secret_access_key=SEKRET-base\n";

std::string role(const std::string& section, const std::string& more) {
  return "[" + section + "]\nrole_arn = arn:aws:iam::123456789012:role/Audit\n" +
         "external_id = SEKRET-external\n" + more + "\n";
}

std::string process(const std::string& output) {
  return "[default]\ncredential_process = echo '" + output + "'\n";
}

TEST_F(CredentialsTest, EachProviderInItsTurn) {
  const std::vector<Case> cases{
      {"environment", kKeys + kWebIdentity, keys("default", "AKFILE"), "", "",
       "environment (AWS_ACCESS_KEY_ID)", "AKENV"},
      {"role of the default profile before web identity", kWebIdentity, kBaseProfile,
       role("default", "source_profile = base"), "",
       "role arn:aws:iam::123456789012:role/Audit of profile 'default', by profile 'base'", "ASIA"},
      {"role of AWS_PROFILE",
       {{"AWS_PROFILE", "audit"}},
       kBaseProfile,
       role("profile audit", "source_profile = base"),
       "",
       "of profile 'audit'",
       "ASIA"},
      {"role in the credentials file",
       {},
       kBaseProfile + role("a", "source_profile=base"),
       "",
       "a",
       "of profile 'a'",
       "ASIA"},
      {"a profile that is its own source",
       {},
       role("a",
            "source_profile = a\naws_access_key_id=AKIABASE\naws_secret_access_key=SEKRET-base"),
       "",
       "a",
       "by profile 'a'",
       "ASIA"},
      {"role of a role",
       {},
       kBaseProfile + role("a", "source_profile=base"),
       role("profile b", "source_profile = a"),
       "b",
       "role arn:aws:iam::123456789012:role/Audit of profile 'b', by role "
       "arn:aws:iam::123456789012:role/Audit of profile 'a', by profile 'base'",
       "ASIA"},
      {"credential_source Environment", kBaseKeys, "",
       role("profile a", "credential_source = Environment"), "a", "by environment", "ASIA"},
      {"credential_source EcsContainer", kContainer, "",
       role("profile a", "credential_source = EcsContainer"), "a", "by container", "ASIA"},
      {"credential_source Ec2InstanceMetadata", kMachine, "",
       role("profile a", "credential_source = Ec2InstanceMetadata"), "a", "by instance metadata",
       "ASIA"},
      {"web identity of the environment before files", kWebIdentity, keys("default", "AKFILE"), "",
       "", "role arn:aws:iam::123456789012:role/Web by web identity", "ASIA"},
      {"web identity of a profile",
       {},
       "",
       role("profile a", "web_identity_token_file = {dir}/web-token"),
       "a",
       "by profile 'a'",
       "ASIA"},
      {"credentials file before credential_process",
       {},
       keys("default", "AKFILE"),
       process("{}"),
       "",
       "profile 'default' of {dir}/credentials",
       "AKFILE"},
      {"credential_process before config file",
       {},
       "",
       process(
           R"({"Version":1,"AccessKeyId":"AKPROC","SecretAccessKey":"SEKRET","SessionToken":"t"})") +
           "aws_access_key_id=AKCONF\naws_secret_access_key=SEKRET-conf\n",
       "",
       "credential_process of profile 'default'",
       "AKPROC"},
      {"config file",
       {},
       "",
       keys("default", "AKCONF"),
       "",
       "profile 'default' of {dir}/config",
       "AKCONF"},
      {"config file, with the word profile and quotes",
       {},
       "",
       keys("profile \"a b\"", "AKCONF"),
       "a b",
       "profile 'a b'",
       "AKCONF"},
      {"container before the machine", kMachine + kContainer, "", "", "",
       "container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)", "ASIA"},
      {"container by full URI, token file before token",
       {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "{sim}/v2/credentials/x"},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "SEKRET-wrong"},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "{dir}/container-token"}},
       "",
       "",
       "",
       "container (AWS_CONTAINER_CREDENTIALS_FULL_URI)",
       "ASIA"},
      {"container fails once", kContainer, "", "", "", "container", "ASIA",
       "faults: [{service: container, kind: server_error, count: 2}]"},
      {"machine", kMachine, "", "", "", "role SimulatorRole", "ASIA"},
      {"a profile with a region alone leaves it to the machine", kMachine, "",
       "[profile a]\nregion = eu-west-1\n", "a", "instance metadata", "ASIA"},
      {"a named profile leaves the environment aside", kKeys + kWebIdentity,
       keys("audit", "AKFILE"), "", "audit", "profile 'audit'", "AKFILE"},
      {"AWS_PROFILE does not", kKeys + Variables{{"AWS_PROFILE", "audit"}}, keys("audit", "AKFILE"),
       "", "", "environment", "AKENV"},
  };
  for (const Case& c : cases) {
    start(c.faults);
    SCOPED_TRACE(c.name);
    try {
      const FoundCredentials found = find(c);
      EXPECT_THAT(found.provider, HasSubstr(fill(c.expected)));
      EXPECT_TRUE(found.keys.access_key_id.starts_with(c.key)) << found.keys.access_key_id;
      EXPECT_EQ(found.expires.has_value(), c.key == "ASIA");
      EXPECT_THAT(found.provider, Not(HasSubstr(kSecret)));
    } catch (const core::Error& e) {
      ADD_FAILURE() << e.what();
    }
  }
}

TEST_F(CredentialsTest, EachErrorSaysWhereAndShowsNoSecret) {
  const std::vector<Case> cases{
      {"half a pair",
       {{"AWS_SECRET_ACCESS_KEY", "SEKRET"}},
       "",
       "",
       "",
       "environment: AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID"},
      {"the other half",
       {{"AWS_ACCESS_KEY_ID", "AK"}},
       "",
       "",
       "",
       "environment: AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"},
      {"nothing at all",
       {},
       "",
       "",
       "",
       "no AWS credentials: AWS_ACCESS_KEY_ID and AWS_WEB_IDENTITY_TOKEN_FILE are not set; profile "
       "'default' is not in {dir}/credentials or {dir}/config"},
      {"nothing in the profile",
       {},
       "[default]\nregion=x\n",
       "",
       "",
       "has no keys, role or credential_process"},
      {"no such profile", kKeys, keys("other", "A"), "", "audit",
       "there is no profile 'audit' in {dir}/credentials or {dir}/config"},
      {"no such AWS_PROFILE",
       {{"AWS_PROFILE", "audit"}},
       "",
       "",
       "",
       "there is no profile 'audit' (AWS_PROFILE)"},
      {"half a pair in a file",
       {},
       "[default]\naws_secret_access_key=SEKRET\n",
       "",
       "",
       "profile 'default' of {dir}/credentials: aws_secret_access_key is set without"},
      {"a bad line",
       {},
       "[default]\nSEKRET\n",
       "",
       "",
       "{dir}/credentials:2: expected `key = value`"},
      {"a bad section", {}, "", "[default\n", "", "{dir}/config:1: a section must end with ]"},
      {"keys before a section", {}, "a=SEKRET\n", "", "", "{dir}/credentials:1: a [section]"},
      {"role without a source",
       {},
       "",
       role("default", ""),
       "",
       "profile 'default': role_arn needs one of source_profile, credential_source and"},
      {"role with two sources",
       {},
       kBaseProfile,
       role("default", "source_profile=base\ncredential_source=Environment"),
       "",
       ", not two"},
      {"no such source",
       {},
       "",
       role("default", "source_profile = b"),
       "",
       "its source_profile 'b' is not in"},
      {"a source without keys",
       {},
       "[b]\nregion=x\n",
       role("default", "source_profile = b"),
       "",
       "its source_profile 'b' has no keys"},
      {"its own source, without keys",
       {},
       "",
       role("default", "source_profile = default"),
       "",
       "has no keys beside the role"},
      {"a loop",
       {},
       role("a", "source_profile=b") + role("b", "source_profile=c") +
           role("c", "source_profile=b"),
       "",
       "a",
       "profile 'a': source_profile goes round in circles: a -> b -> c -> b"},
      {"a code is asked for",
       {},
       kBaseProfile,
       role("default", "source_profile=base\nmfa_serial=arn:aws:iam::123456789012:mfa/ann"),
       "",
       "mfa_serial asks for a code, which a daemon can't give"},
      {"single sign-on",
       {},
       "",
       "[default]\nsso_session = corp\nsso_account_id = 1\n",
       "",
       "signs in by sso_session, which takes a person"},
      {"no such credential_source",
       {},
       "",
       role("default", "credential_source = Ec2"),
       "",
       "credential_source = Ec2 is not allowed; allowed: Environment, "},
      {"credential_source without keys",
       {},
       "",
       role("default", "credential_source = Environment"),
       "",
       "AWS_ACCESS_KEY_ID is not set"},
      {"credential_source without container",
       {},
       "",
       role("default", "credential_source = EcsContainer"),
       "",
       "_FULL_URI is set"},
      {"credential_source without machine",
       {},
       "",
       role("default", "credential_source = Ec2InstanceMetadata"),
       "",
       "is switched off"},
      {"role refused",
       {},
       kBaseProfile + "[default]\nrole_arn=arn:aws:iam::123456789012:role/A\n" +
           "source_profile=base\nexternal_id=SEKRET-wrong\n",
       "",
       "",
       "role arn:aws:iam::123456789012:role/A can't be assumed with the keys of profile "
       "'base' of {dir}/credentials: AccessDenied: "},
      {"role asked for with bad keys",
       {},
       "[base]\naws_access_key_id=AKIABASE\naws_secret_access_key=SEKRET-wrong\n",
       role("default", "source_profile=base"),
       "",
       "InvalidSignatureException"},
      {"STS fails",
       {},
       kBaseProfile,
       role("default", "source_profile=base"),
       "",
       "after 3 attempts",
       "",
       "faults: [{service: sts, kind: unavailable}]"},
      {"STS sends garbage",
       {},
       kBaseProfile,
       role("default", "source_profile=base"),
       "",
       "the reply is not the XML that was expected",
       "",
       "faults: [{service: sts, kind: garbage}]"},
      {"STS breaks off",
       {},
       kBaseProfile,
       role("default", "source_profile=base"),
       "",
       "after 3 attempts",
       "",
       "faults: [{service: sts, kind: cut}]"},
      {"web identity without role",
       {{"AWS_WEB_IDENTITY_TOKEN_FILE", "{dir}/web-token"}},
       "",
       "",
       "",
       "AWS_ROLE_ARN is not set"},
      {"web identity without file",
       kWebIdentity + Variables{{"AWS_WEB_IDENTITY_TOKEN_FILE", "/no"}}, "", "", "",
       "the token: /no"},
      {"web identity, empty file",
       kWebIdentity + Variables{{"AWS_WEB_IDENTITY_TOKEN_FILE", "{dir}/empty"}}, "", "", "",
       "{dir}/empty is empty"},
      {"web identity refused",
       kWebIdentity + Variables{{"AWS_WEB_IDENTITY_TOKEN_FILE", "{dir}/bad-token"}}, "", "", "",
       "role arn:aws:iam::123456789012:role/Web can't be assumed: InvalidIdentityToken"},
      {"command fails",
       {},
       "",
       "[default]\ncredential_process = echo SEKRET; exit 3\n",
       "",
       "credential_process of profile 'default': the command exited with 3"},
      {"command dies",
       {},
       "",
       "[default]\ncredential_process = kill -9 $$\n",
       "",
       "the command was ended by signal 9"},
      {"command is missing",
       {},
       "",
       "[default]\ncredential_process = /no/such SEKRET\n",
       "",
       "the command exited with 127"},
      {"command floods",
       {},
       "",
       "[default]\ncredential_process = yes SEKRET\n",
       "",
       "the command wrote more than 65536 bytes"},
      {"command babbles", {}, "", process("SEKRET"), "", "the answer is not JSON"},
      {"command of another version",
       {},
       "",
       process(R"({"Version":2,"AccessKeyId":"SEKRET"})"),
       "",
       "Version must be 1"},
      {"command without key",
       {},
       "",
       process(R"({"Version":1,"SecretAccessKey":"SEKRET"})"),
       "",
       "the answer lacks AccessKeyId"},
      {"command with keys that are over",
       {},
       "",
       process(R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"SEKRET",)"
               R"("Expiration":"2026-03-01T11:59:59Z"})"),
       "",
       "it gave keys that expired at 2026-03-01T11:59:59Z"},
      {"command with a bad time",
       {},
       "",
       process(R"({"Version":1,"AccessKeyId":"A","SecretAccessKey":"SEKRET","Expiration":"soon"})"),
       "",
       "Expiration: "},
      {"container refuses",
       kContainer + Variables{{"AWS_CONTAINER_AUTHORIZATION_TOKEN", "SEKRET-wrong"}}, "", "", "",
       "container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI): HTTP 401"},
      {"container is no path",
       {{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "x"}},
       "",
       "",
       "",
       "must begin with /"},
      {"container elsewhere",
       {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/x"}},
       "",
       "",
       "",
       "example.com may not be asked by http"},
      {"container token with a line break",
       kContainer + Variables{{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "{dir}/broken-token"}}, "",
       "", "", "the token of {dir}/broken-token has a line break in it"},
      {"container token without file",
       kContainer + Variables{{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/no"}}, "", "", "",
       "the token: /no"},
      {"container fails", kContainer, "", "", "", "HTTP 500", "",
       "faults: [{service: container, kind: server_error}]"},
      {"container sends garbage", kContainer, "", "", "", "the answer is not JSON", "",
       "faults: [{service: container, kind: garbage}]"},
      {"container hangs", kContainer, "", "", "", "timed out", "",
       "faults: [{service: container, kind: hang, duration: 10s}]"},
      {"machine does not answer",
       {{"AWS_EC2_METADATA_DISABLED", ""},
        {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"}},
       "",
       "",
       "",
       "the instance metadata service does not answer"},
      {"machine hangs", kMachine, "", "", "", "the instance metadata service does not answer", "",
       "faults: [{service: metadata, kind: hang, duration: 10s}]"},
      {"machine without sessions", kMachine, "", "", "", "no session token (IMDSv2): HTTP 403", "",
       "faults: [{service: metadata, kind: denied}]"},
      {"machine breaks off after the session", kMachine, "", "", "",
       "instance metadata ({sim}): ", "", "faults: [{service: metadata, kind: cut, after: 1}]"},
      {"machine sends garbage", kMachine, "", "", "", "the answer is not JSON", "",
       "faults: [{service: metadata, kind: garbage, after: 2}]"},
      {"a flag that is none",
       {{"AWS_EC2_METADATA_DISABLED", "1"}},
       "",
       "",
       "",
       "AWS_EC2_METADATA_DISABLED: '1' is neither true nor false"},
  };
  for (const Case& c : cases) {
    start(c.faults);
    SCOPED_TRACE(c.name);
    const std::string message = error_of(c);
    EXPECT_THAT(message, HasSubstr(fill(c.expected)));
    EXPECT_THAT(message, Not(HasSubstr(kSecret)));
  }
}

TEST_F(CredentialsTest, StsIsAskedInTheProfilesRegion) {
  start("");
  const std::string source = role("profile a", "source_profile = base");
  find({"", {}, kBaseProfile, source, "a", ""});
  EXPECT_EQ(sts_region_, "us-east-1");
  find({"", {{"AWS_DEFAULT_REGION", "eu-west-2"}}, kBaseProfile, source, "a", ""});
  EXPECT_EQ(sts_region_, "eu-west-2");
  find({"",
        {{"AWS_REGION", "eu-west-3"}, {"AWS_DEFAULT_REGION", "eu-west-2"}},
        kBaseProfile,
        source,
        "a",
        ""});
  EXPECT_EQ(sts_region_, "eu-west-3");
  find({"", {{"AWS_REGION", "cn-north-1"}}, kBaseProfile, source, "a", ""});
  EXPECT_EQ(sts_region_, "us-east-1");  // of another partition
  find(
      {"", {{"AWS_REGION", "eu-west-3"}}, kBaseProfile, source + "region = ap-south-1\n", "a", ""});
  EXPECT_EQ(sts_region_, "ap-south-1");
}

TEST_F(CredentialsTest, ARoleHasItsSessionNameAndDuration) {
  const FoundCredentials found =
      find({"",
            {},
            kBaseProfile,
            role("profile a", "source_profile=base\nrole_session_name=me\nduration_seconds=900"),
            "a",
            ""});
  EXPECT_EQ(found.expires, kCredentialsNow + core::Seconds{900});
  const CredentialWorld w = world({"", {}, "", "", "", ""});
  AwsClient sts = w.sts("eu-west-1", [&](const auto*) { return found.keys; });
  CallStats stats;
  const CallerIdentity identity = get_caller_identity(sts, stats);
  EXPECT_EQ(identity.arn, "arn:aws:sts::123456789012:assumed-role/Audit/me");
  EXPECT_EQ(identity.account, "123456789012");
}

TEST_F(CredentialsTest, FilesAreReadAnewEachTime) {
  const Case first{"", {}, keys("default", "AKONE"), "", "", ""};
  EXPECT_EQ(find(first).keys.access_key_id, "AKONE");
  EXPECT_EQ(find({"", {}, keys("default", "AKTWO"), "", "", ""}).keys.access_key_id, "AKTWO");
}

TEST_F(CredentialsTest, ACommandThatHangsEndsWithTheProgram) {
  start("");
  std::atomic<bool> stop = true;
  CredentialWorld w = world({"", {}, "", "[default]\ncredential_process = sleep 100\n", "", ""});
  w.stop = &stop;
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THROW(find_credentials("", w), core::Error);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds{10});
}

TEST(ContainerUrl, OnlyThisMachineMayBeAskedByHttp) {
  for (const char* good :
       {"https://example.com/x", "http://localhost/x", "http://127.0.0.1:80/x", "http://127.8.9.1/",
        "http://[::1]/x", "http://169.254.170.2/x", "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]:80/x", "http://[FD00:EC2:0:0:0:0:0:23]/x"}) {
    EXPECT_NO_THROW(check_container_url(good)) << good;
  }
  for (const char* bad :
       {"http://example.com/x", "http://127.0.0.1.example.com/", "http://169.254.169.254/x",
        "http://169.254.170.3/x", "http://10.0.0.1/", "http://[fd00:ec2::24]/", "http://127.1/",
        "http://0177.0.0.1/", "http://2130706433/", "http://localhost.example.com/",
        "http://127.0.0.1@example.com/", "ftp://127.0.0.1/", "http://[::ffff:127.0.0.1]/",
        "http://[::1]@example.com/", "http://example.com?127.0.0.1", ""}) {
    EXPECT_THROW(check_container_url(bad), core::Error) << bad;
  }
}

}  // namespace
}  // namespace usaged::net
