#include "core/config.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "support/temp_folder.h"

namespace usaged::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Config parse(const std::string& text) { return parse_config("a.yaml", text, "."); }

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kConfig);
    return e.what();
  }
  return "no error";
}

TEST(Config, AnEmptyFileIsTheDefaults) {
  EXPECT_EQ(parse(""), Config{});
  EXPECT_EQ(parse("# only a comment\n"), Config{});
}

TEST(Config, ReadsEveryKey) {
  const Config config = parse(R"(
database: /tmp/x.db
log: {level: debug, format: json}
http: {address: "::1", port: 0, allowed_hosts: [Usage.example.com], external_url: "https://u.example.com", max_requests: 3, anonymous: read,
       tokens: [{name: ops, scope: write, sha256: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}]}
collection: {interval: 30m, concurrency: 2, concurrency_per_target: 1, request_timeout: 5s, poll_timeout: 1m}
accounts:
  - {id: "012345678901", name: Payments, tags: {team: red, owner: ann}}
targets:
  - name: prod
    regions: [eu-central-1, us-east-1]
    accounts: ["012345678901", "123456789012"]
    credentials: {profile: audit, role_arn: "arn:aws:iam::{account}:role/x/Read", external_id: "a:b",
      session_name: usage@example, duration: 12h}
    organizations: true
    free_trials: false
    interval: 6h
    endpoint: http://127.0.0.1:9
  - {name: other, regions: eu-west-1, accounts: all}
  - {name: china, regions: all, partition: aws-cn, dual_stack: true}
  - {name: fips, regions: [us-gov-east-1], fips: true}
rules:
  - {name: r, severity: critical, metric: total, group_by: [type, tag.team], window: 2d, increase_percent: 5,
     increase_amount: 0, for: 1, recovery: 0.5, accounts: ["012345678901"], regions: [eu-west-1], types: [X]}
receivers:
  - {name: hook, url: "https://hook.example.com/x", secret_file: /etc/secret}
)");
  EXPECT_EQ(config.http.allowed_hosts, std::vector<std::string>{"usage.example.com"});
  ASSERT_EQ(config.http.tokens.size(), 1U);
  EXPECT_EQ(config.http.tokens[0], (Token{"ops", Access::kWrite, std::string(64, 'a')}));
  EXPECT_EQ(config.http.anonymous, Access::kRead);
  EXPECT_EQ(config.collection.interval, Seconds{1800});
  EXPECT_EQ(config.accounts.at("012345678901").tags.at("owner"), "ann");
  ASSERT_EQ(config.targets.size(), 4U);
  EXPECT_EQ(config.targets[0].credentials.role_arn_for("123456789012"),
            "arn:aws:iam::123456789012:role/x/Read");
  EXPECT_TRUE(config.targets[0].credentials.per_account());
  EXPECT_EQ(config.targets[0].credentials.external_id, "a:b");
  EXPECT_EQ(config.targets[0].credentials.duration, 12 * kHour);
  EXPECT_TRUE(config.targets[0].organizations);
  EXPECT_FALSE(config.targets[0].free_trials);
  EXPECT_THAT(config.targets[2].regions, ElementsAre("cn-north-1", "cn-northwest-1"));
  EXPECT_EQ(config.targets[2].dual_stack, true);
  EXPECT_EQ(config.targets[2].fips, std::nullopt);
  EXPECT_EQ(config.targets[3].fips, true);
  EXPECT_THAT(config.targets[0].accounts, ElementsAre("012345678901", "123456789012"));
  EXPECT_EQ(config.targets[0].credentials.profile, "audit");
  EXPECT_EQ(interval_of(config, config.targets[0]), Seconds{6 * 3600});
  EXPECT_EQ(interval_of(config, config.targets[1]), Seconds{1800});
  EXPECT_TRUE(config.targets[1].accounts.empty());
  ASSERT_EQ(config.rules.size(), 1U);
  EXPECT_EQ(config.rules[0].for_polls, 1);
  EXPECT_EQ(config.rules[0].metric, Metric::kTotal);
  EXPECT_EQ(config.receivers[0].secret_file, "/etc/secret");
}

struct Bad {
  const char* text;
  const char* message;
};

const std::vector<Bad> kBad{
    Bad{"databse: x", "a.yaml:1:1: databse: "},
    Bad{"databse: x", "did you mean 'database'?"},
    Bad{"database: x\ndatabase: y", "a.yaml:2:1: database: "},
    Bad{"database: postgresql://u:secret@db/usaged", "a.yaml:1:11: database: has a password"},
    Bad{"database: postgresql://db/usaged?sslpassword=secret", "name a file that has it"},
    Bad{"log: {level: loud}", "a.yaml:1:14: log.level: 'loud' is not allowed"},
    Bad{"log: {level: wran}", "did you mean 'warn'?"},
    Bad{"log: []", "a.yaml:1:6: log: "},
    Bad{"http: {port: 65536}", "a.yaml:1:14: http.port: "},
    Bad{"http: {port: 1e3}", "http.port: "},
    Bad{"http: {address: 0.0.0.0}", "http.address: others reach it: that takes `tls` and `tokens`"},
    Bad{"http: {address: '::'}", "others reach it"},
    Bad{"http: {address: example.com}", "'example.com' is not an address"},
    Bad{"http: {address: 0.0.0.0, tls: {certificate: a, key: b}}", "others reach it"},
    Bad{"http: {address: 0.0.0.0, tokens: [{name: a, sha256: "
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}]}",
        "others reach it"},
    Bad{"http: {address: 0.0.0.0, anonymous: read, tls: {certificate: a, key: b}, tokens: [{name: "
        "a, "
        "sha256: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}]}",
        "others reach it"},
    Bad{"http: {tls: {certificate: a}}", "http.tls.key: is missing"},
    Bad{"http: {peers: [{user: no-such-user}]}", "there is no user 'no-such-user'"},
    Bad{"http: {anonymous: all}",
        "http.anonymous: 'all' is not allowed; allowed: none, read, write"},
    Bad{"http: {tokens: [{name: a}]}", "http.tokens[0]"},
    Bad{"http: {tokens: [{name: a, sha256: secret}]}", "must be 64 hexadecimal digits"},
    Bad{"http: {tokens: [{name: a, scope: none, sha256: "
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}]}",
        "allowed: read, write"},
    Bad{"http: {tokens: [{name: a, sha256: "
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}, {name: a, sha256: "
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}]}",
        "another token"},
    Bad{"collection: {interval: 59s}", "59s is out of range: from 1m to 1d"},
    Bad{"collection: {interval: 2d}", "2d is out of range"},
    Bad{"collection: {interval: hourly}", "a.yaml:1:24: collection.interval: "},
    Bad{"targets: [{name: a, regions: [eu-centra-1]}]",
        "targets[0].regions[0]: 'eu-centra-1' is not a region with Amazon Inspector; did you "
        "mean 'eu-central-1'?"},
    Bad{"targets: [{name: a, regions: [xx-moon-1]}]", "not a region"},
    Bad{"targets: [{name: a, regions: []}]", "targets[0].regions: is empty"},
    Bad{"targets: [{name: a}]", "targets[0].regions: "},
    Bad{"targets: [{regions: [eu-west-1]}]", "targets[0].name: "},
    Bad{"targets: [{name: a, regions: [eu-west-1], accounts: [12345]}]",
        "'12345' is not an account id: 12 digits"},
    Bad{"targets: [{name: a, regions: [eu-west-1], accounts: [1234567890123]}]",
        "not an account id"},
    Bad{"targets: [{name: a, regions: [eu-west-1], accounts: some}]", "write all, a list"},
    Bad{"targets: [{name: a, regions: [eu-west-1, eu-west-1]}]", "'eu-west-1' is there twice"},
    Bad{"targets: [{name: a, regions: [eu-west-1], endpoint: 'ftp://x'}]", "not a URL"},
    Bad{"targets: [{name: a, regions: [eu-west-1], endpoint: 'http://u:p@x'}]", "not a URL"},
    Bad{"targets: [{name: a, regions: al}]", "'al' is not a region"},
    Bad{"targets: [{name: a, regions: all, partition: aws-china}]", "did you mean 'aws-cn'?"},
    Bad{"targets: [{name: a, regions: [eu-west-1, cn-north-1]}]",
        "targets[0].regions: cn-north-1 is in partition aws-cn, not in aws"},
    Bad{"targets: [{name: a, regions: [eu-west-1], partition: aws-us-gov}]",
        "eu-west-1 is in partition aws, not in aws-us-gov"},
    Bad{"targets: [{name: a, regions: [us-east-1, eu-west-1], fips: true}]",
        "targets[0].fips: eu-west-1 has no FIPS endpoint; there is one in us-east-1, "},
    Bad{"targets: [{name: a, regions: all, fips: true}]", "af-south-1 has no FIPS endpoint"},
    Bad{"targets: [{name: a, regions: [us-east-1], fips: true, endpoint: 'http://x'}]",
        "targets[0].fips: can't be had with an `endpoint` of your own"},
    Bad{"targets: [{name: a, regions: [us-east-1], dual_stack: true, endpoint: 'http://x'}]",
        "targets[0].dual_stack: can't be had"},
    Bad{"targets: [{name: a, regions: [us-east-1], fips: maybe}]", "neither true nor false"},
    Bad{"targets: [{name: a, regions: [eu-west-1], credentials: {role_arn: audit}}]",
        "'audit' is not a role's ARN"},
    Bad{"targets: [{name: a, regions: [eu-west-1], credentials: {role_arn: "
        "'arn:aws:iam::12345678901:role/x'}}]",
        "is not a role's ARN"},
    Bad{"targets: [{name: a, regions: [eu-west-1], credentials: {role_arn: "
        "'arn:aws:iam::123456789012:user/x'}}]",
        "is not a role's ARN"},
    Bad{"targets: [{name: a, regions: [eu-west-1], credentials: {role_arn: "
        "'arn:aws-cn:iam::123456789012:role/x'}}]",
        "is a role of partition aws-cn, but eu-west-1 is in aws"},
    Bad{"targets: [{name: a, regions: [eu-west-1], credentials: {role_arn: "
        "'arn:aws:iam::{account}:role/x'}}]",
        "`accounts` must list them, or `organizations: true` find them"},
    Bad{"targets: [{name: a, regions: [eu-west-1], credentials: {external_id: abc}}]",
        "targets[0].credentials.external_id: means nothing without a role_arn"},
    Bad{"targets: [{name: a, regions: [eu-west-1], credentials: {role_arn: "
        "'arn:aws:iam::123456789012:role/x', duration: 14m}}]",
        "14m is out of range: from 15m to 12h"},
    Bad{"targets: [{name: a, regions: [eu-west-1], credentials: {role_arn: "
        "'arn:aws:iam::123456789012:role/x', session_name: 'a b'}}]",
        "targets[0].credentials.session_name: must be 2 to 64 letters"},
    Bad{"targets: [{name: a, regions: [eu-west-1]}, {name: a, regions: [eu-west-1]}]",
        "another target has the name 'a' already"},
    Bad{"targets: [{name: a, regions: [eu-west-1], accounts: {file: /no/such/file}}]",
        "/no/such/file"},
    Bad{"rules: [{name: a, metric: total, group_by: [account]}]",
        "totals of different types are not added"},
    Bad{"rules: [{name: a, increase_percent: .nan}]", "rules[0].increase_percent: "},
    Bad{"rules: [{name: a, kind: spikes}]", "did you mean 'spike'?"},
    Bad{"rules: [{name: a, kind: threshold}]", "rules[0].limit: "},
    Bad{"rules: [{name: a, kind: spike, limit: 5}]", "means nothing for kind: spike"},
    Bad{"rules: [{name: a, kind: spike, window: 2d}]", "is always 1d for a spike"},
    Bad{"rules: [{name: a, kind: stale, group_by: [account]}]", "rules[0].group_by: "},
    Bad{"rules: [{name: a, labels: {severity: x}}]", "rules[0].labels.severity: "},
    Bad{"rules: [{name: a, labels: {0a: x}}]", "rules[0].labels.0a: "},
    Bad{"rules: [{name: a, annotations: {summary: '{{ acount_id }}'}}]",
        "did you mean 'account_id'?"},
    Bad{"rules: [{name: a, receivers: [pagr]}]\nreceivers: [{name: pager, url: 'http://x'}]",
        "did you mean 'pager'?"},
    Bad{"rules: [{name: a, receivers: [beat]}]\nreceivers: [{name: beat, kind: ping, url: "
        "'http://x'}]",
        "there is no receiver 'beat'"},
    Bad{"rules: [{name: a, kind: parity, group_by: [type]}]", "rules[0].group_by: "},
    Bad{"rules: [{name: a, kind: price, group_by: [tag.team]}]", "rules[0].group_by: "},
    Bad{"rules: [{name: a, kind: spike, share: 0.9}]", "means nothing for kind: spike"},
    Bad{"receivers: [{name: a}]", "receivers[0].url: "},
    Bad{"receivers: [{name: a, kind: slak, url: 'http://x'}]", "did you mean 'slack'?"},
    Bad{"receivers: [{name: a, url: 'http://x', url_file: y}]", "receivers[0].url_file: "},
    Bad{"receivers: [{name: a, kind: pagerduty}]", "receivers[0].secret_file: "},
    Bad{"receivers: [{name: a, kind: slack, url: 'http://x', secret_file: y}]",
        "means nothing for kind: slack"},
    Bad{"receivers: [{name: a, kind: alertmanager, url: 'http://x', group_wait: 1s}]",
        "means nothing for kind: alertmanager"},
    Bad{"receivers: [{name: a, kind: email, url: 'http://x', from: a@b, to: c@d}]",
        "receivers[0].url: "},
    Bad{"receivers: [{name: a, kind: email, url: 'smtp://x', from: nobody, to: c@d}]",
        "receivers[0].from: "},
    Bad{"receivers: [{name: a, kind: email, url: 'smtp://x', from: a@b}]", "receivers[0].to: "},
    Bad{"receivers: [{name: a, kind: email, url: 'smtp://x', from: a@b, to: ['c@d\\r\\nBcc: "
        "e@f']}]",
        "receivers[0].to"},
    Bad{"receivers: [{name: a, url: 'http://x', secret_file: 'credential:../x'}]",
        "receivers[0].secret_file: "},
    Bad{"receivers: [{name: a, kind: sns}]", "receivers[0].topic_arn: "},
    Bad{"receivers: [{name: a, kind: sns, topic_arn: 'arn:aws:sqs:eu-west-1:111111111111:q'}]",
        "receivers[0].topic_arn: "},
    Bad{"receivers: [{name: a, url: 'http://x', digest_at: '25:00', digest: daily}]",
        "receivers[0].digest_at: "},
    Bad{"receivers: [{name: a, url: 'http://x', mute: [{days: [sunday]}]}]", "allowed: sun, mon"},
    Bad{"receivers: [{name: a, url: 'http://x', mute: [{from: '8:00'}]}]",
        "receivers[0].mute[0].from: "},
    Bad{"receivers: [{name: a, url: 'https://secret.example.com#x'}]", "not a URL"},
    Bad{"a: [", "a.yaml:"},
    Bad{"- a\n- b\n", "a.yaml: must be a map of keys, but is a list"}};

TEST(Config, AnErrorSaysWhereItIsAndWhatIsAllowed) {
  for (const Bad& bad : kBad) EXPECT_THAT(error_of(bad.text), HasSubstr(bad.message));
}

TEST(Config, ReportsAllErrorsOfAFileInItsOrder) {
  const std::string message = error_of("http: {port: -1}\nlog: {level: x}\nnope: 1\n");
  EXPECT_THAT(message, HasSubstr("a.yaml:1:"));
  EXPECT_THAT(message, HasSubstr("\na.yaml:2:"));
  EXPECT_THAT(message, HasSubstr("\na.yaml:3:"));
}

TEST(Config, ABadUrlIsNotRepeated) {
  EXPECT_THAT(error_of("receivers: [{name: a, url: 'https://hooks.example.com/TOKEN#'}]"),
              ::testing::Not(HasSubstr("TOKEN")));
}

TEST(AccountsFile, ReadsIdsNamesAndTags) {
  AccountDirectory directory;
  const auto ids = parse_accounts_file(
      "a.csv",
      "\xEF\xBB\xBF"
      "account_id,name,team\r\n# comment\n012345678901,\"A, \"\"B\"\"\",red\n\n123456789012,,\n",
      directory);
  EXPECT_THAT(ids, ElementsAre("012345678901", "123456789012"));
  EXPECT_EQ(directory.at("012345678901").name, "A, \"B\"");
  EXPECT_EQ(directory.at("012345678901").tags.at("team"), "red");
  EXPECT_FALSE(directory.contains("123456789012"));
}

TEST(AccountsFile, NamesEveryBadLine) {
  AccountDirectory directory;
  try {
    parse_accounts_file("a.csv", "123456789012\n12\n123456789012\n123456789013,x\n", directory);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("a.csv:2: '12' is not an account id"));
    EXPECT_THAT(e.what(), HasSubstr("a.csv:3: '123456789012' is there twice"));
    EXPECT_THAT(e.what(), HasSubstr("a.csv:4: 2 cells"));
  }
}

TEST(AccountsFile, IsFoundBesideTheConfiguration) {
  const support::TempFolder folder;
  std::filesystem::create_directory(folder.path("sub"));
  std::ofstream(folder.path("sub/ids")) << "123456789012\n";
  const Config config = parse_config(
      "a.yaml", "targets: [{name: a, regions: [eu-west-1], accounts: {file: sub/ids}}]",
      folder.path());
  EXPECT_THAT(config.targets[0].accounts, ElementsAre("123456789012"));
}

TEST(Url, AcceptsHttpAndHttpsWithAHost) {
  for (const char* good : {"http://a", "https://a.b:8443/x?y=z", "http://[::1]:80/"}) {
    EXPECT_NO_THROW(check_url(good)) << good;
  }
  for (const char* bad : {"", "http://", "a.b", "http://a:b", "http://a:65536", "http://a b",
                          "http://u@a", "https://a#f", "http://a:"}) {
    EXPECT_THROW(check_url(bad), Error) << bad;
  }
}

TEST(Config, RegionsWithoutAValueAreRefused) {
  EXPECT_THAT(error_of("targets:\n  - {name: a, regions: }\n"), HasSubstr("regions"));
}

TEST(Config, WhatYamlTakesForDocumentsWithoutEndIsRefused) {
  EXPECT_THAT(error_of(",name\n1,\"a, 1,\n"), HasSubstr("more than one YAML document"));
  EXPECT_THAT(error_of("a: 1\n---\nb: 2\n"), HasSubstr("more than one YAML document"));
}

}  // namespace
}  // namespace usaged::core
