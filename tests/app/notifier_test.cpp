#include "app/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "app/notices.h"
#include "core/error.h"
#include "core/text.h"
#include "net/mail.h"
#include "support/openapi.h"
#include "support/process.h"
#include "support/raw_http.h"
#include "support/recorder.h"
#include "support/world.h"

namespace usaged::app {
namespace {

using core::kDay;
using core::kHour;
using core::ReceiverKind;
using core::Time;
using support::Process;
using support::World;
using ::testing::HasSubstr;
using ::testing::Not;
using json = nlohmann::json;

core::Receiver make_receiver(const std::string& name, ReceiverKind kind, const std::string& url) {
  core::Receiver receiver;
  receiver.name = name;
  receiver.kind = kind;
  receiver.url = url;
  return receiver;
}

// A notifier over a store whose alerts are put there by hand.
class NotifierTest : public ::testing::Test {
 protected:
  void SetUp() override {
    world_.start_simulator();
    store_ = std::make_unique<store::Store>(world_.config.database);
  }
  Notifier& start() {
    notifier_.reset();
    notifier_ = std::make_unique<Notifier>(
        world_.config,
        Notifier::World{*store_, world_.clock, counters_, *world_.stop, *world_.stop, *world_.log,
                        support::environment(world_.environment), "http://127.0.0.1:10330"});
    return *notifier_;
  }
  std::string sink() const { return world_.simulator->url() + "/webhook"; }
  Time now() const { return world_.clock.now(); }
  void wait(core::Seconds time) { world_.clock.set(now() + time); }

  core::Alert fire(const std::vector<std::string>& receivers, const std::string& account = "1") {
    core::Alert alert;
    alert.rule = "cost-increase";
    alert.severity = "warning";
    alert.labels = {{"account_id", account}};
    alert.currency = "USD";
    alert.fingerprint = core::fingerprint(alert.rule, alert.labels, alert.currency);
    alert.state = core::AlertState::kFiring;
    alert.pending_since = alert.counted_until = now();
    alert.starts_at = now();
    alert.before = 1;
    alert.after = 2;
    store_->apply({{alert, core::AlertChange::kFired, receivers}}, now());
    return store_->open_alerts().back();
  }
  void resolve(core::Alert alert) {
    alert.state = core::AlertState::kResolved;
    alert.ends_at = now();
    store_->apply({{alert, core::AlertChange::kResolved}}, now());
  }
  json bodies() const {
    json all = json::array();
    for (const auto& webhook : world_.simulator->webhooks())
      all.push_back(json::parse(webhook.body));
    return all;
  }

  World world_;
  web::Counters counters_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Notifier> notifier_;
};

TEST_F(NotifierTest, TellsAgainUntilSomebodyLooksAfterItAndThenItsEnd) {
  world_.config.receivers = {make_receiver("hook", ReceiverKind::kWebhook, sink())};
  Notifier& notifier = start();
  const core::Alert alert = fire({"hook"});
  EXPECT_EQ(notifier.deliver_due(), 1);
  wait(kDay - core::Seconds{1});
  EXPECT_EQ(notifier.deliver_due(), 0);
  wait(core::Seconds{1});
  EXPECT_EQ(notifier.deliver_due(), 1);
  store_->acknowledge(alert.id, "ann", "", now());
  wait(2 * kDay);
  EXPECT_EQ(notifier.deliver_due(), 0);
  resolve(alert);
  EXPECT_EQ(notifier.deliver_due(), 1);
  const json sent = bodies();
  ASSERT_EQ(sent.size(), 3U);
  EXPECT_EQ(sent[0]["status"], "firing");
  EXPECT_EQ(sent[1]["status"], "firing");
  EXPECT_EQ(sent[2]["status"], "resolved");
  EXPECT_EQ(sent[0]["groupKey"], sent[2]["groupKey"]);
  EXPECT_EQ(sent[2]["alerts"][0]["annotations"]["acknowledged"], "by ann");
}

TEST_F(NotifierTest, ASilencedAlertIsToldOnceTheSilenceEnds) {
  world_.config.receivers = {make_receiver("hook", ReceiverKind::kWebhook, sink())};
  core::Silence silence;
  silence.matchers = {core::parse_matcher("account_id=1")};
  silence.starts_at = now();
  silence.ends_at = now() + kHour;
  silence.created_by = silence.comment = "x";
  store_->add_silence(silence);
  fire({"hook"}, "1");
  fire({"hook"}, "2");
  Notifier& notifier = start();
  EXPECT_EQ(notifier.deliver_due(), 1);
  EXPECT_EQ(bodies()[0]["alerts"].size(), 1U);
  wait(kHour);
  EXPECT_EQ(notifier.deliver_due(), 1);
  EXPECT_EQ(bodies()[1]["alerts"].size(), 2U);
}

TEST_F(NotifierTest, ADigestGoesOutOnceADay) {
  core::Receiver receiver = make_receiver("hook", ReceiverKind::kWebhook, sink());
  receiver.alerts = false;
  receiver.digest = core::Digest::kDaily;
  receiver.digest_at = 14 * kHour;
  world_.config.receivers = {receiver};
  for (const int hours : {23, 0}) {
    const Time at = now() - hours * kHour;
    const auto id = store_->begin_poll("t", "us-east-1", at, kHour, at);
    store_->finish_poll(id,
                        {{{"111111111111", "ECR_RESCAN", "AWS", "USD", 1.0, 100.0 - hours}}, {}},
                        {at, core::Outcome::kOk, 1, 1, "", ""});
  }
  fire({});
  Notifier& notifier = start();
  EXPECT_EQ(notifier.deliver_due(), 1);  // that of yesterday
  wait(2 * kHour - core::Seconds{1});
  EXPECT_EQ(notifier.deliver_due(), 0);
  wait(core::Seconds{1});
  EXPECT_EQ(notifier.deliver_due(), 1);
  EXPECT_EQ(notifier.deliver_due(), 0);
  // Nor again after a restart.
  EXPECT_EQ(start().deliver_due(), 0);
  wait(kDay);
  EXPECT_EQ(notifier_->deliver_due(), 1);
  const json digest = bodies()[1];
  EXPECT_EQ(digest["groupLabels"]["digest"], "daily");
  const auto text = digest["commonAnnotations"]["description"].get<std::string>();
  EXPECT_THAT(text, HasSubstr("The last 30 days cost 100.00 USD, 77.00 USD a day ago (+29.9%)"));
  EXPECT_THAT(text, HasSubstr("+23.00 USD by account 111111111111"));
  EXPECT_THAT(text, HasSubstr("1 alerts fire"));
  EXPECT_EQ(digest["alerts"].size(), 1U);
}

TEST(Digest, WeeklyOnesAreDueOnMondays) {
  core::Receiver receiver;
  receiver.digest = core::Digest::kWeekly;
  const Time sunday_noon = core::from_unix(1772366400);
  const Time monday = sunday_noon + 20 * kHour;  // 08:00
  EXPECT_EQ(digest_slot(receiver, sunday_noon), monday - 7 * kDay);
  EXPECT_EQ(digest_slot(receiver, monday - core::Seconds{1}), monday - 7 * kDay);
  EXPECT_EQ(digest_slot(receiver, monday), monday);
  EXPECT_EQ(digest_slot(receiver, monday + 7 * kDay - core::Seconds{1}), monday);
}

TEST_F(NotifierTest, PublishesToSns) {
  core::Receiver receiver = make_receiver("topic", ReceiverKind::kSns, "");
  receiver.topic_arn = "arn:aws:sns:us-east-1:123456789012:inspector.fifo";
  world_.config.receivers = {receiver};
  fire({"topic"});
  EXPECT_EQ(start().deliver_due(), 1);
  const json published =
      json::parse(support::get(world_.simulator->port(), "/simulator/published"));
  ASSERT_EQ(published.size(), 1U);
  EXPECT_THAT(published[0]["Message"].get<std::string>(), HasSubstr("account_id=1"));
  EXPECT_EQ(published[0]["MessageDeduplicationId"],
            store::Reader(store_->path()).notifications("", 0, 1).at(0).uid);
  // A topic that is not there refuses for good.
  world_.config.receivers[0].topic_arn = "arn:aws:sns:us-east-1:123456789012:missing";
  wait(kDay);
  EXPECT_EQ(start().deliver_due(), 0);
  EXPECT_THAT(store::Reader(store_->path()).notifications("", 0, 1).at(0).error,
              HasSubstr("NotFound"));
}

TEST_F(NotifierTest, PingsTellOfTheLastRound) {
  // The address takes a GET, and there is nothing at /fail.
  const std::string url = world_.simulator->url() + "/simulator/clock";
  world_.config.receivers = {make_receiver("beat", ReceiverKind::kPing, url)};
  world_.config.targets[0].regions = {"us-east-1"};
  store_->set_targets(world_.config.targets, now());
  Notifier& notifier = start();
  const auto count = [&](const char* outcome) {
    const auto all = counters_.values().notifications;
    const auto found = all.find({"beat", outcome});
    return found == all.end() ? 0 : found->second;
  };
  notifier.deliver_due();
  EXPECT_EQ(count("delivered"), 0);  // no round has ended
  const auto poll = [&](core::Outcome outcome) {
    const auto id = store_->begin_poll("t", "us-east-1", now(), kHour, now());
    if (outcome == core::Outcome::kOk) {
      store_->finish_poll(id, {}, {now(), outcome, 1, 1, "", ""});
    } else {
      store_->fail_poll(id, {now(), outcome, 1, 0, "denied", ""});
    }
    notifier.polled();
    notifier.deliver_due();
    wait(kHour);
  };
  poll(core::Outcome::kOk);
  EXPECT_EQ(count("delivered"), 1);
  poll(core::Outcome::kDenied);
  EXPECT_EQ(count("delivered"), 1);
  EXPECT_EQ(count("failed"), 1);
  poll(core::Outcome::kOk);
  EXPECT_EQ(count("delivered"), 2);
}

TEST_F(NotifierTest, TestsAReceiverAndSaysWhatCameBack) {
  core::Receiver filed = make_receiver("filed", ReceiverKind::kSlack, "");
  filed.url_file = world_.folder.path("url");
  world_.config.receivers = {make_receiver("hook", ReceiverKind::kWebhook, sink()),
                             make_receiver("gone", ReceiverKind::kTeams, sink() + "/nothing"),
                             filed};
  const Sender::World world{world_.config, world_.clock, *world_.stop,
                            support::environment(world_.environment)};
  const net::DeliveryResult good = test_notify("hook", "http://x", world);
  EXPECT_TRUE(good.delivered);
  EXPECT_EQ(good.answer, "HTTP 200: {}");
  EXPECT_EQ(bodies()[0]["alerts"][0]["labels"]["alertname"], "test-notify");
  EXPECT_FALSE(test_notify("gone", "http://x", world).delivered);
  EXPECT_THROW(test_notify("nobody", "http://x", world), core::Error);
  EXPECT_THROW(test_notify("filed", "http://x", world), core::Error);
  std::ofstream(filed.url_file) << sink() << "\n";
  EXPECT_TRUE(test_notify("filed", "http://x", world).delivered);
  world_.config.receivers[2].url_file = "credential:url";
  EXPECT_THROW(test_notify("filed", "http://x", world), core::Error);
  world_.environment["CREDENTIALS_DIRECTORY"] = world_.folder.path("");
  Sender::World with_credentials = world;
  with_credentials.environment = support::environment(world_.environment);
  EXPECT_TRUE(test_notify("filed", "http://x", with_credentials).delivered);
  world_.config.receivers[2].url_file = filed.url_file;
  std::ofstream(filed.url_file) << "no address\n";
  EXPECT_THROW(test_notify("filed", "http://x", world), core::Error);
}

TEST_F(NotifierTest, BodiesAreAsTheirReceiversDocumentThem) {
  const support::OpenApi schemas(
      core::read_file(std::string(SOURCE_DIR) + "/tests/data/receivers.yaml"));
  support::Recorder recorder;
  const std::vector<std::pair<ReceiverKind, std::string>> kinds{
      {ReceiverKind::kWebhook, "Webhook"},
      {ReceiverKind::kSlack, "Slack"},
      {ReceiverKind::kTeams, "Teams"},
      {ReceiverKind::kPagerDuty, "PagerDuty"}};
  std::vector<std::string> names;
  for (const auto& [kind, name] : kinds) {
    core::Receiver receiver = make_receiver(name, kind, recorder.url() + "/" + name);
    receiver.digest =
        kind == ReceiverKind::kPagerDuty ? core::Digest::kNever : core::Digest::kDaily;
    receiver.secret_file = kind == ReceiverKind::kPagerDuty ? world_.folder.path("key") : "";
    world_.config.receivers.push_back(receiver);
    names.push_back(name);
  }
  std::ofstream(world_.folder.path("key")) << "0123456789abcdef0123456789abcdef\n";
  store_->finish_poll(store_->begin_poll("t", "us-east-1", now(), kHour, now()), {},
                      {now(), core::Outcome::kOk, 1, 1, "", ""});
  Notifier& notifier = start();
  std::vector<core::Alert> fired;
  for (int i = 0; i < 30; ++i) fired.push_back(fire(names, std::to_string(i)));
  notifier.deliver_due();
  resolve(fired[0]);
  notifier.deliver_due();
  for (const core::Alert& alert : fired) {
    if (alert.id != fired[0].id) resolve(alert);
  }
  notifier.deliver_due();
  wait(kDay);
  notifier.deliver_due();  // digests
  std::map<std::string, int> seen;
  for (const auto& request : recorder.requests()) {
    const std::string name = request.path.substr(1);
    const YAML::Node schema = schemas.root()["components"]["schemas"][name];
    EXPECT_EQ(schemas.check(schema, json::parse(request.body)), "") << request.body;
    ++seen[name];
  }
  EXPECT_EQ(seen, (std::map<std::string, int>{
                      {"Webhook", 4}, {"Slack", 4}, {"Teams", 4}, {"PagerDuty", 3}}));
  // The check finds what is wrong.
  json wrong = json::parse(recorder.requests()[0].body);
  wrong["version"] = "5";
  EXPECT_NE(schemas.check(schemas.root()["components"]["schemas"]["Webhook"], wrong), "");
}

TEST_F(NotifierTest, AReceiverThatFailsIsTriedAgainAndDelaysNoOther) {
  support::Recorder bad;
  support::Recorder good;
  world_.config.receivers = {make_receiver("bad", ReceiverKind::kWebhook, bad.url()),
                             make_receiver("good", ReceiverKind::kWebhook, good.url())};
  bad.answer({{500, {}, {}}, {429, {{"Retry-After", "600"}}, {}}, {503, {}, {}}});
  fire({"bad", "good"});
  Notifier& notifier = start();
  EXPECT_EQ(notifier.deliver_due(), 1);
  EXPECT_EQ(good.requests().size(), 1U);
  wait(core::Seconds{9});
  notifier.deliver_due();
  EXPECT_EQ(bad.requests().size(), 1U);  // not before 10 seconds
  wait(core::Seconds{1});
  notifier.deliver_due();
  EXPECT_EQ(bad.requests().size(), 2U);
  wait(core::Seconds{600});
  notifier.deliver_due();
  EXPECT_EQ(bad.requests().size(), 2U);  // it asked for 600, within this second
  wait(core::Seconds{1});
  notifier.deliver_due();
  wait(core::Seconds{40});
  EXPECT_EQ(notifier.deliver_due(), 1);
  ASSERT_EQ(bad.requests().size(), 4U);
  for (const auto& request : bad.requests()) EXPECT_EQ(request.id, bad.requests()[0].id);
  // A redirect is not followed: somebody has to see to it, and send it again.
  bad.answer({{302, {{"Location", good.url()}}, {}}});
  wait(kDay);
  notifier.deliver_due();
  EXPECT_EQ(good.requests().size(), 2U);
  store::Reader reader(store_->path());
  ASSERT_EQ(reader.notifications("dead", 0, 10).size(), 1U);
  EXPECT_EQ(store_->redrive(std::nullopt, "bad", now()), 1);
  EXPECT_EQ(notifier.deliver_due(), 1);
  EXPECT_EQ(bad.requests()[4].id, bad.requests()[5].id);
}

TEST_F(NotifierTest, AReceiverThatHangsDelaysNoOther) {
  support::Recorder slow;
  support::Recorder good;
  world_.config.receivers = {make_receiver("slow", ReceiverKind::kWebhook, slow.url()),
                             make_receiver("good", ReceiverKind::kWebhook, good.url())};
  for (core::Receiver& receiver : world_.config.receivers) receiver.group_wait = core::Seconds{0};
  slow.answer({{200, {}, std::chrono::milliseconds{3000}}});
  Notifier& notifier = start();
  notifier.start();
  fire({"slow", "good"});
  notifier.notice();
  ASSERT_TRUE(support::eventually([&] { return slow.requests().size() == 1; }));
  fire({"slow", "good"}, "2");
  notifier.notice();
  ASSERT_TRUE(support::eventually([&] { return good.requests().size() == 2; }));
  EXPECT_EQ(slow.requests().size(), 1U);
  world_.stop->request();
  notifier.join();
}

TEST_F(NotifierTest, SleepsOnceWhatAPollCallsForIsDone) {
  support::Recorder recorder;
  world_.config.receivers = {make_receiver("hook", ReceiverKind::kWebhook, recorder.url()),
                             make_receiver("ping", ReceiverKind::kPing, recorder.url())};
  world_.config.receivers[0].group_wait = core::Seconds{0};
  fire({"hook"});
  Notifier& notifier = start();
  notifier.start();
  notifier.notice();
  notifier.polled();
  ASSERT_TRUE(support::eventually([&] { return recorder.requests().size() == 2; }));
  EXPECT_LT(support::processor_time_at_rest(), std::chrono::milliseconds{100});
  world_.stop->request();
  notifier.join();
}

// Debian's Alertmanager takes what we send, groups it, and believes its end.
TEST_F(NotifierTest, AlertmanagerReceivesGroupsAndResolves) {
  const std::string config = world_.folder.path("am.yml");
  std::ofstream(config) << "route: {receiver: sink, group_by: [alertname], group_wait: 100ms, "
                           "group_interval: 1s, repeat_interval: 1h}\n"
                           "receivers: [{name: sink, webhook_configs: [{url: '"
                        << sink() << "'}]}]\n";
  const int port = support::free_port();
  Process alertmanager(
      {"/usr/bin/prometheus-alertmanager", "--config.file=" + config,
       "--storage.path=" + world_.folder.path("am"),
       "--web.listen-address=127.0.0.1:" + std::to_string(port), "--cluster.listen-address="},
      {});
  ASSERT_TRUE(support::eventually([&] {
    try {
      return support::get(port, "/-/ready").find("OK") != std::string::npos;
    } catch (const std::exception&) {  // it does not listen yet
      return false;
    }
  })) << alertmanager.output();
  world_.config.receivers = {
      make_receiver("am", ReceiverKind::kAlertmanager, "http://127.0.0.1:" + std::to_string(port))};
  // Alertmanager has the machine's clock.
  world_.clock.set(SystemClock().now());
  Notifier& notifier = start();
  core::Alert first = fire({"am"}, "111111111111");
  core::Alert second = fire({"am"}, "222222222222");
  EXPECT_EQ(notifier.deliver_due(), 1);
  const auto active = [&] {
    return json::parse(support::get(port, "/api/v2/alerts"), nullptr, false);
  };
  ASSERT_TRUE(support::eventually([&] { return active().size() == 2; }));
  const json one = active()[0];
  EXPECT_EQ(one["labels"]["alertname"], "cost-increase");
  EXPECT_EQ(one["labels"]["currency"], "USD");
  EXPECT_THAT(one["annotations"]["summary"].get<std::string>(), HasSubstr("1.00 USD to 2.00 USD"));
  const Time end = core::parse_time(one["endsAt"].get<std::string>(), now());
  EXPECT_GE(end, now() + core::Seconds{180});
  // It tells of a group once it has the first of it, and again if there is more.
  ASSERT_TRUE(support::eventually(
      [&] { return !bodies().empty() && bodies().back()["alerts"].size() == 2; }));
  EXPECT_EQ(bodies().back()["status"], "firing");
  // It is told again in time, with a later end.
  world_.clock.set(now() + core::Seconds{60});
  notifier.deliver_due();
  EXPECT_EQ(core::parse_time(active()[0]["endsAt"].get<std::string>(), now()),
            end + core::Seconds{60});
  // An end is believed; the other alert fires on.
  world_.clock.set(SystemClock().now());
  resolve(first);
  notifier.deliver_due();
  ASSERT_TRUE(support::eventually([&] { return active().size() == 1; }));
  EXPECT_EQ(active()[0]["labels"]["account_id"], "222222222222");
  resolve(second);
  notifier.deliver_due();
  ASSERT_TRUE(support::eventually(
      [&] { return !bodies().empty() && bodies().back()["status"] == "resolved"; }));
}

// A mail server that speaks TLS (aiosmtpd) gets the mail.
TEST_F(NotifierTest, AMailServerOverTlsReceivesBothParts) {
  const std::string key = world_.folder.path("key.pem");
  const std::string cert = world_.folder.path("cert.pem");
  Process make({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert},
               {});
  ASSERT_EQ(make.wait(), 0);
  Process server({"/usr/bin/python3", std::string(SOURCE_DIR) + "/tests/app/smtp_server.py", cert,
                  key, world_.folder.path("")},
                 {});
  ASSERT_TRUE(server.read_until("starttls "));
  ASSERT_TRUE(server.read_until("\n"));
  std::smatch ports;
  const std::string output = server.output();
  ASSERT_TRUE(std::regex_search(output, ports, std::regex("tls ([0-9]+) starttls ([0-9]+)")));

  core::Receiver receiver =
      make_receiver("mail", ReceiverKind::kEmail, "smtps://localhost:" + ports[1].str());
  receiver.ca_file = cert;
  receiver.username = "inspector";
  receiver.secret_file = world_.folder.path("password");
  std::ofstream(receiver.secret_file) << "right\n";
  receiver.from = "inspector@example.com";
  receiver.to = {"finops@example.com", "security@example.com"};
  world_.config.receivers = {receiver};
  fire({"mail"}, "111111111111");
  EXPECT_EQ(start().deliver_due(), 1);
  const json mail = json::parse(core::read_file(world_.folder.path("1.json")));
  EXPECT_EQ(mail["from"], "inspector@example.com");
  EXPECT_EQ(mail["to"], (json{"finops@example.com", "security@example.com"}));
  EXPECT_EQ(mail["user"], "inspector");
  EXPECT_EQ(mail["type"], "multipart/alternative");
  EXPECT_THAT(mail["headers"]["Subject"].get<std::string>(), HasSubstr("[FIRING] cost-increase"));
  EXPECT_EQ(
      mail["headers"]["Message-ID"],
      "<" + store::Reader(store_->path()).notifications("", 0, 1).at(0).uid + "@example.com>");
  ASSERT_EQ(mail["parts"].size(), 2U);
  EXPECT_EQ(mail["parts"][0]["type"], "text/plain");
  EXPECT_THAT(mail["parts"][0]["text"].get<std::string>(), HasSubstr("account_id=111111111111"));
  EXPECT_EQ(mail["parts"][1]["type"], "text/html");
  EXPECT_THAT(mail["parts"][1]["text"].get<std::string>(), HasSubstr("<td>111111111111</td>"));

  const auto attempt = [&](const std::function<void(core::Receiver&)>& change) {
    world_.config.receivers = {receiver};
    change(world_.config.receivers[0]);
    return test_notify(
        "mail", "http://x",
        {world_.config, world_.clock, *world_.stop, support::environment(world_.environment)});
  };
  const std::string starttls = "smtp://localhost:" + ports[2].str();
  EXPECT_TRUE(attempt([&](core::Receiver& r) { r.url = starttls; }).delivered);
  // Without the authority that signed its certificate, the server is not trusted.
  EXPECT_FALSE(attempt([](core::Receiver& r) { r.ca_file.clear(); }).delivered);
  std::ofstream(receiver.secret_file) << "wrong\n";
  const net::DeliveryResult denied = attempt([](core::Receiver&) {});
  EXPECT_FALSE(denied.delivered);
  EXPECT_THAT(denied.answer, HasSubstr("SMTP 535"));
  EXPECT_THAT(denied.answer, Not(HasSubstr("wrong")));
}

}  // namespace
}  // namespace usaged::app
