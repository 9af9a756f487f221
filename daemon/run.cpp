#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/daemon.h"
#include "app/log.h"
#include "core/error.h"
#include "daemon/commands.h"
#include "net/credentials.h"
#include "web/replies.h"
#include "web/table.h"

// The commands that ask AWS, or get ready to: run, poll, check-config.
namespace usaged::daemon {
namespace {

using core::Error;
using core::ErrorCode;
using web::Json;

core::Config load_with_targets(const Globals& globals) {
  core::Config config = core::load_config(globals.config_path);
  if (config.targets.empty()) {
    throw Error(ErrorCode::kConfig,
                "{}: targets: there is none; name the accounts and regions to ask",
                globals.config_path);
  }
  return config;
}

int run_daemon(const Globals& globals) {
  const core::Config config = load_with_targets(globals);
  block_signals();
  const auto log = app::make_logger(config.log);
  try {
    const app::SystemClock clock;
    app::Stop stop;
    app::Daemon daemon(config, {clock, stop, *log, net::process_environment()});
    daemon.start();
    log->info("inspector-usaged {} serves {}", USAGED_VERSION, daemon.url());
    sd_notify(0, "READY=1");
    std::uint64_t watchdog_us = 0;
    const bool watched = sd_watchdog_enabled(0, &watchdog_us) > 0;
    const auto ping_every = std::max<std::uint64_t>(watchdog_us / 1000000 / 4, 1);
    std::uint64_t seconds = 0;
    wait_for_signal(stop, std::nullopt, [&] {
      ++seconds;
      if (watched && seconds % ping_every == 0 && daemon.alive()) sd_notify(0, "WATCHDOG=1");
      if (seconds % 10 == 1) sd_notify(0, ("STATUS=" + daemon.status_line()).c_str());
    });
    sd_notify(0, "STOPPING=1");
    log->info("stopping");
    daemon.join();
    return 0;
  } catch (const Error& e) {
    log->error("{}", e.what());
    return core::exit_code(e.code());
  }
}

Json result_json(const app::PollResult& result) {
  return {{"target", result.target},
          {"region", result.region},
          {"outcome", core::outcome_name(result.outcome)},
          {"accounts", result.accounts},
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
  const auto log = app::quiet_logger();
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

void check_config(const Globals& globals, bool as_json) {
  const core::Config config = core::load_config(globals.config_path);
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
    fmt::print("{}: good: {} targets, {} rules, {} receivers; {} requests an interval at least\n",
               globals.config_path, config.targets.size(), config.rules.size(),
               config.receivers.size(), pairs);
  }
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
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "Print JSON");
  command->callback([&, as_json] {
    check_config(globals, *as_json);
    exit_code = 0;
  });
}

}  // namespace usaged::daemon
