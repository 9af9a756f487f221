#include "support/openapi.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/text.h"
#include "store/store.h"
#include "support/database.h"
#include "support/usage.h"
#include "web/routes.h"

namespace usaged::web {
namespace {

using support::OpenApi;

const core::Time kOpenapiNow = core::from_unix(1772366400);

OpenApi document() {
  return OpenApi(core::read_file(std::string(SOURCE_DIR) + "/lib/web/openapi.yaml"));
}

TEST(OpenApi, NamesEveryRouteAndNoOther) {
  std::set<std::string> documented;
  for (const auto& path : document().root()["paths"]) {
    for (const auto& method : path.second) {
      documented.insert(method.first.as<std::string>() + " " + path.first.as<std::string>());
    }
  }
  std::set<std::string> served;
  for (const Route& route : routes()) {
    served.insert(core::lower(route.method) + " " + std::string(route.path));
  }
  EXPECT_EQ(documented, served);
}

TEST(OpenApi, TheVersionIsThePrograms) {
  EXPECT_EQ(document().root()["info"]["version"].as<std::string>(), PROJECT_VERSION);
}

class Replies : public ::testing::Test {
 protected:
  Replies() {
    store_.set_accounts({{"111111111111", {"A", {{"team", "red"}}}}, {"999999999999", {"Z", {}}}});
    for (const int hour : {-49, -38, -25, -14, 0, 1, 2}) {
      const core::Time t = kOpenapiNow + (hour - 3) * core::kHour;
      const auto id = store_.begin_poll("t", "eu-west-1", t, core::kHour, t);
      store_.finish_poll(id,
                         {{support::usage("111111111111", "EC2_INSTANCE_HOURS", 100 + hour, 1.5),
                           support::usage("222222222222", "ECR_RESCAN", 1, std::nullopt),
                           {"222222222222", "NEW", "", "", std::nullopt, 0.5}},
                          {"333333333333"}},
                         {t, core::Outcome::kOk, 1, 1, "", "request"});
    }
    store_.settle("t", "eu-west-1", kOpenapiNow);
    store_.sum_days();
    const auto other = store_.begin_poll("v", "eu-west-1", kOpenapiNow, core::kHour, kOpenapiNow);
    store_.set_targets({asked("t", "eu-west-1"), asked("t", "us-east-1"), asked("u", "us-east-1"),
                        asked("v", "eu-west-1")},
                       kOpenapiNow);
    store_.finish_poll(other,
                       {{support::usage("111111111111", "EC2_INSTANCE_HOURS", 102, 1.5)},
                        {},
                        {{"444444444444", "denied"}}},
                       {kOpenapiNow, core::Outcome::kOk, 1, 1, "", "request", core::Seconds{2}});
    store_.begin_refresh(store::RefreshKind::kOrganization, "t", "", kOpenapiNow);
    store_.finish_organization("t", {{"111111111111", "A", "ACTIVE"}}, kOpenapiNow);
    store_.begin_refresh(store::RefreshKind::kTrials, "t", "eu-west-1", kOpenapiNow);
    store_.finish_trials(
        "t", "eu-west-1",
        {{"111111111111", "EC2", kOpenapiNow - core::kDay, kOpenapiNow + core::kDay, "ACTIVE"}},
        {{"222222222222", "ACCESS_DENIED", "no"}}, kOpenapiNow);
    store_.fail_poll(store_.begin_poll("t", "us-east-1", kOpenapiNow, core::kHour, kOpenapiNow),
                     {kOpenapiNow, core::Outcome::kDenied, 1, 0, "AccessDeniedException", ""});
    store_.begin_poll("u", "us-east-1", kOpenapiNow, core::kHour, kOpenapiNow);
    core::Alert alert;
    alert.fingerprint = "f";
    alert.rule = "r";
    alert.severity = "warning";
    alert.labels = {{"account_id", "111111111111"}};
    alert.pending_since = alert.counted_until = kOpenapiNow;
    store_.apply({{alert, core::AlertChange::kBegan}}, kOpenapiNow);
    store::Notification message;
    message.uid = "m";
    message.receiver = "hook";
    message.group_key = "{}:{}";
    message.reason = "news";
    message.created = kOpenapiNow;
    store_.compose(message, {});
    core::Silence silence;
    silence.matchers = {core::parse_matcher("region=eu-west-1")};
    silence.starts_at = silence.created_at = kOpenapiNow;
    silence.ends_at = kOpenapiNow + core::kHour;
    silence.created_by = "ann";
    silence.comment = "why";
    store_.add_silence(silence);
  }

  static core::Target asked(const std::string& name, const std::string& region) {
    core::Target target;
    target.name = name;
    target.regions = {region};
    target.organizations = true;
    return target;
  }

  nlohmann::json ask(const std::string& path, const std::string& query) {
    Query parsed(query);
    const Response response = respond("GET", path, parsed, "", path + "?" + query);
    EXPECT_EQ(response.status, 200) << path << "?" << query << ": " << response.body;
    return nlohmann::json::parse(response.body);
  }

  std::string stream(const std::string& path, const std::string& query) {
    Query parsed(query);
    const Response response = respond("GET", path, parsed, "", path + "?" + query);
    EXPECT_EQ(response.status, 200) << path << "?" << query << ": " << response.body;
    std::string text;
    if (response.stream) response.stream([&](std::string_view piece) { text += piece; });
    return text;
  }

  Response respond(const std::string& method, const std::string& path, Query& query,
                   const std::string& body, const std::string& target) {
    const Found found = find_route(method, path);
    return answer(*found.route, {readers_, counters_, query, kOpenapiNow, found.parameter, "", "",
                                 target, body, actors_, rules_});
  }

  support::TempFolder folder_;
  store::Store store_{support::database_in(folder_)};
  store::ReaderPool readers_{store_.path(), 2};
  Counters counters_;
  int changes_ = 0;
  std::function<std::vector<core::Rule>()> rules_ = core::Config::default_rules;
  Actors actors_{&store_, [this] { ++changes_; },
                 [](const std::vector<std::string>& targets) {
                   std::vector<std::pair<std::string, std::string>> polls;
                   for (const std::string& target : targets) polls.emplace_back(target, "r");
                   return polls;
                 }};
};

TEST_F(Replies, MatchTheirSchemas) {
  const OpenApi api = document();
  const std::vector<std::pair<std::string, std::string>> questions{
      {"/api/v1/status", ""},
      {"/api/v1/status", "detail=summary"},
      {"/api/v1/targets", ""},
      {"/api/v1/accounts", ""},
      {"/api/v1/accounts", "limit=1"},
      {"/api/v1/polls", ""},
      {"/api/v1/polls", "limit=2&outcome=ok"},
      {"/api/v1/polls/daily", "start=now-5d"},
      {"/api/v1/usage/latest", ""},
      {"/api/v1/usage/latest", "limit=1"},
      {"/api/v1/usage/latest", "group_by=account,tag.team"},
      {"/api/v1/usage/latest", "group_by=account,region,type,provider&top=1"},
      {"/api/v1/usage/history", "start=now-6h"},
      {"/api/v1/usage/history", "start=now-6h&group_by=type&metric=total&step=1h"},
      {"/api/v1/usage/daily", "start=now-3d"},
      {"/api/v1/usage/daily", "start=now-3d&group_by=account,type&metric=total"},
      {"/api/v1/usage/forecast", ""},
      {"/api/v1/usage/forecast", "group_by=type&metric=total&months=2&budget=10.5"},
      {"/api/v1/usage/showback", "by=team"},
      {"/api/v1/usage/echo", "window=1d"},
      {"/api/v1/usage/echo", "group_by=account,type&metric=total&window=2h"},
      {"/api/v1/usage/history", "start=now-6h&group_by=target&limit=1"},
      {"/api/v1/usage/daily", "start=now-3d&group_by=target&limit=2"},
      {"/api/v1/usage/deltas", "start=now-3h&end=now-1h"},
      {"/api/v1/usage/deltas", "window=2h&group_by=account&group_by=type&metric=total"},
      {"/api/v1/alerts", ""},
      {"/api/v1/alerts", "state=pending&limit=1"},
      {"/api/v1/silences", "state=active"},
      {"/api/v1/rules", ""},
      {"/api/v1/notifications", ""}};
  std::set<std::string> asked;
  for (const auto& [path, query] : questions) {
    const nlohmann::json reply = ask(path, query);
    EXPECT_EQ(api.check(api.schema_of(path), reply), "") << path << "?" << query;
    EXPECT_FALSE(reply["data"].empty()) << path << "?" << query;
    asked.insert(path);
  }
  EXPECT_EQ(api.check(api.schema_of("/api/v1/alerts/{id}"), ask("/api/v1/alerts/1", "")), "");
  asked.insert("/api/v1/alerts/{id}");
  for (const Route& route : routes()) {
    const bool is_api = route.path.starts_with("/api/") && route.path != "/api/v1/export";
    if (route.method != "GET") continue;
    EXPECT_TRUE(!is_api || asked.contains(std::string(route.path))) << route.path;
  }
}

struct Write {
  const char* method;
  const char* path;  // as documented
  const char* address;
  const char* body;
  int status;
};

TEST_F(Replies, WritesDoWhatTheDocumentSays) {
  const OpenApi api = document();
  const std::vector<Write> writes{
      {"POST", "/api/v1/silences", "/api/v1/silences",
       R"({"matchers": ["account_id=1"], "duration": "2h", "created_by": "ann", "comment": "why"})",
       201},
      {"DELETE", "/api/v1/silences/{id}", "/api/v1/silences/2", "", 200},
      {"POST", "/api/v1/alerts/{id}/ack", "/api/v1/alerts/1/ack", R"({"by": "ann"})", 200},
      {"POST", "/api/v1/notifications/redrive", "/api/v1/notifications/redrive", "{}", 200},
      {"POST", "/api/v1/polls", "/api/v1/polls", R"({"targets": ["t"]})", 202},
      {"POST", "/-/reload", "/-/reload", "", 200}};
  std::set<std::string> written;
  for (const Write& write : writes) {
    Query none("");
    const Response response = respond(write.method, write.address, none, write.body, "");
    EXPECT_EQ(response.status, write.status) << write.address << ": " << response.body;
    EXPECT_EQ(api.check(api.schema_of(write.path, core::lower(write.method),
                                      std::to_string(write.status)),
                        nlohmann::json::parse(response.body)),
              "")
        << write.address;
    written.insert(std::string(write.method) + " " + write.path);
  }
  EXPECT_EQ(changes_, 4);
  for (const Route& route : routes()) {
    const std::string name = std::string(route.method) + " " + std::string(route.path);
    EXPECT_TRUE(route.method == "GET" || written.contains(name)) << name;
  }
  EXPECT_EQ(ask("/api/v1/silences", "state=expired")["data"].size(), 1U);
  EXPECT_EQ(ask("/api/v1/alerts/1", "")["data"]["acknowledged_by"], "ann");
  EXPECT_EQ(ask("/api/v1/alerts/1", "")["data"]["events"].back()["change"], "acknowledged");
}

TEST_F(Replies, AnAlertSaysUntilWhenItIsSilenced) {
  EXPECT_TRUE(ask("/api/v1/alerts/1", "")["data"]["silenced_until"].is_null());
  Query none("");
  respond("POST", "/api/v1/silences", none,
          R"({"matchers": ["alertname=r"], "duration": "2h", "created_by": "a", "comment": "b"})",
          "");
  const std::string until = core::format_time(kOpenapiNow + 2 * core::kHour);
  EXPECT_EQ(ask("/api/v1/alerts/1", "")["data"]["silenced_until"], until);
  EXPECT_EQ(ask("/api/v1/alerts", "")["data"][0]["silenced_until"], until);
}

TEST_F(Replies, TargetsAreThereBeforeTheirFirstPoll) {
  store_.set_targets({asked("t", "eu-west-1"), asked("w", "us-east-1")}, kOpenapiNow);
  const auto find = [](const nlohmann::json& rows, const std::string& name) {
    for (const auto& row : rows) {
      if (row["target"] == name) return row;
    }
    return nlohmann::json{};
  };
  const nlohmann::json rows = ask("/api/v1/targets", "")["data"];
  EXPECT_EQ(find(rows, "w")["state"], "waiting");
  EXPECT_EQ(find(rows, "w")["next_reason"], "first");
  EXPECT_TRUE(find(rows, "w")["interval_seconds"].is_null());
  const nlohmann::json status = ask("/api/v1/status", "detail=summary")["data"];
  EXPECT_EQ(status["scopes"]["waiting"], 1);
  EXPECT_EQ(status["tags"], (nlohmann::json{"team"}));
  EXPECT_FALSE(status.contains("targets"));
}

TEST_F(Replies, WritesThatMakeNoSenseChangeNothing) {
  const std::string silence = "/api/v1/silences";
  const std::vector<std::tuple<std::string, std::string, int, const char*>> cases{
      {silence, "", 400, "must be a JSON object"},
      {silence, "[1]", 400, "must be a JSON object"},
      {silence, std::string(60000, '['), 400, "must be a JSON object"},
      {silence, R"({"matchers": "a=b"})", 400, "matchers: "},
      {silence, R"({"matchers": ["a=~("], "duration": "1h"})", 400, "regular expression"},
      {silence, R"({"matchers": ["a=b"]})", 400, "either ends_at or duration"},
      {silence, R"({"matchers": ["a=b"], "duration": "1x"})", 400, "duration: "},
      {silence, R"({"matchers": ["a=b"], "duration": "1h", "created_by": "x"})", 400, "comment: "},
      {silence,
       R"({"matchers": ["a=b"], "duration": "1h", "created_by": "x", "comment": "y", "coment": 1})",
       400, "did you mean 'comment'?"},
      {silence, R"({"matchers": ["a=b"], "duration": "1h", "created_by": "x\ny", "comment": "y"})",
       400, "one line"},
      {"/api/v1/alerts/1/ack", "{}", 400, "by: "},
      {"/api/v1/alerts/99/ack", R"({"by": "x"})", 404, "there is no alert 99"},
      {"/api/v1/alerts/x/ack", R"({"by": "x"})", 404, "there is no alert x"},
      {"/api/v1/notifications/redrive", R"({"id": 1})", 404, "no dead message 1"},
      {"/api/v1/notifications/redrive", R"({"id": "1"})", 400, "whole number"},
      {"/api/v1/polls", R"({"target": ["t"]})", 400, "did you mean 'targets'?"}};
  for (const auto& [address, body, status, message] : cases) {
    Query none("");
    const Response response = respond("POST", address, none, body, "");
    EXPECT_EQ(response.status, status) << body << "\n" << response.body;
    EXPECT_NE(response.body.find(message), std::string::npos) << body << "\n" << response.body;
  }
  EXPECT_EQ(changes_, 0);
  EXPECT_EQ(ask("/api/v1/silences", "")["data"].size(), 1U);
}

TEST_F(Replies, TheSamplesInTheDocumentAreAnswered) {
  const OpenApi api = document();
  int asked = 0;
  for (const auto& path : api.root()["paths"]) {
    const auto name = path.first.as<std::string>();
    const YAML::Node get = path.second["get"];
    const YAML::Node samples = get ? get["x-codeSamples"] : YAML::Node(YAML::NodeType::Undefined);
    EXPECT_EQ(samples.IsDefined(), path.second["get"].IsDefined() && name.starts_with("/api/"))
        << name;
    if (!samples) continue;
    const auto source = samples[0]["source"].as<std::string>();
    const std::string host = "http://127.0.0.1:10330";
    const std::size_t begin = source.find(host) + host.size();
    const std::string address = source.substr(begin, source.find('\'', begin) - begin);
    const std::size_t mark = std::min(address.find('?'), address.size());
    const std::string query = address.substr(std::min(mark + 1, address.size()));
    if (query.find("format=") != std::string::npos) {
      Query parsed(query);
      EXPECT_EQ(respond("GET", address.substr(0, mark), parsed, "", address).status, 200) << source;
    } else {
      const nlohmann::json reply = ask(address.substr(0, mark), query);
      EXPECT_EQ(api.check(api.schema_of(name), reply), "") << source;
    }
    ++asked;
  }
  EXPECT_GE(asked, 14);
}

TEST_F(Replies, TheSchemaCheckFindsWhatIsWrong) {
  const OpenApi api = document();
  nlohmann::json reply = ask("/api/v1/polls", "");
  const auto schema = api.schema_of("/api/v1/polls");
  reply["data"][0]["surprise"] = 1;
  EXPECT_NE(api.check(schema, reply), "");
  reply = ask("/api/v1/polls", "");
  reply["data"][0].erase("outcome");
  EXPECT_NE(api.check(schema, reply), "");
  reply = ask("/api/v1/polls", "");
  reply["data"][0]["requests"] = "1";
  EXPECT_NE(api.check(schema, reply), "");
}

TEST_F(Replies, EveryDocumentedParameterIsTaken) {
  const OpenApi api = document();
  const std::map<std::string, std::string> values{{"account", "111111111111"},
                                                  {"region", "eu-west-1"},
                                                  {"type", "ECR_RESCAN"},
                                                  {"provider", "AWS"},
                                                  {"target", "t"},
                                                  {"tag.NAME", "red"},
                                                  {"group_by", "account"},
                                                  {"metric", "cost"},
                                                  {"limit", "1"},
                                                  {"format", "json"},
                                                  {"start", "now-2h"},
                                                  {"end", "now-1h"},
                                                  {"step", "1h"},
                                                  {"top", "1"},
                                                  {"contributors", "2"},
                                                  {"months", "2"},
                                                  {"budget", "100"},
                                                  {"by", "team"},
                                                  {"billing_account", "111111111111"},
                                                  {"window", "1h"},
                                                  {"outcome", "ok"},
                                                  {"detail", "summary"},
                                                  {"state", ""}};
  int checked = 0;
  for (const auto& path : api.root()["paths"]) {
    const auto name = path.first.as<std::string>();
    const YAML::Node get = path.second["get"];
    const YAML::Node parameters = get ? get["parameters"] : YAML::Node(YAML::NodeType::Undefined);
    if (!parameters || name.find('{') != std::string::npos) continue;
    for (const auto& node : parameters) {
      const YAML::Node parameter = api.resolve(node);
      const auto key = parameter["name"].as<std::string>();
      if (key == "cursor") continue;
      std::string value = values.at(key);
      if (key == "state") value = api.resolve(parameter["schema"])["enum"][0].as<std::string>();
      std::string query = (key == "tag.NAME" ? "tag.team" : key) + "=" + value;
      if (key == "top" && name.ends_with("latest")) query += "&group_by=account";
      if (name.ends_with("showback") && key != "by") query += "&by=team";
      if (name.ends_with("export")) {
        if (key == "billing_account") query += "&format=focus";
        if (key == "format") query = "format=focus";
        EXPECT_FALSE(stream(name, query).empty());
        ++checked;
        continue;
      }
      ask(name, query);
      ++checked;
    }
  }
  EXPECT_GT(checked, 30);
}

TEST_F(Replies, CursorsLeadThroughEverythingOnce) {
  for (const auto& [path, key] :
       std::vector<std::pair<std::string, std::string>>{{"/api/v1/accounts", "account_id"},
                                                        {"/api/v1/polls", "id"},
                                                        {"/api/v1/usage/latest", "usage_type"}}) {
    std::vector<nlohmann::json> seen;
    std::string cursor;
    for (int page = 0; page < 20; ++page) {
      const nlohmann::json reply =
          ask(path, "limit=1" + (cursor.empty() ? "" : "&cursor=" + cursor));
      for (const auto& row : reply["data"]) seen.push_back(row[key]);
      if (reply["next_cursor"].is_null()) break;
      cursor = reply["next_cursor"].get<std::string>();
      // Base64 in an address.
      for (std::size_t at = 0; (at = cursor.find('+')) != std::string::npos;) {
        cursor.replace(at, 1, "%2B");
      }
    }
    std::vector<nlohmann::json> all;
    const nlohmann::json whole = ask(path, "");
    for (const auto& row : whole["data"]) all.push_back(row[key]);
    EXPECT_EQ(seen, all) << path;
  }
}

TEST_F(Replies, UnknownNumbersAreNull) {
  const nlohmann::json latest = ask("/api/v1/usage/latest", "");
  EXPECT_EQ(latest["data"].size(), 3U);
  for (const auto& row : latest["data"]) {
    if (row["usage_type"] == "ECR_RESCAN") {
      EXPECT_TRUE(row["estimated_monthly_cost"].is_null());
    }
    if (row["usage_type"] == "NEW") {
      EXPECT_TRUE(row["total"].is_null());
      EXPECT_TRUE(row["currency"].is_null());
      EXPECT_TRUE(row["cloud_provider"].is_null());
    }
  }
  EXPECT_FALSE(latest["completeness"]["complete"].get<bool>());
}

struct BadQuery {
  const char* path;
  const char* query;
};

TEST_F(Replies, QuestionsThatMakeNoSenseAre400) {
  for (const BadQuery& bad :
       std::vector<BadQuery>{{"/api/v1/usage/history", "start=tomorrow"},
                             {"/api/v1/usage/history", "start=now&end=now-1d"},
                             {"/api/v1/usage/history", "step=0s"},
                             {"/api/v1/usage/history", "start=0&step=1m"},
                             {"/api/v1/usage/history", "metric=colour"},
                             {"/api/v1/usage/history", "metric=total"},
                             {"/api/v1/usage/history", "group_by=colour"},
                             {"/api/v1/usage/history", "step=1h&step=2h"},
                             {"/api/v1/usage/history", "step=1x"},
                             {"/api/v1/usage/history", "top=1&limit=1"},
                             {"/api/v1/usage/history", "step=1m&format=ndjson&metric=colour"},
                             {"/api/v1/usage/showback", "months=3"},
                             {"/api/v1/usage/showback", "by="},
                             {"/api/v1/usage/echo", "window=1d&start=0"},
                             {"/api/v1/export", "format=json"},
                             {"/api/v1/export", "start=now&end=now-1d"},
                             {"/api/v1/export", "billing_account=1"},
                             {"/api/v1/usage/latest", "limit=0"},
                             {"/api/v1/usage/latest", "limit=1x"},
                             {"/api/v1/usage/latest", "limit=100001"},
                             {"/api/v1/usage/latest", "cursor=!"},
                             {"/api/v1/usage/latest", "account=1"},
                             {"/api/v1/usage/latest", "format=xml"},
                             {"/api/v1/usage/latest", "top=1"},
                             {"/api/v1/usage/deltas", "window=1d&start=0"},
                             {"/api/v1/polls", "outcome=fine"},
                             {"/api/v1/polls/daily", "start=now&end=now-1d"},
                             {"/api/v1/polls/daily", "start=now-401d"},
                             {"/api/v1/status", "detail=some"},
                             {"/api/v1/polls", "cursor=YWJj"},
                             {"/api/v1/alerts", "state=asleep"},
                             {"/api/v1/silences", "state=asleep"}}) {
    Query query(bad.query);
    const Response response = respond("GET", bad.path, query, "", "");
    EXPECT_EQ(response.status, 400) << bad.path << "?" << bad.query << "\n" << response.body;
  }
}

}  // namespace
}  // namespace usaged::web
