#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/access.h"
#include "core/time.h"
#include "core/usage.h"

namespace usaged::core {

using Tags = std::map<std::string, std::string>;

// What the operator knows of an account beside its id.
struct Account {
  std::string name;
  Tags tags;  // team, owner, any key
  bool operator==(const Account&) const = default;
};

// By account id.
using AccountDirectory = std::map<std::string, Account>;

// Who asks AWS: the credentials that the usual chain finds, or a profile names, and on top of them
// a role that is assumed.
struct Identity {
  std::string profile;   // empty: the environment first
  std::string role_arn;  // empty: none; with "{account}" in it, one role for each account
  std::string external_id;
  std::string session_name = "inspector-usaged";
  Seconds duration = kHour;  // of the role's session, 15 minutes to 12 hours
  bool operator==(const Identity&) const = default;

  bool per_account() const;
  // The ARN for one account.
  std::string role_arn_for(const std::string& account) const;
};

// One identity and what is asked with it: in each of its regions, one poll an interval.
struct Target {
  std::string name;
  std::vector<std::string> regions;  // one at least, of one partition
  // The ids to ask for; empty means all that the credentials see (`accounts: all`), or, with a role
  // for each account, all of the organization.
  std::vector<std::string> accounts;
  Identity credentials;
  bool organizations = false;       // names of accounts come from AWS Organizations
  bool free_trials = true;          // asks for the accounts' free trials, once a day
  std::optional<Seconds> interval;  // empty: collection.interval
  std::string endpoint;             // of Inspector; empty: AWS's own for the region
  std::optional<bool> fips;         // nullopt: as AWS_USE_FIPS_ENDPOINT says
  std::optional<bool> dual_stack;   // nullopt: as AWS_USE_DUALSTACK_ENDPOINT says
  bool operator==(const Target&) const = default;
};

// What a rule looks for, in each of its groups.
enum class RuleKind {
  kSpike,      // what was used in the last day is far above what is usual (core/spike.h)
  kIncrease,   // the sum of 30 days rises over `window`
  kThreshold,  // the sum is `limit` or more
  kBudget,     // the calendar month has passed `limit`, or (`forecast`) is about to
  kNew,        // it was not there a `window` ago
  kGone,       // it was there a `window` ago, and is not any more
  kTrial,      // a free trial ends within `window`
  kStale,      // a target has had no good poll of a region for a `window`
  kPrice,      // what a unit costs changes over `window`
  kDisk,       // the database's disk has no room for polls
  kDamage,     // a damaged database was moved aside, and is still there
  kParity,     // it lacks what most others of its kind have
};

std::string_view rule_kind_name(RuleKind kind);  // "spike", "increase", ...

// When to raise an alert. Which of these mean something depends on the kind; default_rule() has the
// defaults of each.
struct Rule {
  std::string name;
  RuleKind kind = RuleKind::kIncrease;
  std::string severity = "warning";
  Metric metric = Metric::kCost;
  std::vector<std::string> group_by{"account"};
  Seconds window = kDay;
  // Of an increase and a spike: by so much at once, in percent and in the currency or unit.
  double increase_percent = 20;
  double increase_amount = 10;
  double deviations = 5;  // of a spike: also so many times what days usually are off
  double limit = 0;       // of a threshold and a budget; of a trial the least monthly cost after it
  double share = 0.9;     // of a parity: what so many of the others have
  bool forecast = true;   // of a budget: what the month is projected to have, not what it has
  int for_polls = 2;      // this many polls in a row must say so before it fires
  // Resolved once it is below this share of what it takes to fire.
  double recovery = 0.8;
  Seconds keep_firing{0};  // it must have been calm for so long before it resolves
  // Only these; empty means every one.
  std::vector<std::string> accounts;
  std::vector<std::string> regions;
  std::vector<std::string> types;
  // Beside those of the group, alertname, severity and currency.
  std::map<std::string, std::string> labels;
  // Beside or instead of summary, reason and so on: templates, core/template.h.
  std::map<std::string, std::string> annotations;
  std::vector<std::string> receivers;  // whom to tell; empty means every one
  bool operator==(const Rule&) const = default;
};

// A rule of a kind, with that kind's defaults.
Rule default_rule(RuleKind kind, const std::string& name);

enum class ReceiverKind {
  kWebhook,       // Alertmanager's payload, signed (Standard Webhooks)
  kAlertmanager,  // its API v2
  kSlack,         // an incoming webhook
  kTeams,         // a workflow that takes adaptive cards
  kPagerDuty,     // Events API v2
  kEmail,         // SMTP
  kSns,           // a topic of Amazon SNS
  kPing,          // a GET after each round of polls (Healthchecks and its kin); gets no alerts
};

std::string_view receiver_kind_name(ReceiverKind kind);  // "webhook", "alertmanager", ...

// Hours of the week, in UTC, in which nothing is sent.
struct MuteWindow {
  std::set<int> days;  // 0 is Sunday; empty means every day
  Seconds from{0};     // of the day
  Seconds to = kDay;   // if not after `from`, of the next day
  bool operator==(const MuteWindow&) const = default;
};

enum class Digest { kNever, kDaily, kWeekly };

// Whom to tell of alerts, and how. Which of the addresses and secrets mean something depends on the
// kind.
struct Receiver {
  std::string name;
  ReceiverKind kind = ReceiverKind::kWebhook;
  std::string url;          // of an email: smtp://host:port or smtps://host:port
  std::string url_file;     // instead: a file that holds it, since some are secrets
  std::string secret_file;  // signs a webhook; is PagerDuty's routing key, the password of an
                            // email, the bearer token of an Alertmanager; empty: none
  std::string ca_file;      // certificate authorities in PEM; empty: the system's
  bool tls = true;          // of an email: without it, nothing is sent
  std::string username;     // of an email
  std::string from;
  std::vector<std::string> to;
  std::string topic_arn;  // of SNS
  Identity credentials;
  // Alerts with the same values of these labels go out together.
  std::vector<std::string> group_by{"alertname"};
  Seconds group_wait{30};          // from the first of them on
  Seconds repeat_interval = kDay;  // as long as they fire; 0: never
  bool send_resolved = true;
  bool alerts = true;  // false: only digests
  Digest digest = Digest::kNever;
  Seconds digest_at = 8 * kHour;  // of the day, in UTC; weekly ones go out on Mondays
  std::vector<MuteWindow> mute;
  bool operator==(const Receiver&) const = default;
};

// A file "credential:NAME" is a credential of systemd: NAME in $CREDENTIALS_DIRECTORY.
inline constexpr std::string_view kCredentialPrefix = "credential:";

// The region of an SNS topic's ARN.
std::string region_of_topic(const std::string& arn);

struct Config {
  std::string database = "/var/lib/inspector-usaged/inspector-usaged.db";

  struct Log {
    std::string level = "info";
    std::string format = "logfmt";
    bool operator==(const Log&) const = default;
  } log;

  struct Http {
    std::string address = "127.0.0.1";
    int port = 10330;    // 0: any free one
    std::string socket;  // a unix socket to listen at too; empty: none
    // Certificate and key, in PEM, as files or credentials; empty: no TLS.
    std::string tls_certificate;
    std::string tls_key;
    // Names beside localhost and the address itself that a request's Host may have.
    std::vector<std::string> allowed_hosts;
    std::string external_url;  // what links in alerts begin with; empty: http://address:port
    int max_requests = 16;     // at a time; more are told 503
    std::string access_log = "writes";  // "off", "writes" or "all"
    std::vector<Token> tokens;
    // What a request without a token may do; nullopt: anything as long as there are no tokens, else
    // nothing.
    std::optional<Access> anonymous;
    std::vector<Peer> peers;  // who may do more at the unix socket, beside root and the own user
    bool operator==(const Http&) const = default;
  } http;

  struct Collection {
    Seconds interval = kHour;
    int concurrency = 32;             // polls side by side
    int concurrency_per_target = 16;  // of which for one target
    int concurrency_per_poll = 8;     // accounts side by side, with a role for each
    Seconds request_timeout{30};
    Seconds poll_timeout{600};
    bool operator==(const Collection&) const = default;
  } collection;

  // How long things are kept; 0: for ever.
  struct Retention {
    Seconds samples = 90 * kDay;  // each poll; of what is older, the last good one of each day
    Seconds events = 400 * kDay;  // alerts, messages and silences, after their end
    bool operator==(const Retention&) const = default;
  } retention;

  std::vector<Target> targets;
  AccountDirectory accounts;
  std::vector<Rule> rules = default_rules();
  std::vector<Receiver> receivers;

  static std::vector<Rule> default_rules();
  bool operator==(const Config&) const = default;
};

// Reads a configuration. `name` stands before each error; files that it names are taken relative to
// `folder`. Throws Error(kConfig) with all errors of the file, a line each:
// "name:line:column: key: what is wrong; what is allowed".
Config parse_config(const std::string& name, const std::string& text, const std::string& folder);

// parse_config() of a file, which must exist.
Config load_config(const std::string& path);

// The interval of a target: its own, or that of the collection.
Seconds interval_of(const Config& config, const Target& target);

// Reads an accounts file: either CSV with the header `account_id,name,<tag>,...`, or one id a line.
// Empty lines and lines that begin with # are skipped. Adds what it says to `directory` and returns
// the ids in the file's order. Throws Error(kConfig) with every bad line.
std::vector<std::string> parse_accounts_file(const std::string& name, const std::string& text,
                                             AccountDirectory& directory);

// Throws Error(kInvalid) unless the text is http:// or https:// with a host and no user or
// fragment. The message leaves the text out: addresses of webhooks are secrets.
void check_url(const std::string& text);

}  // namespace usaged::core
