#include <fmt/format.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>

#include "app/aws.h"
#include "app/daemon.h"
#include "app/diagnosis.h"
#include "app/log.h"
#include "core/error.h"
#include "daemon/commands.h"
#include "net/endpoint.h"
#include "net/environment.h"
#include "web/replies.h"
#include "web/table.h"
#include "web/terminal.h"

// The commands that ask AWS, or get ready to: run, poll, check-config.
namespace usaged::daemon {
namespace {

using core::Error;
using core::ErrorCode;
using web::Json;

// How often `systemctl status` is told anew.
constexpr core::Seconds kStatusPause{10};

core::Config load_with_targets(const Globals& globals) {
  core::Config config = core::load_config(globals.config_path);
  if (config.targets.empty()) {
    throw Error(ErrorCode::kConfig,
                "{}: targets: there is none; name the accounts and regions to ask",
                globals.config_path);
  }
  return config;
}

// The configuration of a daemon, checked as far as it can be without asking anybody.
core::Config load_checked(const Globals& globals) {
  core::Config config = load_with_targets(globals);
  net::check_endpoints(globals.config_path, config, net::process_environment());
  return config;
}

// The sockets that the service manager listens at for us, if it does.
std::vector<int> inherited_sockets() {
  std::vector<int> sockets;
  const int count = sd_listen_fds(1);
  for (int i = 0; i < count; ++i) {
    const int fd = SD_LISTEN_FDS_START + i;
    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
      throw Error(ErrorCode::kConfig,
                  "what the service manager hands over is no stream socket; see "
                  "ListenStream= in the socket unit");
    }
    sockets.push_back(fd);
  }
  return sockets;
}

// Reads the configuration anew; what becomes of it is in the log.
void reload(app::Daemon& daemon) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
             static_cast<long long>(now.tv_sec) * 1000000 + now.tv_nsec / 1000);
  try {
    daemon.reload();
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): logged, and `status` shows it
  }
  sd_notify(0, ("READY=1\nSTATUS=" + daemon.status_line()).c_str());
}

int run_daemon(const Globals& globals) {
  const core::Config config = load_checked(globals);
  block_signals();
  app::Log log(config.log);
  try {
    const app::SystemClock clock;
    app::Stop stop;
    app::Daemon daemon(config, {clock, stop, log, net::process_environment(),
                                [&globals] { return load_checked(globals); }, inherited_sockets()});
    daemon.start();
    log.info("serves", {{"url", daemon.url()}, {"version", USAGED_VERSION}});
    sd_notify(0, "READY=1");
    std::uint64_t watchdog_us = 0;
    const bool watched = sd_watchdog_enabled(0, &watchdog_us) > 0;
    core::Seconds pause = kStatusPause;
    if (watched) {
      pause = std::clamp(core::Seconds{static_cast<std::int64_t>(watchdog_us / 1000000 / 4)},
                         core::Seconds{1}, pause);
    }
    for (int signal = 0; signal == 0 || signal == SIGHUP; signal = wait_for_signal(pause)) {
      if (signal == SIGHUP) reload(daemon);
      daemon.check();
      if (watched && daemon.alive()) sd_notify(0, "WATCHDOG=1");
      sd_notify(0, ("STATUS=" + daemon.status_line()).c_str());
    }
    stop.request();
    sd_notify(0, "STOPPING=1");
    log.info("stopping");
    daemon.join();
    return 0;
  } catch (const Error& e) {
    log.errors("can't go on", e.what());
    return core::exit_code(e.code());
  }
}

Json result_json(const app::PollResult& result) {
  return {{"target", result.target},
          {"region", result.region},
          {"outcome", core::outcome_name(result.outcome)},
          {"accounts", result.accounts},
          {"failed_accounts", result.failed_accounts},
          {"series", result.series},
          {"requests", result.requests},
          {"seconds", result.seconds},
          {"error", result.error.empty() ? Json(nullptr) : Json(result.error)}};
}

int poll(const Globals& globals, const std::vector<std::string>& targets, bool as_json) {
  const core::Config config = load_with_targets(globals);
  for (const std::string& name : targets) {
    const auto same = [&name](const core::Target& target) { return target.name == name; };
    if (std::ranges::none_of(config.targets, same)) {
      throw Error(ErrorCode::kInvalid, "--target: there is no target '{}'", name);
    }
  }
  const app::SystemClock clock;
  app::Stop stop;
  const auto log = app::Log::quiet();
  const auto results =
      app::poll_once(config, targets, {clock, stop, *log, net::process_environment()});
  Json data = Json::array();
  for (const app::PollResult& result : results) data.push_back(result_json(result));
  if (as_json) {
    fmt::print("{}\n", web::to_text({{"data", data}}, 2));
  } else {
    fmt::print("{}", web::to_columns(web::to_table(data)));
  }
  const auto good = [](const app::PollResult& r) { return r.outcome == core::Outcome::kOk; };
  return std::ranges::all_of(results, good) ? 0 : 1;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

// Every finding as a row, and every policy.
Json diagnosis_json(const std::vector<app::Finding>& findings,
                    const std::vector<app::Policy>& policies) {
  Json rows = Json::array();
  for (const app::Finding& finding : findings) {
    Json actions = Json::object();
    for (const app::Check& check : finding.checks) {
      actions[check.action] = check.error.empty() ? "allowed" : check.error;
    }
    rows.push_back({{"target", finding.target},
                    {"region", finding.region},
                    {"account_id", text_or_null(finding.account)},
                    {"provider", text_or_null(finding.provider)},
                    {"identity", text_or_null(finding.arn)},
                    {"clock_skew_seconds",
                     finding.clock_skew ? Json(finding.clock_skew->count()) : Json(nullptr)},
                    {"actions", actions},
                    {"missing_actions", finding.missing_actions()},
                    {"error", text_or_null(finding.error)}});
  }
  Json documents = Json::array();
  for (const app::Policy& policy : policies) {
    documents.push_back(
        {{"target", policy.target}, {"purpose", policy.purpose}, {"policy", policy.document}});
  }
  return {{"credentials", rows}, {"policies", documents}};
}

void print_diagnosis(const std::vector<app::Finding>& findings,
                     const std::vector<app::Policy>& policies) {
  Json rows = Json::array();
  for (const app::Finding& finding : findings) {
    Json row{{"target", finding.target}, {"region", finding.region}};
    if (!finding.account.empty()) row["account_id"] = finding.account;
    row["identity"] = text_or_null(finding.arn);
    row["provider"] = text_or_null(finding.provider);
    row["result"] = finding.good() ? "good" : "see below";
    rows.push_back(std::move(row));
  }
  fmt::print("\n{}", web::to_columns(web::to_table(rows)));
  for (const app::Finding& finding : findings) {
    const std::string place =
        fmt::format("{}/{}{}", finding.target, finding.region,
                    finding.account.empty() ? "" : ", account " + finding.account);
    if (!finding.error.empty()) fmt::print("\n{}: {}\n", place, finding.error);
    for (const app::Check& check : finding.checks) {
      if (check.error.empty() || check.error == finding.error) continue;
      fmt::print("\n{}: {} {}: {}\n", place, check.action,
                 check.denied ? "is not allowed" : "failed", check.error);
    }
  }
  for (const app::Policy& policy : policies) {
    const bool wanted = std::ranges::any_of(findings, [&](const app::Finding& finding) {
      return finding.target == policy.target && !finding.missing_actions().empty();
    });
    if (!wanted) continue;
    fmt::print("\nThe least that target {} needs, for {}:\n{}\n", policy.target, policy.purpose,
               policy.document.dump(2));
  }
}

// Asks AWS as each target; 0 if all is well.
int diagnose(const core::Config& config, bool as_json) {
  const app::SystemClock clock;
  app::Stop stop;
  app::Aws aws({config, clock, stop, net::process_environment()});
  const std::vector<app::Finding> findings = app::diagnose(config, aws);
  std::vector<app::Policy> policies;
  for (const core::Target& target : config.targets) {
    for (app::Policy& policy : app::least_policies(target)) policies.push_back(std::move(policy));
  }
  if (as_json) {
    fmt::print("{}\n", web::to_text(diagnosis_json(findings, policies), 2));
  } else {
    print_diagnosis(findings, policies);
  }
  return std::ranges::all_of(findings, &app::Finding::good) ? 0 : 1;
}

int check_config(const Globals& globals, bool online, bool as_json) {
  const core::Config config = core::load_config(globals.config_path);
  net::check_endpoints(globals.config_path, config, net::process_environment());
  if (online && as_json) return diagnose(config, true);
  std::size_t pairs = 0;
  for (const core::Target& target : config.targets) pairs += target.regions.size();
  if (as_json) {
    fmt::print("{}\n", web::to_text({{"targets", config.targets.size()},
                                     {"targets_and_regions", pairs},
                                     {"accounts", config.accounts.size()},
                                     {"rules", config.rules.size()},
                                     {"receivers", config.receivers.size()}},
                                    2));
  } else {
    fmt::print(
        "{}: good; targets: {}, rules: {}, receivers: {}; at least {} requests an interval\n",
        globals.config_path, config.targets.size(), config.rules.size(), config.receivers.size(),
        pairs);
  }
  return online ? diagnose(config, false) : 0;
}

}  // namespace

void add_run(CLI::App& app, const Globals& globals, int& exit_code) {
  CLI::App* command = app.add_subcommand("run", "Run the daemon");
  command->callback([&] { exit_code = run_daemon(globals); });
}

void add_poll(CLI::App& app, const Globals& globals, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "poll", "Ask AWS once, now, and store the answers; not while the daemon runs");
  auto targets = std::make_shared<std::vector<std::string>>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("--target", *targets, "Only this target (repeatable)")
      ->allow_extra_args(false);
  command->add_flag("--json", *as_json, "Print JSON");
  command->callback([&, targets, as_json] { exit_code = poll(globals, *targets, *as_json); });
}

void add_check_config(CLI::App& app, const Globals& globals, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("check-config", "Check the configuration; exits with 2 if it is bad");
  auto online = std::make_shared<bool>(false);
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--online", *online,
                    "Ask AWS too: who each target is, and what it may not do; exits with 1 if "
                    "something is missing");
  command->add_flag("--json", *as_json, "Print JSON");
  command->callback([&, online, as_json] { exit_code = check_config(globals, *online, *as_json); });
}

}  // namespace usaged::daemon
