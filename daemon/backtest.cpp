#include "app/backtest.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "core/error.h"
#include "daemon/commands.h"
#include "web/replies.h"
#include "web/table.h"
#include "web/terminal.h"

// What the rules would have raised: backtest.
namespace usaged::daemon {
namespace {

using core::Error;
using core::ErrorCode;
using web::Json;

struct BacktestFlags {
  std::string database;
  std::string start;
  std::string end;
  std::vector<std::string> rules;
  bool as_json = false;
};

// The configuration, or its defaults where there is none and a database is named.
core::Config config_of(const Globals& globals, const BacktestFlags& given) {
  const bool there = std::filesystem::exists(globals.config_path);
  core::Config config =
      there || given.database.empty() ? core::load_config(globals.config_path) : core::Config{};
  if (!given.database.empty()) config.database = given.database;
  if (given.rules.empty()) return config;
  for (const std::string& name : given.rules) {
    const bool known = std::ranges::any_of(
        config.rules, [&](const core::Rule& rule) { return rule.name == name; });
    if (!known) throw Error(ErrorCode::kInvalid, "--rule: there is no rule '{}'", name);
  }
  std::erase_if(config.rules, [&](const core::Rule& rule) {
    return std::ranges::find(given.rules, rule.name) == given.rules.end();
  });
  return config;
}

Json alert_json(const app::BacktestAlert& one) {
  const core::Alert& alert = one.alert;
  const auto time = [](const std::optional<core::Time>& t) {
    return t ? Json(core::format_time(*t)) : Json(nullptr);
  };
  const bool ended = alert.state == core::AlertState::kResolved;
  return {{"rule", alert.rule},
          {"labels", alert.labels},
          {"currency", alert.currency.empty() ? Json(nullptr) : Json(alert.currency)},
          {"starts_at", time(alert.starts_at)},
          {"ends_at", ended ? time(alert.ends_at) : Json(nullptr)},
          {"value", one.value},
          {"baseline", one.baseline},
          {"score", alert.score ? Json(*alert.score) : Json(nullptr)}};
}

// By rule and currency: how many, how often, how long, and how much above their baselines they were
// at their worst.
Json summary_json(const app::Backtest& result, double months) {
  struct Sum {
    int alerts = 0;
    core::Seconds lasted{0};
    double caught = 0;
  };
  std::map<std::pair<std::string, std::string>, Sum> sums;
  for (const app::BacktestAlert& one : result.alerts) {
    Sum& sum = sums[{one.alert.rule, one.alert.currency}];
    ++sum.alerts;
    sum.lasted += one.alert.ends_at.value_or(result.to) - one.alert.starts_at.value_or(result.to);
    sum.caught += std::max(0.0, one.value - one.baseline);
  }
  Json rows = Json::array();
  for (const auto& [key, sum] : sums) {
    const bool money = !key.second.empty();
    rows.push_back({{"rule", key.first},
                    {"alerts", sum.alerts},
                    {"in_30_days", sum.alerts / months},
                    {"mean_duration", core::format_duration(sum.lasted / sum.alerts)},
                    {"above_baseline", money ? Json(sum.caught) : Json(nullptr)},
                    {"currency", money ? Json(key.second) : Json(nullptr)}});
  }
  return rows;
}

void run(const Globals& globals, const BacktestFlags& given) {
  const core::Config config = config_of(globals, given);
  const core::Time now = app::SystemClock().now();
  const core::Time start = core::parse_time(given.start.empty() ? "0" : given.start, now);
  const core::Time end = core::parse_time(given.end.empty() ? "9999-12-31" : given.end, now);
  app::Log log({"error", "logfmt"});
  const app::Backtest result = app::backtest(config.database, config, start, end, log);
  Json alerts = Json::array();
  for (const app::BacktestAlert& one : result.alerts) alerts.push_back(alert_json(one));
  if (given.as_json) {
    fmt::print("{}\n", web::to_text(alerts, 2));
    return;
  }
  const double months =
      std::max(1.0, static_cast<double>((result.to - std::max(start, result.from)).count()) /
                        (30 * 86400.0));
  if (!alerts.empty()) {
    fmt::print("{}\n", web::to_columns(web::to_table(alerts)));
    fmt::print("{}\n", web::to_columns(web::to_table(summary_json(result, months))));
  }
  fmt::print(stderr, "{} alerts in {} polls from {} to {}: {:.1f} in 30 days\n",
             result.alerts.size(), result.polls, core::format_time(result.from),
             core::format_time(result.to), static_cast<double>(result.alerts.size()) / months);
}

}  // namespace

void add_backtest(CLI::App& app, const Globals& globals, int& exit_code) {
  const auto given = std::make_shared<BacktestFlags>();
  CLI::App* command = app.add_subcommand(
      "backtest", "What the rules would have raised: replays the history as if live");
  command->add_option("--rule", given->rules, "Only this rule (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--start", given->start,
                      "Judge from then on: RFC 3339, Unix seconds, or like now-30d");
  command->add_option("--end", given->end, "Replay until then");
  command->add_option("--database", given->database,
                      "Database file, instead of the configuration's");
  command->add_flag("--json", given->as_json, "Print JSON");
  command->callback([&, given] {
    run(globals, *given);
    exit_code = 0;
  });
}

}  // namespace usaged::daemon
