#include "core/config.h"

#include <arpa/inet.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "core/csv.h"
#include "core/error.h"
#include "core/region.h"
#include "core/template.h"
#include "core/text.h"
#include "core/yaml.h"

namespace usaged::core {
namespace {

constexpr Seconds kLeastInterval = kMinute;
constexpr Seconds kMostInterval = kDay;
constexpr std::string_view kAccountPlace = "{account}";

std::string one_of(const std::string& text, const std::vector<std::string>& allowed) {
  if (std::ranges::find(allowed, text) != allowed.end()) return text;
  const std::string near = nearest(text, allowed);
  throw Error(
      ErrorCode::kInvalid, "'{}' is not allowed; {}", text,
      near.empty() ? "allowed: " + join(allowed, ", ") : fmt::format("did you mean '{}'?", near));
}

Seconds duration_within(const std::string& text, Seconds least, Seconds most) {
  const Seconds value = parse_duration(text);
  if (value < least || value > most) {
    throw Error(ErrorCode::kInvalid, "{} is out of range: from {} to {}", text,
                format_duration(least), format_duration(most));
  }
  return value;
}

std::string parse_account_id(const std::string& text) {
  if (!is_account_id(text)) {
    throw Error(ErrorCode::kInvalid,
                "'{}' is not an account id: 12 digits, in quotes if it begins with 0", text);
  }
  return text;
}

std::string parse_region(const std::string& text, bool custom_endpoint) {
  if (is_known_region(text) || (custom_endpoint && is_region_shaped(text))) return text;
  const std::vector<std::string> known(known_regions().begin(), known_regions().end());
  const std::string near = nearest(text, known);
  throw Error(ErrorCode::kInvalid, "'{}' is not a region with Amazon Inspector{}", text,
              near.empty() ? ", like eu-central-1" : fmt::format("; did you mean '{}'?", near));
}

bool has_only(std::string_view text, std::string_view beside_letters_and_digits) {
  return std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           beside_letters_and_digits.find(c) != std::string_view::npos;
  });
}

// A name that is a label in metrics, logs and addresses.
std::string parse_name(const std::string& text) {
  if (text.empty() || text.size() > 64 || !has_only(text, "-_.")) {
    throw Error(ErrorCode::kInvalid,
                "'{}' is not a name: 1 to 64 letters, digits, '-', '_' and '.'", text);
  }
  return text;
}

std::string parse_tag_name(const std::string& text) {
  if (text.empty() || text.size() > 64 || !has_only(text, "-_")) {
    throw Error(ErrorCode::kInvalid, "'{}' is not a tag: 1 to 64 letters, digits, '-' and '_'",
                text);
  }
  return text;
}

// The partition of a role's ARN: arn:aws:iam::123456789012:role/path/name, where the account may be
// "{account}". The limits are those of STS's AssumeRole.
Partition parse_role_arn(const std::string& text) {
  Identity identity;
  identity.role_arn = text;
  const auto parts = split(identity.role_arn_for("000000000000"), ':');
  const bool good = parts.size() == 6 && parts[0] == "arn" && parse_partition(parts[1]) &&
                    parts[2] == "iam" && parts[3].empty() && is_account_id(parts[4]) &&
                    parts[5].starts_with("role/") && parts[5].size() > 5 && text.size() <= 2048 &&
                    has_only(parts[5], "_+=,.@-/") && !parts[5].ends_with('/');
  if (!good) {
    throw Error(ErrorCode::kInvalid,
                "'{}' is not a role's ARN, like arn:aws:iam::123456789012:role/InspectorUsageRead "
                "or arn:aws:iam::{{account}}:role/InspectorUsageRead",
                text);
  }
  return *parse_partition(parts[1]);
}

std::string parse_limited(const std::string& text, std::size_t most, std::string_view allowed) {
  if (text.size() < 2 || text.size() > most || !has_only(text, allowed)) {
    throw Error(ErrorCode::kInvalid, "must be 2 to {} letters, digits and {}", most, allowed);
  }
  return text;
}

std::string parse_dimension(const std::string& text) {
  if (text.starts_with("tag.")) {
    parse_tag_name(text.substr(4));
    return text;
  }
  static const std::vector<std::string> allowed{"account", "region", "type", "provider",
                                                "tag.NAME"};
  return one_of(text, allowed);
}

// Reads a list with `parse`, each bad item noted; a repeated item is an error.
Access parse_access(const std::string& text, const std::vector<Access>& allowed) {
  std::vector<std::string> names;
  for (const Access access : allowed) {
    if (access_name(access) == text) return access;
    names.emplace_back(access_name(access));
  }
  throw Error(ErrorCode::kInvalid, "'{}' is not allowed; allowed: {}", text, join(names, ", "));
}

template <typename Parse>
void read_list(YamlMap& map, const std::string& key, std::vector<std::string>& out, Parse parse) {
  const auto items = map.scalars(key);
  if (!items) return;
  out.clear();
  std::set<std::string> seen;
  for (const YamlScalar& item : *items) {
    map.attempt(item, [&] {
      const std::string value = parse(item.text);
      if (!seen.insert(value).second) {
        throw Error(ErrorCode::kInvalid, "'{}' is there twice", value);
      }
      out.push_back(value);
    });
  }
}

std::string resolve(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

// The number of a user of this machine.
std::uint32_t uid_of(const std::string& user) {
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr) {
    return entry.pw_uid;
  }
  std::uint32_t number = 0;
  const char* end = user.data() + user.size();
  const auto [rest, error] = std::from_chars(user.data(), end, number);
  if (error != std::errc{} || rest != end) {
    throw Error(ErrorCode::kInvalid, "there is no user '{}' on this machine", user);
  }
  return number;
}

constexpr std::array<std::pair<RuleKind, std::string_view>, 12> kRuleKinds{
    {{RuleKind::kSpike, "spike"},
     {RuleKind::kIncrease, "increase"},
     {RuleKind::kThreshold, "threshold"},
     {RuleKind::kBudget, "budget"},
     {RuleKind::kNew, "new"},
     {RuleKind::kGone, "gone"},
     {RuleKind::kTrial, "trial"},
     {RuleKind::kStale, "stale"},
     {RuleKind::kDisk, "disk"},
     {RuleKind::kDamage, "damage"},
     {RuleKind::kPrice, "price"},
     {RuleKind::kParity, "parity"}}};

constexpr std::array<std::pair<ReceiverKind, std::string_view>, 8> kReceiverKinds{
    {{ReceiverKind::kWebhook, "webhook"},
     {ReceiverKind::kAlertmanager, "alertmanager"},
     {ReceiverKind::kSlack, "slack"},
     {ReceiverKind::kTeams, "teams"},
     {ReceiverKind::kPagerDuty, "pagerduty"},
     {ReceiverKind::kEmail, "email"},
     {ReceiverKind::kSns, "sns"},
     {ReceiverKind::kPing, "ping"}}};

constexpr std::array<std::string_view, 7> kWeekdays{"sun", "mon", "tue", "wed",
                                                    "thu", "fri", "sat"};

// The name of one of a table's values, or the value of a name.
template <typename Table>
std::string_view name_in(const Table& table, typename Table::value_type::first_type value) {
  return std::ranges::find(table, value, [](const auto& one) { return one.first; })->second;
}
template <typename Table>
typename Table::value_type::first_type value_in(const Table& table, const std::string& text) {
  std::vector<std::string> names;
  for (const auto& one : table) names.emplace_back(one.second);
  const std::string known = one_of(text, names);
  return std::ranges::find(table, known, [](const auto& one) { return one.second; })->first;
}

// "08:30" of a day; up to "24:00".
Seconds parse_time_of_day(const std::string& text) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4)) {
    const int hours = (text[0] - '0') * 10 + text[1] - '0';
    const int minutes = (text[3] - '0') * 10 + text[4] - '0';
    const Seconds time = hours * kHour + minutes * kMinute;
    if (minutes < 60 && time <= kDay) return time;
  }
  throw Error(ErrorCode::kInvalid, "'{}' is not a time of day, like \"08:30\" (UTC, in quotes)",
              text);
}

// A label's name, as Prometheus has them.
std::string parse_label_name(const std::string& text) {
  const bool good = !text.empty() && text.size() <= 64 && has_only(text, "_.-") &&
                    (text.front() < '0' || text.front() > '9');
  if (!good) {
    throw Error(ErrorCode::kInvalid, "'{}' is not a label: letters, digits, '_', '-' and '.'",
                text);
  }
  return text;
}

// An address of mail, as far as it has to be looked at: the server judges the rest.
std::string parse_mailbox(const std::string& text) {
  const std::size_t at = text.find('@');
  const bool good = at != std::string::npos && at > 0 && at + 1 < text.size() &&
                    text.find('@', at + 1) == std::string::npos && text.size() < 255 &&
                    std::ranges::all_of(text, [](char c) {
                      return c > ' ' && c < 0x7f && c != '<' && c != '>' && c != ',' && c != '"';
                    });
  if (!good) throw Error(ErrorCode::kInvalid, "'{}' is not an address of mail", text);
  return text;
}

std::string parse_smtp_url(const std::string& text) {
  const std::string_view scheme = text.starts_with("smtps://") ? "smtps://" : "smtp://";
  if (!text.starts_with(scheme)) {
    throw Error(ErrorCode::kInvalid,
                "not a mail server: write smtp://host:587 (STARTTLS) or "
                "smtps://host:465");
  }
  check_url("https://" + text.substr(scheme.size()));
  return text;
}

std::string parse_topic_arn(const std::string& text) {
  const auto parts = split(text, ':');
  const bool good = parts.size() == 6 && parts[0] == "arn" && parse_partition(parts[1]) &&
                    parts[2] == "sns" && is_region_shaped(parts[3]) && is_account_id(parts[4]) &&
                    has_only(parts[5], "-_.") && !parts[5].empty() && parts[5].size() <= 256;
  if (!good) {
    throw Error(ErrorCode::kInvalid,
                "'{}' is not a topic's ARN, like arn:aws:sns:eu-central-1:123456789012:alerts",
                text);
  }
  return text;
}

// The keys of a rule that only some kinds have.
const std::map<std::string, std::set<RuleKind>>& keys_of_kinds() {
  using enum RuleKind;
  static const std::set<RuleKind> kOfUsage{kSpike, kIncrease, kThreshold, kBudget,
                                           kNew,   kGone,     kPrice,     kParity};
  static const std::map<std::string, std::set<RuleKind>> kKeys{
      {"metric", {kSpike, kIncrease, kThreshold, kBudget}},
      {"group_by", kOfUsage},
      {"types", kOfUsage},
      {"accounts", {kSpike, kIncrease, kThreshold, kBudget, kNew, kGone, kTrial, kPrice, kParity}},
      {"regions", {kSpike, kIncrease, kThreshold, kBudget, kNew, kGone, kTrial, kPrice, kParity}},
      {"window", {kSpike, kIncrease, kNew, kGone, kTrial, kStale, kPrice}},
      {"increase_percent", {kSpike, kIncrease, kPrice}},
      {"increase_amount", {kSpike, kIncrease}},
      {"deviations", {kSpike}},
      {"limit", {kThreshold, kBudget, kTrial}},
      {"forecast", {kBudget}},
      {"share", {kParity}},
      {"recovery", {kSpike, kIncrease, kThreshold, kBudget}},
  };
  return kKeys;
}

// The keys of a receiver that only some kinds have.
const std::map<std::string, std::set<ReceiverKind>>& keys_of_receivers() {
  using enum ReceiverKind;
  static const std::set<ReceiverKind> kByUrl{kWebhook,   kAlertmanager, kSlack, kTeams,
                                             kPagerDuty, kEmail,        kPing};
  // An Alertmanager groups and repeats by itself.
  static const std::set<ReceiverKind> kGrouping{kWebhook, kSlack, kTeams, kPagerDuty, kEmail, kSns};
  static const std::set<ReceiverKind> kOfAlerts{kWebhook,   kAlertmanager, kSlack, kTeams,
                                                kPagerDuty, kEmail,        kSns};
  static const std::set<ReceiverKind> kReading{kWebhook, kSlack, kTeams, kEmail, kSns};
  static const std::map<std::string, std::set<ReceiverKind>> kKeys{
      {"url", kByUrl},
      {"url_file", kByUrl},
      {"ca_file", kByUrl},
      {"secret_file", {kWebhook, kAlertmanager, kPagerDuty, kEmail}},
      {"tls", {kEmail}},
      {"username", {kEmail}},
      {"from", {kEmail}},
      {"to", {kEmail}},
      {"topic_arn", {kSns}},
      {"credentials", {kSns}},
      {"group_by", kGrouping},
      {"group_wait", kGrouping},
      {"repeat_interval", kGrouping},
      {"send_resolved", kOfAlerts},
      {"mute", kOfAlerts},
      {"alerts", kReading},
      {"digest", kReading},
      {"digest_at", kReading},
  };
  return kKeys;
}

// Whether the name of a database is a URL with a password: before the host, or as a parameter.
bool has_password(std::string_view database) {
  const std::size_t start = database.find("://");
  if (start == std::string_view::npos) return false;
  const std::size_t query = database.find('?');
  const std::string_view server = database.substr(start + 3, query - start - 3);
  const std::size_t at = server.find('@');
  return (at != std::string_view::npos && server.find(':') < at) ||
         (query != std::string_view::npos && database.find("password=", query) != database.npos);
}

class Reader {
 public:
  Reader(const std::string& name, const std::string& text, std::string folder)
      : file_(name, text), folder_(std::move(folder)) {}

  Config read() {
    YamlMap root = file_.root();
    root.read("database", config_.database, [](const std::string& text) {
      if (text.empty()) throw Error(ErrorCode::kInvalid, "is empty; write the path of a file");
      if (has_password(text)) {
        throw Error(ErrorCode::kInvalid,
                    "has a password, which others may read here; name a file that has it, as "
                    "passfile=FILE, or in PGPASSFILE (PostgreSQL, \"The Password File\")");
      }
      return text;
    });
    if (auto map = root.map("log")) read_log(*map);
    if (auto map = root.map("http")) read_http(*map);
    if (auto map = root.map("collection")) read_collection(*map);
    if (auto map = root.map("retention")) read_retention(*map);
    read_accounts(root);
    if (auto maps = root.maps("targets")) {
      for (YamlMap& map : *maps) read_target(map);
    }
    if (auto maps = root.maps("rules")) {
      config_.rules.clear();
      for (YamlMap& map : *maps) read_rule(map);
    }
    if (auto maps = root.maps("receivers")) {
      for (YamlMap& map : *maps) read_receiver(map);
    }
    check_receivers();
    root.done();
    file_.finish();
    return config_;
  }

 private:
  void read_log(YamlMap& map) {
    map.read("level", config_.log.level, [](const std::string& text) {
      return one_of(text, {"debug", "info", "warn", "error"});
    });
    map.read("format", config_.log.format, [](const std::string& text) {
      return one_of(text, {"logfmt", "json"});
    });
    map.done();
  }

  void read_http(YamlMap& map) {
    map.read("address", config_.http.address, [](const std::string& text) {
      std::array<unsigned char, sizeof(in6_addr)> parsed{};
      if (text == "localhost") return std::string("127.0.0.1");
      if (::inet_pton(AF_INET, text.c_str(), parsed.data()) != 1 &&
          ::inet_pton(AF_INET6, text.c_str(), parsed.data()) != 1) {
        throw Error(ErrorCode::kInvalid, "'{}' is not an address, like 127.0.0.1 or ::1", text);
      }
      return text;
    });
    map.read("port", config_.http.port, 0, 65535);
    read_list(map, "allowed_hosts", config_.http.allowed_hosts, [](const std::string& text) {
      const bool good = !text.empty() && text.size() < 254 &&
                        text.find_first_of(" /@?#\\\t") == std::string::npos;
      if (!good) throw Error(ErrorCode::kInvalid, "'{}' is not a host name", text);
      return lower(text);
    });
    map.read("external_url", config_.http.external_url, [](const std::string& text) {
      if (!text.empty()) check_url(text);
      return text;
    });
    map.read("max_requests", config_.http.max_requests, 1, 1000);
    map.read("access_log", config_.http.access_log, [](const std::string& text) {
      return one_of(text, {"off", "writes", "all"});
    });
    map.read("anonymous", config_.http.anonymous, [](const std::string& text) {
      return std::optional(parse_access(text, {Access::kNone, Access::kRead, Access::kWrite}));
    });
    if (auto maps = map.maps("tokens")) {
      for (YamlMap& one : *maps) read_token(one);
    }
    map.read("socket", config_.http.socket, [this](const std::string& text) {
      return text.empty() ? text : resolve(folder_, text);
    });
    if (auto maps = map.maps("peers")) {
      for (YamlMap& one : *maps) read_peer(one);
    }
    if (auto tls = map.map("tls")) {
      tls->require("certificate", "the file with the certificate, and those above it, in PEM");
      tls->require("key", "the file with its key, in PEM");
      const auto path = [this](const std::string& text) { return path_or_credential(text); };
      tls->read("certificate", config_.http.tls_certificate, path);
      tls->read("key", config_.http.tls_key, path);
      tls->done();
    }
    const bool guarded = !config_.http.tokens.empty() && !config_.http.tls_certificate.empty() &&
                         config_.http.anonymous.value_or(Access::kNone) == Access::kNone;
    if (!is_loopback(config_.http.address) && !guarded) {
      map.fail("address", "others reach it: that takes `tls` and `tokens`, and no `anonymous`");
    }
    map.done();
  }

  void read_peer(YamlMap& map) {
    Peer peer;
    map.require("user", "a user of this machine, by name or number");
    map.read("user", peer.user, [&peer](const std::string& text) {
      peer.uid = uid_of(text);
      return text;
    });
    map.read("scope", peer.scope, [](const std::string& text) {
      return parse_access(text, {Access::kRead, Access::kWrite});
    });
    map.done();
    config_.http.peers.push_back(std::move(peer));
  }

  // A path relative to the configuration, or the name of a credential.
  std::string path_or_credential(const std::string& text) {
    if (text.starts_with(kCredentialPrefix)) {
      parse_name(text.substr(kCredentialPrefix.size()));
      return text;
    }
    return text.empty() ? text : resolve(folder_, text);
  }

  void read_token(YamlMap& map) {
    Token token;
    map.require("name", "who has it");
    map.read("name", token.name, [this](const std::string& text) {
      if (std::ranges::find(config_.http.tokens, text, &Token::name) != config_.http.tokens.end()) {
        throw Error(ErrorCode::kInvalid, "another token has the name '{}' already", text);
      }
      return parse_name(text);
    });
    map.read("scope", token.scope, [](const std::string& text) {
      return parse_access(text, {Access::kRead, Access::kWrite});
    });
    map.require("sha256", "what `printf %s TOKEN | sha256sum` prints");
    map.read("sha256", token.sha256, [](const std::string& text) {
      std::string hash = lower(text);
      const bool good =
          hash.size() == 64 && hash.find_first_not_of("0123456789abcdef") == std::string::npos;
      // What is not a hash may be the token itself.
      if (!good) throw Error(ErrorCode::kInvalid, "must be 64 hexadecimal digits");
      return hash;
    });
    map.done();
    config_.http.tokens.push_back(std::move(token));
  }

  void read_collection(YamlMap& map) {
    auto& collection = config_.collection;
    map.read("interval", collection.interval, [](const std::string& text) {
      return duration_within(text, kLeastInterval, kMostInterval);
    });
    map.read("concurrency", collection.concurrency, 1, 256);
    map.read("concurrency_per_target", collection.concurrency_per_target, 1, 256);
    map.read("concurrency_per_poll", collection.concurrency_per_poll, 1, 64);
    map.read("request_timeout", collection.request_timeout, [](const std::string& text) {
      return duration_within(text, Seconds{1}, Seconds{600});
    });
    map.read("poll_timeout", collection.poll_timeout,
             [](const std::string& text) { return duration_within(text, Seconds{1}, kHour); });
    map.done();
  }

  void read_retention(YamlMap& map) {
    const auto forever_or = [](Seconds least) {
      return [least](const std::string& text) {
        return text == "0" ? Seconds{0} : duration_within(text, least, 100 * 365 * kDay);
      };
    };
    // Rules look back as far as the window of the totals, and some days more.
    map.read("samples", config_.retention.samples, forever_or(35 * kDay));
    map.read("events", config_.retention.events, forever_or(30 * kDay));
    map.done();
  }

  void read_accounts(YamlMap& root) {
    if (const auto path = root.scalar("accounts_file")) {
      root.attempt(*path, [&] {
        const std::string full = resolve(folder_, path->text);
        parse_accounts_file(full, read_file(full), config_.accounts);
      });
    }
    auto maps = root.maps("accounts");
    if (!maps) return;
    std::set<std::string> seen;
    for (YamlMap& map : *maps) {
      map.require("id", "the account id");
      std::string id;
      map.read("id", id, [&seen](const std::string& text) {
        parse_account_id(text);
        if (!seen.insert(text).second) {
          throw Error(ErrorCode::kInvalid, "'{}' is there twice", text);
        }
        return text;
      });
      Account account;
      map.read("name", account.name);
      if (auto tags = map.map("tags")) {
        for (const auto& [key, value] : tags->entries()) {
          const std::string& tag = key;
          const std::string& text = value.text;
          tags->attempt(value, [&] { account.tags[parse_tag_name(tag)] = text; });
        }
      }
      map.done();
      if (!id.empty()) config_.accounts[id] = account;
    }
  }

  void read_target(YamlMap& map) {
    Target target;
    map.require("name", "a name for this set of credentials");
    map.read("name", target.name, [this](const std::string& text) {
      const auto same = [&text](const Target& other) { return other.name == text; };
      if (std::ranges::any_of(config_.targets, same)) {
        throw Error(ErrorCode::kInvalid, "another target has the name '{}' already", text);
      }
      return parse_name(text);
    });
    map.read("endpoint", target.endpoint, [](const std::string& text) {
      if (!text.empty()) check_url(text);
      return text;
    });
    map.read("fips", target.fips);
    map.read("dual_stack", target.dual_stack);
    for (const auto& [key, wanted] : {std::pair("fips", target.fips.value_or(false)),
                                      std::pair("dual_stack", target.dual_stack.value_or(false))}) {
      if (wanted && !target.endpoint.empty()) {
        map.fail(key, "can't be had with an `endpoint` of your own; leave out one of them");
      }
    }
    read_regions(map, target);
    read_target_accounts(map, target);
    map.read("organizations", target.organizations);
    map.read("free_trials", target.free_trials);
    if (auto credentials = map.map("credentials")) read_credentials(*credentials, target);
    map.read("interval", target.interval, [](const std::string& text) {
      return std::optional(duration_within(text, kLeastInterval, kMostInterval));
    });
    map.done();
    config_.targets.push_back(std::move(target));
  }

  // `regions: all` of a partition, or a list. One partition a target: credentials are of one.
  void read_regions(YamlMap& map, Target& target) {
    std::optional<Partition> partition;
    map.read("partition", partition, [](const std::string& text) {
      return parse_partition(one_of(text, {"aws", "aws-cn", "aws-us-gov"}));
    });
    map.require("regions", "the regions to ask, like [eu-central-1, us-east-1], or all");
    const auto scalar = map.has("regions") && !map.is_list("regions") && !map.is_map("regions")
                            ? map.scalar("regions")
                            : std::nullopt;
    if (scalar && scalar->text == "all") {
      target.regions = regions_of(partition.value_or(Partition::kCommercial));
    } else {
      read_list(map, "regions", target.regions, [&target](const std::string& text) {
        return parse_region(text, !target.endpoint.empty());
      });
      if (map.is_list("regions") && map.scalars("regions")->empty()) {
        map.fail("regions", "is empty; name one region at least, or write all");
      }
    }
    if (target.regions.empty()) return;
    const Partition first = partition.value_or(partition_of(target.regions.front()));
    for (const std::string& region : target.regions) {
      if (partition_of(region) != first) {
        map.fail("regions",
                 fmt::format("{} is in partition {}, not in {}; write a target for each "
                             "partition, since credentials are good for one only",
                             region, partition_name(partition_of(region)), partition_name(first)));
        return;
      }
    }
    for (const std::string& region : target.regions) {
      if (target.fips.value_or(false) && !has_fips_endpoint(region)) {
        map.fail("fips", fmt::format("{} has no FIPS endpoint; there is one in {}", region,
                                     join(fips_regions(), ", ")));
        return;
      }
    }
  }

  void read_credentials(YamlMap& map, Target& target) {
    Identity& identity = target.credentials;
    map.read("profile", identity.profile);
    map.read("role_arn", identity.role_arn, [&target](const std::string& text) {
      if (text.empty()) return text;
      const Partition partition = parse_role_arn(text);
      if (!target.regions.empty() && partition != partition_of(target.regions.front())) {
        throw Error(ErrorCode::kInvalid, "is a role of partition {}, but {} is in {}",
                    partition_name(partition), target.regions.front(),
                    partition_name(partition_of(target.regions.front())));
      }
      return text;
    });
    map.read("external_id", identity.external_id, [](const std::string& text) {
      return text.empty() ? text : parse_limited(text, 1224, "_+=,.@:/-");
    });
    map.read("session_name", identity.session_name,
             [](const std::string& text) { return parse_limited(text, 64, "_+=,.@-"); });
    map.read("duration", identity.duration, [](const std::string& text) {
      return duration_within(text, 15 * kMinute, 12 * kHour);
    });
    for (const char* key : {"external_id", "session_name", "duration"}) {
      if (map.has(key) && !map.has("role_arn")) map.fail(key, "means nothing without a role_arn");
    }
    if (identity.per_account() && target.accounts.empty() && !target.organizations) {
      map.fail("role_arn",
               "has {account} in it, so `accounts` must list them, or `organizations: true` find "
               "them");
    }
    map.done();
  }

  // `accounts: all`, a list of ids, or {file: PATH}.
  void read_target_accounts(YamlMap& map, Target& target) {
    if (map.is_map("accounts")) {
      auto source = map.map("accounts");
      source->require("file", "the file with the account ids");
      if (const auto path = source->scalar("file")) {
        source->attempt(*path, [&] {
          const std::string full = resolve(folder_, path->text);
          target.accounts = parse_accounts_file(full, read_file(full), config_.accounts);
          if (target.accounts.empty()) {
            throw Error(ErrorCode::kInvalid, "{}: holds no account", full);
          }
        });
      }
      source->done();
    } else if (map.is_list("accounts")) {
      read_list(map, "accounts", target.accounts, parse_account_id);
      if (map.scalars("accounts")->empty()) {
        map.fail("accounts", "is empty; write 'all' for every account that the credentials see");
      }
    } else if (const auto text = map.scalar("accounts")) {
      map.attempt(*text, [&] {
        if (text->text != "all") {
          throw Error(ErrorCode::kInvalid,
                      "'{}' is not allowed; write all, a list of ids, or {{file: PATH}}",
                      text->text);
        }
      });
    }
  }

  void read_rule(YamlMap& map) {
    Rule rule;
    map.require("name", "a name for the rule");
    map.read("name", rule.name, [this](const std::string& text) {
      const auto same = [&text](const Rule& other) { return other.name == text; };
      if (std::ranges::any_of(config_.rules, same)) {
        throw Error(ErrorCode::kInvalid, "another rule has the name '{}' already", text);
      }
      return parse_name(text);
    });
    map.read("kind", rule.kind, [](const std::string& text) { return value_in(kRuleKinds, text); });
    rule = default_rule(rule.kind, rule.name);
    map.read("severity", rule.severity, [](const std::string& text) {
      return one_of(text, {"critical", "error", "warning", "info"});
    });
    map.read("metric", rule.metric, [](const std::string& text) {
      return one_of(text, {"cost", "total"}) == "cost" ? Metric::kCost : Metric::kTotal;
    });
    read_list(map, "group_by", rule.group_by, parse_dimension);
    map.read("window", rule.window,
             [](const std::string& text) { return duration_within(text, kMinute, 90 * kDay); });
    if (rule.kind == RuleKind::kSpike && rule.window != kDay) {
      map.fail("window", "is always 1d for a spike");
    }
    map.read("increase_percent", rule.increase_percent, 0, 1e6);
    map.read("increase_amount", rule.increase_amount, 0, 1e12);
    map.read("deviations", rule.deviations, 1, 1000);
    map.read("limit", rule.limit, 0, 1e12);
    map.read("forecast", rule.forecast);
    map.read("for", rule.for_polls, 1, 1000);
    map.read("recovery", rule.recovery, 0, 1);
    map.read("share", rule.share, 0.5, 1);
    map.read("keep_firing", rule.keep_firing,
             [](const std::string& text) { return duration_within(text, Seconds{0}, 30 * kDay); });
    read_texts(map, "labels", rule.labels, [](const std::string& text) {
      if (text == "alertname" || text == "severity" || text == "currency") {
        throw Error(ErrorCode::kInvalid, "is a label that each alert has anyway");
      }
      return text;
    });
    read_texts(map, "annotations", rule.annotations, [](const std::string& text) {
      check_template(text);
      return text;
    });
    read_list(map, "receivers", rule.receivers, [](const std::string& text) { return text; });
    for (const YamlScalar& named : map.scalars("receivers").value_or(std::vector<YamlScalar>{})) {
      named_receivers_.push_back(named);
    }
    read_list(map, "accounts", rule.accounts, parse_account_id);
    read_list(map, "regions", rule.regions, [](const std::string& text) { return text; });
    read_list(map, "types", rule.types, [](const std::string& text) { return text; });
    for (const auto& [key, kinds] : keys_of_kinds()) {
      if (map.has(key) && !kinds.contains(rule.kind)) {
        map.fail(key, fmt::format("means nothing for kind: {}", rule_kind_name(rule.kind)));
      }
    }
    const bool has_limit = rule.kind == RuleKind::kThreshold || rule.kind == RuleKind::kBudget;
    if (has_limit) map.require("limit", "the amount from which on it fires");
    if (rule.metric == Metric::kTotal &&
        std::ranges::find(rule.group_by, "type") == rule.group_by.end() && rule.types.size() != 1) {
      map.fail("metric",
               "totals of different types are not added; group by type, or name one in `types`");
    }
    const bool one_of_two = rule.group_by == std::vector<std::string>{"account"} ||
                            rule.group_by == std::vector<std::string>{"region"};
    const auto plain = [](const std::string& dimension) {
      return dimension == "account" || dimension == "region" || dimension == "type";
    };
    if (rule.kind == RuleKind::kPrice && !std::ranges::all_of(rule.group_by, plain)) {
      map.fail("group_by", "a price is of account, region and type, or some of them");
    }
    if (rule.kind == RuleKind::kParity && !one_of_two) {
      map.fail("group_by", "compares accounts or regions: write [account] or [region]");
    }
    map.done();
    config_.rules.push_back(std::move(rule));
  }

  void read_receiver(YamlMap& map) {
    Receiver receiver;
    map.require("name", "a name for the receiver");
    map.read("name", receiver.name, [this](const std::string& text) {
      const auto same = [&text](const Receiver& other) { return other.name == text; };
      if (std::ranges::any_of(config_.receivers, same)) {
        throw Error(ErrorCode::kInvalid, "another receiver has the name '{}' already", text);
      }
      return parse_name(text);
    });
    map.read("kind", receiver.kind,
             [](const std::string& text) { return value_in(kReceiverKinds, text); });
    using enum ReceiverKind;
    const ReceiverKind kind = receiver.kind;
    const bool mail = kind == kEmail;
    map.read("url", receiver.url, [mail](const std::string& text) {
      if (mail) return parse_smtp_url(text);
      check_url(text);
      return text;
    });
    const auto path = [this](const std::string& text) { return path_or_credential(text); };
    map.read("url_file", receiver.url_file, path);
    map.read("secret_file", receiver.secret_file, path);
    map.read("ca_file", receiver.ca_file, path);
    if (kind == kPagerDuty && receiver.url.empty()) {
      receiver.url = "https://events.pagerduty.com/v2/enqueue";
    }
    if (kind == kSns) {
      map.require("topic_arn", "the topic to publish to");
    } else if (map.has("url") && map.has("url_file")) {
      map.fail("url_file", "leave out this or `url`");
    } else if (receiver.url.empty() && receiver.url_file.empty()) {
      map.require("url", mail ? "the mail server, like smtp://mail.example.com:587"
                              : "where it is sent; or write url_file, if the address is a secret");
    }
    if (kind == kPagerDuty) map.require("secret_file", "the file with the routing key");
    map.read("tls", receiver.tls);
    map.read("username", receiver.username);
    map.read("from", receiver.from, parse_mailbox);
    read_list(map, "to", receiver.to, parse_mailbox);
    if (mail) {
      map.require("from", "the address that mails are from");
      map.require("to", "the addresses to send to");
    }
    map.read("topic_arn", receiver.topic_arn, parse_topic_arn);
    if (auto credentials = map.map("credentials")) {
      credentials->read("profile", receiver.credentials.profile);
      credentials->read("role_arn", receiver.credentials.role_arn, [](const std::string& text) {
        if (!text.empty()) parse_role_arn(text);
        return text;
      });
      credentials->read("external_id", receiver.credentials.external_id);
      credentials->done();
    }
    read_list(map, "group_by", receiver.group_by, parse_label_name);
    map.read("group_wait", receiver.group_wait,
             [](const std::string& text) { return duration_within(text, Seconds{0}, kDay); });
    map.read("repeat_interval", receiver.repeat_interval,
             [](const std::string& text) { return duration_within(text, Seconds{0}, 365 * kDay); });
    map.read("send_resolved", receiver.send_resolved);
    map.read("alerts", receiver.alerts);
    map.read("digest", receiver.digest, [](const std::string& text) {
      const std::string known = one_of(text, {"never", "daily", "weekly"});
      return known == "daily"    ? Digest::kDaily
             : known == "weekly" ? Digest::kWeekly
                                 : Digest::kNever;
    });
    map.read("digest_at", receiver.digest_at, parse_time_of_day);
    if (auto windows = map.maps("mute")) {
      for (YamlMap& window : *windows) read_mute(window, receiver);
    }
    for (const auto& [key, kinds] : keys_of_receivers()) {
      if (map.has(key) && !kinds.contains(kind)) {
        map.fail(key, fmt::format("means nothing for kind: {}", receiver_kind_name(kind)));
      }
    }
    map.done();
    config_.receivers.push_back(std::move(receiver));
  }

  void read_mute(YamlMap& map, Receiver& receiver) {
    MuteWindow window;
    std::vector<std::string> days;
    read_list(map, "days", days, [](const std::string& text) {
      return one_of(text, {kWeekdays.begin(), kWeekdays.end()});
    });
    for (const std::string& day : days) {
      window.days.insert(static_cast<int>(std::ranges::find(kWeekdays, day) - kWeekdays.begin()));
    }
    map.read("from", window.from, parse_time_of_day);
    map.read("to", window.to, parse_time_of_day);
    map.done();
    receiver.mute.push_back(std::move(window));
  }

  // A map of free keys, which are labels' names, and texts.
  template <typename Check>
  void read_texts(YamlMap& map, const std::string& key, std::map<std::string, std::string>& out,
                  Check check) {
    auto texts = map.map(key);
    if (!texts) return;
    for (const auto& entry : texts->entries()) {
      texts->attempt(entry.second, [&] {
        parse_label_name(entry.first);
        check(key == "labels" ? entry.first : entry.second.text);
        out[entry.first] = entry.second.text;
      });
    }
  }

  // Rules may name receivers that stand below them.
  void check_receivers() {
    std::vector<std::string> names;
    for (const Receiver& receiver : config_.receivers) {
      if (receiver.kind != ReceiverKind::kPing) names.push_back(receiver.name);
    }
    for (const YamlScalar& named : named_receivers_) {
      if (std::ranges::find(names, named.text) != names.end()) continue;
      const std::string near = nearest(named.text, names);
      file_.fail(named.mark, named.path,
                 fmt::format("there is no receiver '{}'{}", named.text,
                             near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
    }
  }

  YamlFile file_;
  std::string folder_;
  Config config_;
  std::vector<YamlScalar> named_receivers_;
};

}  // namespace

bool Identity::per_account() const { return role_arn.find(kAccountPlace) != std::string::npos; }

std::string Identity::role_arn_for(const std::string& account) const {
  std::string arn = role_arn;
  for (std::size_t at = 0; (at = arn.find(kAccountPlace, at)) != std::string::npos;) {
    arn.replace(at, kAccountPlace.size(), account);
    at += account.size();
  }
  return arn;
}

std::string_view rule_kind_name(RuleKind kind) { return name_in(kRuleKinds, kind); }

std::string_view receiver_kind_name(ReceiverKind kind) { return name_in(kReceiverKinds, kind); }

std::string region_of_topic(const std::string& arn) { return split(arn, ':').at(3); }

Rule default_rule(RuleKind kind, const std::string& name) {
  Rule rule;
  rule.name = name;
  rule.kind = kind;
  if (kind == RuleKind::kIncrease) return rule;
  rule.for_polls = 1;
  switch (kind) {
    case RuleKind::kIncrease:
      break;
    case RuleKind::kSpike:
      rule.increase_percent = 50;
      rule.increase_amount = 5;
      rule.recovery = 0.5;
      rule.keep_firing = 6 * kHour;  // the hours of a spike are not even
      break;
    case RuleKind::kThreshold:
    case RuleKind::kBudget:
      rule.recovery = 0.95;
      break;
    case RuleKind::kNew:
    case RuleKind::kGone:
      rule.severity = "info";
      break;
    case RuleKind::kTrial:
      rule.severity = "info";
      rule.window = 7 * kDay;
      break;
    case RuleKind::kStale:
      rule.severity = "error";
      rule.window = 6 * kHour;
      break;
    case RuleKind::kDisk:
    case RuleKind::kDamage:
      rule.severity = "critical";
      break;
    case RuleKind::kPrice:
      rule.severity = "info";
      rule.group_by = {"region", "type"};
      rule.increase_percent = 2;
      break;
    case RuleKind::kParity:
      rule.severity = "info";
      break;
  }
  return rule;
}

std::vector<Rule> Config::default_rules() {
  return {default_rule(RuleKind::kSpike, "cost-spike"),
          default_rule(RuleKind::kStale, "collection-stale"),
          default_rule(RuleKind::kDisk, "disk-full"),
          default_rule(RuleKind::kDamage, "database-damaged")};
}

Seconds interval_of(const Config& config, const Target& target) {
  return target.interval.value_or(config.collection.interval);
}

Config parse_config(const std::string& name, const std::string& text, const std::string& folder) {
  return Reader(name, text, folder).read();
}

Config load_config(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return parse_config(path, read_file(path, 16U << 20U), folder.empty() ? "." : folder);
}

std::vector<std::string> parse_accounts_file(const std::string& name, const std::string& text,
                                             AccountDirectory& directory) {
  std::vector<std::string> ids;
  std::set<std::string> seen;
  std::vector<std::string> header;
  std::vector<std::string> problems;
  int number = 0;
  for (const std::string& raw : split(text, '\n')) {
    ++number;
    const std::string_view line =
        trim(number == 1 && raw.starts_with("\xEF\xBB\xBF") ? std::string_view(raw).substr(3)
                                                            : std::string_view(raw));
    if (line.empty() || line.front() == '#') continue;
    try {
      const std::vector<std::string> cells = csv_cells(line);
      if (header.empty() && ids.empty() && cells.front() == "account_id") {
        header = cells;
        for (std::size_t i = 1; i < header.size(); ++i) parse_tag_name(header[i]);
        continue;
      }
      if (cells.size() > std::max<std::size_t>(header.size(), 1)) {
        throw Error(ErrorCode::kInvalid, "{} cells, but the header has {}", cells.size(),
                    std::max<std::size_t>(header.size(), 1));
      }
      const std::string id = parse_account_id(cells.front());
      if (!seen.insert(id).second) throw Error(ErrorCode::kInvalid, "'{}' is there twice", id);
      ids.push_back(id);
      Account& account = directory[id];
      for (std::size_t i = 1; i < cells.size(); ++i) {
        if (cells[i].empty()) continue;
        if (header[i] == "name") {
          account.name = cells[i];
        } else {
          account.tags[header[i]] = cells[i];
        }
      }
      if (account == Account{}) directory.erase(id);
    } catch (const Error& e) {
      problems.push_back(fmt::format("{}:{}: {}", name, number, e.what()));
      if (problems.size() == 20) {
        problems.push_back(fmt::format("{}: and maybe more", name));
        break;
      }
    }
  }
  if (!problems.empty()) throw Error(ErrorCode::kConfig, join(problems, "\n"));
  return ids;
}

void check_url(const std::string& text) {
  const std::size_t scheme = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  const std::string rest = text.substr(scheme);
  const std::string authority = rest.substr(0, rest.find('/'));
  const std::string host = authority.starts_with('[') ? authority.substr(0, authority.find(']') + 1)
                                                      : authority.substr(0, authority.find(':'));
  const std::string port = authority.substr(host.size());
  const bool good_port =
      port.empty() ||
      (port.size() > 1 && port.size() <= 6 && port.front() == ':' &&
       std::ranges::all_of(port.substr(1), [](char c) { return c >= '0' && c <= '9'; }) &&
       std::stoi(port.substr(1)) <= 65535);
  const bool good_text = std::ranges::all_of(
      text, [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '<' && c != '>'; });
  if (scheme == 0 || host.empty() || !good_port || !good_text ||
      authority.find('@') != std::string::npos || rest.find('#') != std::string::npos) {
    throw Error(ErrorCode::kInvalid,
                "not a URL: write http:// or https://, a host, and no user or fragment");
  }
}

}  // namespace usaged::core
