#include "sim/simulator.h"

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "net/http.h"
#include "net/inspector.h"

namespace usaged::sim {
namespace {

using json = nlohmann::json;
using ::testing::HasSubstr;

const core::Time kSimulatorNow = core::from_unix(1772366400);

class SimulatorTest : public ::testing::Test {
 protected:
  void start(const std::string& faults = "", int accounts = 20) {
    SimulatorOptions options;
    options.organization.accounts = accounts;
    if (!faults.empty()) options.faults = parse_faults("faults.yaml", faults);
    options.now = options.signing_now = [] { return kSimulatorNow; };
    simulator_ = std::make_unique<Simulator>(std::move(options));
  }

  net::HttpReply post(const std::string& body,
                      const net::sigv4::Credentials& credentials = {"AKIASIMULATOR",
                                                                    "simulator-secret", ""},
                      core::Time time = kSimulatorNow, const std::string& region = "us-east-1",
                      const std::string& service = "inspector2") {
    net::sigv4::Request request{
        "POST", "/usage/list", "", {{"Host", simulator_->url().substr(7)}}, body};
    net::sigv4::sign(request, {time, region, service}, credentials);
    net::HttpRequest http;
    http.method = "POST";
    http.url = simulator_->url() + "/usage/list";
    http.headers = request.headers;
    http.body = body;
    return client_.send(http);
  }

  json good(const std::string& body) {
    const net::HttpReply reply = post(body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return json::parse(reply.body);
  }

  net::UsageReply collect(const std::vector<std::string>& accounts = {}) {
    net::AwsClient client = make_client();
    net::CallStats stats;
    return net::list_usage_totals(client, accounts, stats);
  }

  net::AwsClient make_client(const std::string& service = "inspector2") {
    return {{simulator_->url(), "us-east-1", service},
            {&client_, [] { return kSimulatorNow; }, [](std::chrono::milliseconds) { return true; },
             [] { return 0.0; },
             [](const net::sigv4::Credentials*) {
               return net::sigv4::Credentials{"AKIASIMULATOR", "simulator-secret", ""};
             },
             &skews_},
            {},
            quota_};
  }

  std::unique_ptr<Simulator> simulator_;
  net::CurlClient client_{nullptr, "test"};
  net::RetryQuota quota_;
  net::ClockSkews skews_;
};

TEST_F(SimulatorTest, AnswersWithTheDocumentedMembers) {
  start();
  const json reply = good("{}");
  const json& account = reply["totals"][0];
  EXPECT_TRUE(core::is_account_id(account["accountId"].get<std::string>()));
  for (const char* key : {"type", "total", "estimatedMonthlyCost", "currency", "cloudProvider"}) {
    EXPECT_TRUE(account["usage"][0].contains(key)) << key;
  }
}

TEST_F(SimulatorTest, ChecksEachConstraintWithReasonAndField) {
  start();
  struct Case {
    std::string body;
    std::string reason;
    std::string field;
  };
  std::string many = "[\"123456789012\"";
  for (int i = 0; i < 7000; ++i) many += ",\"123456789012\"";
  for (const Case& c : std::vector<Case>{
           {R"({"maxResults":501})", "FIELD_VALIDATION_FAILED", "maxResults"},
           {R"({"maxResults":0})", "FIELD_VALIDATION_FAILED", "maxResults"},
           {R"({"maxResults":-1})", "FIELD_VALIDATION_FAILED", "maxResults"},
           {R"({"maxResults":"5"})", "CANNOT_PARSE", "maxResults"},
           {R"({"nextToken":""})", "FIELD_VALIDATION_FAILED", "nextToken"},
           {R"({"nextToken":"nonsense"})", "OTHER", "nextToken"},
           {R"({"accountIds":[]})", "FIELD_VALIDATION_FAILED", "accountIds"},
           {R"({"accountIds":)" + many + "]}", "FIELD_VALIDATION_FAILED", "accountIds"},
           {R"({"accountIds":["12345678901"]})", "FIELD_VALIDATION_FAILED", "accountIds.1.member"},
           {R"({"accountIds":[1]})", "CANNOT_PARSE", "accountIds.1.member"},
           {"[]", "CANNOT_PARSE", ""},
           {"{", "CANNOT_PARSE", ""}}) {
    const net::HttpReply reply = post(c.body);
    EXPECT_EQ(reply.status, 400) << c.body;
    EXPECT_THAT(reply.header("x-amzn-errortype"), HasSubstr("ValidationException"));
    const json body = json::parse(reply.body);
    EXPECT_EQ(body["reason"], c.reason) << reply.body;
    if (!c.field.empty()) {
      EXPECT_EQ(body["fields"][0]["name"], c.field);
      EXPECT_FALSE(body["fields"][0]["message"].get<std::string>().empty());
    }
  }
  EXPECT_EQ(post(R"({"maxResults":500,"accountIds":["123456789012"]})").status, 200);
  EXPECT_EQ(post(R"({"maxResults":null,"nextToken":null,"accountIds":null})").status, 200);
}

TEST_F(SimulatorTest, PagesCoverEveryAccountOnce) {
  start("", 25);
  std::map<std::string, int> seen;
  json request{{"maxResults", 7}};
  int pages = 0;
  while (true) {
    const json reply = good(request.dump());
    ++pages;
    EXPECT_LE(reply["totals"].size(), 7U);
    for (const json& account : reply["totals"]) ++seen[account["accountId"].get<std::string>()];
    if (!reply.contains("nextToken")) break;
    request["nextToken"] = reply["nextToken"];
  }
  EXPECT_GT(pages, 2);
  for (const auto& [id, times] : seen) EXPECT_EQ(times, 1) << id;
  EXPECT_EQ(seen.size(), [&] {
    std::size_t members = 0;
    for (int i = 0; i < 25; ++i)
      members += simulator_->organization().is_member(i, kSimulatorNow) ? 1 : 0;
    return members;
  }());
}

TEST_F(SimulatorTest, ATokenIsBoundToItsRequest) {
  start();
  const std::string token = good(R"({"maxResults":5})")["nextToken"];
  EXPECT_EQ(post(json{{"maxResults", 9}, {"nextToken", token}}.dump()).status, 200);
  const std::string id = simulator_->organization().account_ids().at(0);
  EXPECT_EQ(post(json{{"nextToken", token}, {"accountIds", {id}}}.dump()).status, 400);
  EXPECT_EQ(post(json{{"nextToken", token}}.dump(), {"AKIASIMULATOR", "simulator-secret", ""},
                 kSimulatorNow, "eu-central-1")
                .status,
            400);
}

TEST_F(SimulatorTest, ChecksSignatureDateScopeAndKey) {
  start();
  const auto error = [](const net::HttpReply& reply) {
    return std::to_string(reply.status) + " " + net::parse_service_error(reply).name;
  };
  const net::sigv4::Credentials right{"AKIASIMULATOR", "simulator-secret", ""};
  EXPECT_EQ(error(post("{}", {"AKIASIMULATOR", "wrong", ""})), "403 InvalidSignatureException");
  EXPECT_EQ(error(post("{}", {"AKIAOTHER", "simulator-secret", ""})),
            "403 UnrecognizedClientException");
  EXPECT_EQ(error(post("{}", {"AKIASIMULATOR", "simulator-secret", "token"})),
            "403 UnrecognizedClientException");
  EXPECT_EQ(post("{}", right, kSimulatorNow - core::Seconds{300}).status, 200);
  EXPECT_EQ(error(post("{}", right, kSimulatorNow - core::Seconds{301})),
            "403 InvalidSignatureException");
  EXPECT_EQ(post("{}", right, kSimulatorNow + core::Seconds{300}).status, 200);
  EXPECT_EQ(error(post("{}", right, kSimulatorNow + core::Seconds{301})),
            "403 InvalidSignatureException");
  EXPECT_EQ(error(post("{}", right, kSimulatorNow, "us-west-2")), "403 InvalidSignatureException");
  EXPECT_EQ(error(post("{}", right, kSimulatorNow, "us-east-1", "s3")),
            "403 InvalidSignatureException");
  net::HttpRequest bare;
  bare.method = "POST";
  bare.url = simulator_->url() + "/usage/list";
  EXPECT_EQ(error(client_.send(bare)), "403 MissingAuthenticationTokenException");
}

TEST_F(SimulatorTest, FaultsHappenAsPlanned) {
  start("faults: [{kind: server_error, count: 2}, {kind: unknown_type}, {kind: null_members}]");
  const net::UsageReply reply = collect();
  EXPECT_EQ(simulator_->requests(), 3);
  int unknown = 0;
  int nulls = 0;
  for (const core::UsageTotal& total : reply.totals) {
    unknown += total.type == "SIMULATED_FUTURE_THING" ? 1 : 0;
    nulls += total.cost ? 0 : 1;
  }
  EXPECT_GT(unknown, 10);
  EXPECT_GT(nulls, 10);
}

TEST_F(SimulatorTest, StraddlingAccountsComeOutWhole) {
  start("", 30);
  const auto whole = collect().totals;
  start("faults: [{kind: straddle}]", 30);
  net::AwsClient client = make_client();
  net::CallStats stats;
  const auto split = net::list_usage_totals(client, {}, stats, 5).totals;
  EXPECT_GE(stats.pages, 3);
  ASSERT_EQ(split.size(), whole.size());
  for (std::size_t i = 0; i < split.size(); ++i) {
    EXPECT_EQ(split[i].account + split[i].type.text(), whole[i].account + whole[i].type.text());
    EXPECT_EQ(split[i].cost, whole[i].cost);
  }
}

TEST_F(SimulatorTest, EveryFaultThatIsNoAnswerIsAnErrorByName) {
  for (const auto& [kind, outcome] : std::vector<std::pair<std::string, core::Outcome>>{
           {"throttle", core::Outcome::kThrottled},
           {"server_error", core::Outcome::kServer},
           {"unavailable", core::Outcome::kServer},
           {"denied", core::Outcome::kDenied},
           {"expired_token", core::Outcome::kDenied},
           {"cut", core::Outcome::kNetwork},
           {"garbage", core::Outcome::kMalformed},
           {"empty", core::Outcome::kMalformed},
           {"repeated_token", core::Outcome::kMalformed}}) {
    start("faults: [{kind: " + kind + "}]");
    try {
      collect();
      ADD_FAILURE() << kind;
    } catch (const net::AwsError& e) {
      EXPECT_EQ(e.outcome(), outcome) << kind << ": " << e.what();
    }
  }
}

TEST_F(SimulatorTest, TheClockCanBeSet) {
  start();
  net::HttpRequest put;
  put.method = "PUT";
  put.url = simulator_->url() + "/simulator/clock";
  put.headers = {{"Content-Length", "0"}};
  const json before = good("{}");
  simulator_->freeze(kSimulatorNow + 40 * core::kDay);
  EXPECT_EQ(simulator_->now(), kSimulatorNow + 40 * core::kDay);
  EXPECT_NE(good("{}"), before);
  simulator_->freeze(kSimulatorNow);
  EXPECT_EQ(good("{}"), before);
}

TEST(Faults, ErrorsNameThePlace) {
  try {
    parse_faults("f.yaml", "faults: [{kind: trottle}]\n");
    FAIL();
  } catch (const core::Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("f.yaml:1:17: faults[0].kind"));
    EXPECT_THAT(e.what(), HasSubstr("throttle"));
  }
  EXPECT_THROW(parse_faults("f", "faults: [{kind: hang, probability: 2}]"), core::Error);
}

TEST(Organization, IsTheSameForTheSameSeed) {
  const Organization a({30, {"us-east-1"}, 7, {}});
  const Organization b({30, {"us-east-1"}, 7, {}});
  const Organization c({30, {"us-east-1"}, 8, {}});
  EXPECT_EQ(a.account_ids(), b.account_ids());
  EXPECT_NE(a.account_ids(), c.account_ids());
  const auto cost = [](const Organization& o) {
    return o.totals(3, "us-east-1", kSimulatorNow).at(0).cost;
  };
  EXPECT_EQ(cost(a), cost(b));
}

TEST(Organization, ATotalIsTheSumOfThirtyDays) {
  const Organization organization({30, {"us-east-1"}, 7, {}});
  const core::Time midnight = core::from_unix(1772323200);
  for (int account = 0; account < 30; ++account) {
    for (const auto& total : organization.totals(account, "us-east-1", midnight)) {
      double sum = 0;
      for (int day = 1; day <= 30; ++day) {
        sum += organization.daily(account, "us-east-1", total.type, midnight - day * core::kDay);
      }
      EXPECT_NEAR(*total.total, sum, sum * 1e-6 + 1.0) << total.type.text();
    }
  }
}

TEST(Organization, SpikesAreLabelledAndSeenInTheUsage) {
  const Organization organization({50, {"us-east-1"}, 7, {}});
  int spikes = 0;
  for (const Label& label : organization.labels(kSimulatorNow - 90 * core::kDay, kSimulatorNow)) {
    if (label.kind != "spike") continue;
    ++spikes;
    EXPECT_GE(label.factor, 4);
    EXPECT_GT(label.to, label.from);
  }
  EXPECT_GT(spikes, 5);
}

TEST(Organization, ASurgeIsAddedToWhatIsThere) {
  const OrganizationSpec calm{30, {"us-east-1"}, 7, {}};
  OrganizationSpec loud = calm;
  const Organization without(calm);
  loud.surges = {{without.account_ids().at(0), "us-east-1", "EC2_INSTANCE_HOURS",
                  kSimulatorNow - core::kDay, kSimulatorNow + core::kDay, 20}};
  const Organization with(loud);
  const auto hours = [](const Organization& o, int account) {
    return *o.totals(account, "us-east-1", kSimulatorNow).at(0).total;
  };
  const double usual =
      without.daily(0, "us-east-1", "EC2_INSTANCE_HOURS", kSimulatorNow - core::kDay);
  EXPECT_NEAR(hours(with, 0) - hours(without, 0), 19 * usual, usual);
  EXPECT_EQ(hours(with, 1), hours(without, 1));
}

}  // namespace
}  // namespace usaged::sim
