#include "web/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "core/usage.h"
#include "store/damage.h"
#include "store/disk.h"
#include "store/history.h"

namespace usaged::web {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  return fmt::format("{}", value);
}

std::string escape(std::string_view text, bool quotes) {
  std::string result;
  for (const char c : text) {
    if (c == '\\') {
      result += "\\\\";
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '"' && quotes) {
      result += "\\\"";
    } else {
      result += c;
    }
  }
  return result;
}

class Text {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name,
                   escape(help, false), name, type);
  }
  void sample(std::string_view name, const Labels& labels, double value) {
    text_ += name;
    char separator = '{';
    for (const auto& [label, content] : labels) {
      fmt::format_to(std::back_inserter(text_), "{}{}=\"{}\"", separator, label,
                     escape(content, true));
      separator = ',';
    }
    if (!labels.empty()) text_ += '}';
    fmt::format_to(std::back_inserter(text_), " {}\n", number(value));
  }
  void single(std::string_view name, std::string_view type, std::string_view help, double value) {
    family(name, type, help);
    sample(name, {}, value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

Labels labels_of(const store::LatestRow& row) {
  return {{"account_id", row.account},
          {"region", row.region},
          {"usage_type", row.type},
          {"cloud_provider", row.provider}};
}

void usage(Text& text, const std::vector<store::LatestRow>& rows) {
  // A usage in two currencies is one sample: the label set has no currency.
  std::map<core::Unit, std::map<Labels, double>> totals;
  std::map<std::string, std::map<Labels, double>> costs;
  for (const store::LatestRow& row : rows) {
    if (row.total) totals[core::unit_of(row.type)][labels_of(row)] += *row.total;
    if (row.cost) costs[core::lower(row.currency)][labels_of(row)] += *row.cost;
  }
  for (const auto& [unit, samples] : totals) {
    const std::string name = fmt::format("inspector_usage_30d_{}", core::unit_name(unit));
    text.family(name, "gauge", "Usage over the last 30 days, as AWS totals it.");
    for (const auto& [labels, value] : samples) text.sample(name, labels, value);
  }
  for (const auto& [currency, samples] : costs) {
    const bool plain = !currency.empty() &&
                       std::ranges::all_of(currency, [](char c) { return c >= 'a' && c <= 'z'; });
    const std::string name =
        fmt::format("inspector_estimated_monthly_cost_{}", plain ? currency : "unknown_currency");
    text.family(name, "gauge", "Monthly cost as AWS estimates it, undiscounted.");
    for (const auto& [labels, value] : samples) text.sample(name, labels, value);
  }
}

void configuration(Text& text, const Counters::Values& values) {
  if (!values.configured) return;
  text.single("inspector_usaged_config_last_reload_successful", "gauge",
              "1 if the configuration that was read last was taken, else 0.",
              values.configuration_error.empty() ? 1 : 0);
  text.single("inspector_usaged_config_last_reload_success_timestamp_seconds", "gauge",
              "When the configuration that is at work was read.",
              static_cast<double>(core::unix_seconds(*values.configured)));
}

void accounts(Text& text, store::Reader& reader) {
  text.family("inspector_account_info", "gauge", "Name and tags of an account; always 1.");
  for (const store::AccountRow& account : reader.accounts()) {
    Labels labels{{"account_id", account.id}, {"name", account.known.name}};
    std::set<std::string> taken;
    for (const auto& [tag, value] : account.known.tags) {
      std::string label = "tag_" + tag;
      std::ranges::replace(label, '-', '_');
      if (taken.insert(label).second) labels.emplace_back(label, value);
    }
    text.sample("inspector_account_info", labels, 1);
  }
}

void polls(Text& text, store::Reader& reader, const Counters::Values& values) {
  const std::vector<store::ScopeRow> scopes = reader.scopes();
  text.family("inspector_clock_skew_seconds", "gauge",
              "By how much AWS's clock is ahead of ours, as the last reply said.");
  for (const store::ScopeRow& scope : scopes) {
    if (scope.removed || !scope.newest.clock_skew) continue;
    text.sample("inspector_clock_skew_seconds",
                {{"target", scope.newest.target}, {"region", scope.newest.region}},
                static_cast<double>(scope.newest.clock_skew->count()));
  }
  text.family("inspector_poll_last_success_timestamp_seconds", "gauge",
              "When the newest good poll of a target and region began.");
  for (const store::ScopeRow& scope : scopes) {
    if (scope.removed || !scope.newest_good) continue;
    text.sample("inspector_poll_last_success_timestamp_seconds",
                {{"target", scope.newest.target}, {"region", scope.newest.region}},
                static_cast<double>(core::unix_seconds(scope.newest_good->started)));
  }
  text.family("inspector_poll_consecutive_failures", "gauge", "Failed polls in a row up to now.");
  for (const store::ScopeRow& scope : scopes) {
    if (scope.removed) continue;
    text.sample("inspector_poll_consecutive_failures",
                {{"target", scope.newest.target}, {"region", scope.newest.region}}, scope.failures);
  }
  text.family("inspector_polls_total", "counter", "Polls that ended, by how.");
  for (const auto& [outcome, count] : values.polls) {
    text.sample("inspector_polls_total", {{"outcome", outcome}}, static_cast<double>(count));
  }
  const char* name = "inspector_poll_duration_seconds";
  text.family(name, "histogram", "How long polls took, good and bad.");
  std::int64_t below = 0;
  for (std::size_t i = 0; i < Counters::kDurations.size(); ++i) {
    below += values.durations.at(i);
    text.sample("inspector_poll_duration_seconds_bucket",
                {{"le", number(Counters::kDurations.at(i))}}, static_cast<double>(below));
  }
  below += values.durations.back();
  text.sample("inspector_poll_duration_seconds_bucket", {{"le", "+Inf"}},
              static_cast<double>(below));
  text.sample("inspector_poll_duration_seconds_sum", {}, values.duration_sum);
  text.sample("inspector_poll_duration_seconds_count", {}, static_cast<double>(below));
}

void alerts(Text& text, store::Reader& reader, const Counters::Values& values, core::Time now) {
  constexpr int kMost = 1000000;
  const auto by_severity = [] {
    return std::map<std::string, std::int64_t>{
        {"critical", 0}, {"error", 0}, {"warning", 0}, {"info", 0}};
  };
  std::map<std::string, std::map<std::string, std::int64_t>> counts{{"firing", by_severity()},
                                                                    {"pending", by_severity()}};
  for (const store::AlertCount& one : reader.alert_counts()) {
    counts[one.state][one.severity] = one.count;
  }
  const auto write = [&](const char* name, const char* help, const std::string& state) {
    text.family(name, "gauge", help);
    for (const auto& [severity, count] : counts.at(state)) {
      text.sample(name, {{"severity", severity}}, static_cast<double>(count));
    }
  };
  write("inspector_alerts_firing", "Alerts that fire now.", "firing");
  write("inspector_alerts_pending", "Alerts that will fire if it goes on.", "pending");
  text.single("inspector_silences_active", "gauge", "Silences in force.",
              static_cast<double>(reader.silences("active", now, 0, kMost).size()));
  const std::vector<store::DeliveryCount> deliveries = reader.delivery_counts();
  for (const auto& [name, help, state] :
       {std::tuple("inspector_notifications_pending", "Messages that wait to be delivered.",
                   "pending"),
        std::tuple("inspector_notifications_dead", "Messages that were given up; see redrive.",
                   "dead")}) {
    text.family(name, "gauge", help);
    for (const store::DeliveryCount& one : deliveries) {
      if (one.state != state) continue;
      text.sample(name, {{"receiver", one.receiver}}, static_cast<double>(one.count));
    }
  }
  text.family("inspector_notifications_total", "counter",
              "Attempts to deliver, by how they ended.");
  for (const auto& [key, count] : values.notifications) {
    text.sample("inspector_notifications_total", {{"receiver", key.first}, {"outcome", key.second}},
                static_cast<double>(count));
  }
}

// The fields of /proc/self/stat after the command's name; the first is "state", field 3 of proc(5).
std::vector<std::string> process_fields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  return {std::istream_iterator<std::string>(fields), std::istream_iterator<std::string>()};
}

void process(Text& text) {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  text.single("process_cpu_seconds_total", "counter", "User and system CPU time.",
              seconds(used.ru_utime) + seconds(used.ru_stime));
  const std::vector<std::string> fields = process_fields();
  if (fields.size() > 21) {
    text.single("process_virtual_memory_bytes", "gauge", "Virtual memory.", std::stod(fields[20]));
    text.single("process_resident_memory_bytes", "gauge", "Resident memory.",
                std::stod(fields[21]) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    std::ifstream stat("/proc/stat");
    for (std::string line; std::getline(stat, line);) {
      if (!line.starts_with("btime ")) continue;
      text.single("process_start_time_seconds", "gauge", "When the process began.",
                  std::stod(line.substr(6)) +
                      std::stod(fields[19]) / static_cast<double>(sysconf(_SC_CLK_TCK)));
    }
  }
  std::error_code error;
  double open = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error)) {
    ++open;
  }
  text.single("process_open_fds", "gauge", "Open file descriptors.", open);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  text.single("process_max_fds", "gauge", "Most file descriptors.",
              static_cast<double>(limit.rlim_cur));
}

}  // namespace

void Counters::poll_ended(core::Outcome outcome, double seconds) {
  const std::lock_guard lock(mutex_);
  ++values_.polls[std::string(core::outcome_name(outcome))];
  const auto* const bound = std::ranges::lower_bound(kDurations, seconds);
  ++values_.durations.at(static_cast<std::size_t>(bound - kDurations.begin()));
  values_.duration_sum += seconds;
}

void Counters::notification_tried(const std::string& receiver, const std::string& outcome) {
  const std::lock_guard lock(mutex_);
  ++values_.notifications[{receiver, outcome}];
}

void Counters::configuration_read(core::Time at, const std::string& error) {
  const std::lock_guard lock(mutex_);
  if (error.empty()) values_.configured = at;
  values_.configuration_error = error;
}

Counters::Values Counters::values() const {
  const std::lock_guard lock(mutex_);
  return values_;
}

std::string metrics_text(store::Reader& reader, const Counters& counters, core::Time now) {
  Text text;
  const Counters::Values values = counters.values();
  usage(text, store::History(reader).latest({}, now).rows);
  accounts(text, reader);
  polls(text, reader, values);
  alerts(text, reader, values, now);
  const store::Footprint footprint = reader.footprint();
  const auto bytes = [&text](const char* name, const char* help,
                             const std::optional<std::int64_t>& count) {
    if (count) text.single(name, "gauge", help, static_cast<double>(*count));
  };
  bytes("inspector_usaged_database_bytes", "Size of the database.", footprint.bytes);
  bytes("inspector_usaged_database_wal_bytes", "Size of its write-ahead log.", footprint.wal_bytes);
  bytes("inspector_usaged_disk_free_bytes", "What may be written to the disk of the database.",
        footprint.free_bytes);
  text.single("inspector_usaged_databases_set_aside", "gauge",
              "Damaged databases that were moved aside, and are still there.",
              static_cast<double>(store::set_aside(reader.path()).size()));
  configuration(text, values);
  text.family("inspector_usaged_build_info", "gauge", "The program's version; always 1.");
  text.sample("inspector_usaged_build_info", {{"version", USAGED_VERSION}}, 1);
  process(text);
  return text.take();
}

}  // namespace usaged::web
