// The simulated services beside Inspector, asked by our own clients; the real AWS client asks them
// in tests/e2e.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "net/inspector.h"
#include "net/organizations.h"
#include "net/sts.h"
#include "sim/simulator.h"

namespace usaged::sim {
namespace {

using core::kDay;
using core::Outcome;
using ::testing::HasSubstr;

const core::Time kServicesNow = core::from_unix(1772366400);

class ServicesTest : public ::testing::Test {
 protected:
  void start(const std::string& faults = "", core::Seconds skew = core::Seconds{0}) {
    SimulatorOptions options;
    options.organization.accounts = 130;
    options.clock_skew = skew;
    options.now = [] { return kServicesNow; };
    options.signing_now = [this] { return now_; };
    if (!faults.empty()) options.faults = parse_faults("f", faults);
    simulator_ = std::make_unique<Simulator>(std::move(options));
  }
  net::AwsClient client(const std::string& service, bool is_signed = true) {
    net::AwsClient::World world{&http_,
                                [this] { return now_; },
                                [](std::chrono::milliseconds) { return true; },
                                [] { return 0.0; },
                                [this](const auto*) { return keys_; },
                                &skews_};
    if (!is_signed) world.credentials = nullptr;
    return {{simulator_->url(), "us-east-1", service}, world, {}, quota_};
  }
  std::string member() const {
    const auto& organization = simulator_->organization();
    for (int i = 0;; ++i) {
      if (organization.is_member(i, kServicesNow)) {
        return organization.account_ids().at(static_cast<std::size_t>(i));
      }
    }
  }
  net::TemporaryCredentials assume(const std::string& account,
                                   core::Seconds duration = core::kHour) {
    net::AwsClient sts = client("sts");
    return net::assume_role(sts, {"arn:aws:iam::" + account + ":role/Read", "me", "", duration},
                            stats_);
  }
  template <typename Ask>
  static std::string error_of(Ask ask) {
    try {
      ask();
    } catch (const net::AwsError& e) {
      return e.what();
    }
    return "no error";
  }

  std::unique_ptr<Simulator> simulator_;
  core::Time now_ = kServicesNow;
  net::sigv4::Credentials keys_ = SimulatorOptions{}.credentials;
  net::CurlClient http_{nullptr, "test"};
  net::RetryQuota quota_;
  net::ClockSkews skews_;
  net::CallStats stats_;
};

TEST_F(ServicesTest, ARoleOfAMemberSeesItselfAndTheAdministratorAll) {
  start();
  const std::string account = member();
  net::AwsClient inspector = client("inspector2");
  EXPECT_GT(net::list_usage_totals(inspector, {}, stats_).accounts.size(), 100U);
  const net::TemporaryCredentials role = assume(account);
  EXPECT_EQ(role.expires, kServicesNow + core::kHour);
  keys_ = role.keys;
  EXPECT_THAT(net::list_usage_totals(inspector, {}, stats_).accounts,
              ::testing::ElementsAre(account));
  net::AwsClient sts = client("sts");
  EXPECT_EQ(net::get_caller_identity(sts, stats_).arn,
            "arn:aws:sts::" + account + ":assumed-role/Read/me");
  net::AwsClient organizations = client("organizations");
  EXPECT_THAT(error_of([&] { net::list_accounts(organizations, stats_); }),
              HasSubstr("AccessDeniedException"));
}

TEST_F(ServicesTest, ASessionEndsAndCanNotBeForged) {
  start();
  const net::TemporaryCredentials role = assume(member(), core::Seconds{900});
  net::AwsClient inspector = client("inspector2");
  keys_ = role.keys;
  now_ = kServicesNow + core::Seconds{899};
  EXPECT_EQ(error_of([&] { net::probe_usage_totals(inspector, stats_); }), "no error");
  now_ = kServicesNow + core::Seconds{900};
  EXPECT_THAT(error_of([&] { net::probe_usage_totals(inspector, stats_); }),
              HasSubstr("ExpiredTokenException"));
  now_ = kServicesNow;
  keys_.secret_access_key = "other";
  EXPECT_THAT(error_of([&] { net::probe_usage_totals(inspector, stats_); }),
              HasSubstr("InvalidSignatureException"));
  keys_ = role.keys;
  keys_.session_token[5] ^= 1;
  EXPECT_THAT(error_of([&] { net::probe_usage_totals(inspector, stats_); }),
              HasSubstr("UnrecognizedClientException"));
}

TEST_F(ServicesTest, StsIsStrict) {
  start();
  EXPECT_THAT(error_of([&] { assume("999999999999"); }), HasSubstr("AccessDenied: "));
  EXPECT_THAT(error_of([&] { assume(member(), core::Seconds{899}); }),
              HasSubstr("ValidationError: "));
  EXPECT_THAT(error_of([&] { assume(member(), core::Seconds{43201}); }),
              HasSubstr("durationSeconds"));
  net::AwsClient anonymous = client("sts", false);
  EXPECT_THAT(error_of([&] { net::get_caller_identity(anonymous, stats_); }),
              HasSubstr("MissingAuthenticationToken"));
  const net::RoleRequest web{"arn:aws:iam::123456789012:role/Web", "me", ""};
  EXPECT_EQ(
      net::assume_role_with_web_identity(anonymous, web, StsOptions{}.web_identity_token, stats_)
          .expires,
      kServicesNow + core::kHour);
  EXPECT_THAT(error_of([&] { net::assume_role_with_web_identity(anonymous, web, "x", stats_); }),
              HasSubstr("InvalidIdentityToken"));
}

TEST_F(ServicesTest, OrganizationsListsEveryAccountInPagesOfTwenty) {
  start();
  net::AwsClient organizations = client("organizations");
  const auto members = net::list_accounts(organizations, stats_);
  EXPECT_EQ(members.size(), 130U);
  EXPECT_EQ(stats_.pages, 7);
  EXPECT_EQ(members[0].name, "account-1");
  int active = 0;
  for (const net::OrganizationMember& one : members) active += one.status == "ACTIVE" ? 1 : 0;
  EXPECT_GT(active, 100);
  EXPECT_LT(active, 130);
}

TEST_F(ServicesTest, TrialsAreToldForAHundredAtATime) {
  start();
  const auto& organization = simulator_->organization();
  std::vector<std::string> ids = organization.account_ids();
  ids.emplace_back("000000000000");
  net::AwsClient inspector = client("inspector2");
  const net::TrialReply reply = net::batch_get_free_trial_info(inspector, ids, stats_);
  EXPECT_EQ(simulator_->requests("trials"), 2);
  std::size_t members = 0;
  for (int i = 0; i < 130; ++i) members += organization.is_member(i, kServicesNow) ? 1 : 0;
  EXPECT_EQ(reply.trials.size(), 5 * members);
  EXPECT_EQ(reply.failures.size(), 131 - members);
  EXPECT_EQ(reply.failures.back().code, "ACCESS_DENIED");
  for (const core::FreeTrial& trial : reply.trials) {
    EXPECT_EQ(trial.status, kServicesNow < *trial.end ? "ACTIVE" : "INACTIVE");
    EXPECT_EQ(*trial.end - *trial.start, 15 * kDay);
  }
}

TEST_F(ServicesTest, TrialRepliesThatMakeNoSenseAreRefused) {
  for (const char* body :
       {"", "[]", R"({"accounts":{}})", R"({"accounts":[1]})", R"({"accounts":[{}]})",
        R"({"accounts":[{"accountId":"123456789012","freeTrialInfo":[{"start":"x"}]}]})",
        R"({"accounts":[{"accountId":"123456789012","freeTrialInfo":[{"end":-1}]}]})",
        R"({"accounts":[{"accountId":"123456789012","freeTrialInfo":[{"end":1e300}]}]})",
        R"({"failedAccounts":[{"accountId":"x"}]})"}) {
    EXPECT_THROW(net::parse_trial_reply(body), core::Error) << body;
  }
  const auto reply = net::parse_trial_reply(
      R"({"accounts":[{"accountId":"123456789012","freeTrialInfo":[{"type":"EC2","start":1.5}]}],
          "failedAccounts":null})");
  ASSERT_EQ(reply.trials.size(), 1U);
  EXPECT_EQ(reply.trials[0].start, core::from_unix(1));
  EXPECT_FALSE(reply.trials[0].end);
}

TEST_F(ServicesTest, ItsClockMayBeWrong) {
  start("", core::Seconds{-600});
  net::AwsClient inspector = client("inspector2");
  net::list_usage_totals(inspector, {}, stats_);  // corrected, and tried once more
  EXPECT_EQ(stats_.requests, 2);
  EXPECT_EQ(stats_.clock_skew, core::Seconds{-600});
  // What was learnt is kept for the next one.
  net::CallStats again;
  net::AwsClient other = client("inspector2");
  net::list_usage_totals(other, {}, again);
  EXPECT_EQ(again.requests, 1);
}

TEST_F(ServicesTest, FaultsAreOfOneServiceAndAccount) {
  const std::string account = (start(), member());
  start("faults: [{service: sts, kind: denied, account: '" + account +
        "'}, {service: organizations, kind: throttle}]");
  EXPECT_THAT(error_of([&] { assume(account); }), HasSubstr("AccessDenied"));
  EXPECT_EQ(error_of([&] { assume("123456789012"); }), "no error");
  net::AwsClient organizations = client("organizations");
  EXPECT_THAT(error_of([&] { net::list_accounts(organizations, stats_); }),
              HasSubstr("ThrottlingException: Rate exceeded"));
  EXPECT_THROW(parse_faults("f", "faults: [{kind: denied, service: s3}]"), core::Error);
}

}  // namespace
}  // namespace usaged::sim
