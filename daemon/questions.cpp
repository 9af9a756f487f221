#include <fmt/format.h>
#include <langinfo.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdio>
#include <map>
#include <memory>
#include <span>

#include "core/error.h"
#include "daemon/commands.h"
#include "web/replies.h"
#include "web/streams.h"
#include "web/table.h"
#include "web/terminal.h"

// The commands that only read: the API's questions, with its parameters as flags, on the database
// file, with or without a daemon.
namespace usaged::daemon {
namespace {

using core::Error;
using core::ErrorCode;
using web::Json;

struct Flag {
  const char* name;       // of the command line
  const char* parameter;  // of the API; "tag" stands for tag.NAME
  const char* help;
  bool repeatable;
};

constexpr std::array kFormat{
    Flag{"--format", "format", "csv (default), ndjson, or focus (FOCUS 1.2: costs by day)", false},
    Flag{"--billing-account", "billing_account",
         "Who pays, for focus; by default each account itself", false},
};
constexpr std::array kFilters{
    Flag{"--account", "account", "Account id (repeatable)", true},
    Flag{"--region", "region", "Region (repeatable)", true},
    Flag{"--type", "type", "Usage type (repeatable)", true},
    Flag{"--provider", "provider", "Cloud provider (repeatable)", true},
    Flag{"--target", "target", "Target (repeatable)", true},
    Flag{"--tag", "tag", "Accounts with this tag, as NAME=VALUE; NAME= without it (repeatable)",
         true},
};
constexpr std::array kGroupBy{
    Flag{"--group-by", "group_by",
         "account, region, type, provider, target or tag.NAME, with commas", true},
    Flag{"--top", "top", "Only the so many largest", false},
};
constexpr std::array kMonths{
    Flag{"--metric", "metric", "cost (default) or total", false},
    Flag{"--months", "months", "So many, the one that runs among them (default 3)", false},
    Flag{"--budget", "budget", "Say on which day of this month so much is passed", false},
};
constexpr std::array kGroupByOnly{kGroupBy[0]};
constexpr std::array kTimes{
    Flag{"--start", "start", "RFC 3339, Unix seconds, or like now-30d", false},
    Flag{"--end", "end", "The same; now by default", false},
};
constexpr std::array kRange{Flag{"--metric", "metric", "cost (default) or total", false}, kTimes[0],
                            kTimes[1]};
constexpr std::array kStep{
    Flag{"--step", "step", "Between points: raw, a duration like 1h, 1d or 1w, or 1mo", false}};
constexpr std::array kShowback{
    Flag{"--by", "by", "The tag of accounts to sum by, like team", false},
    Flag{"--months", "months", "So many, the one that runs among them (default 3)", false},
};
constexpr std::array kWindow{
    Flag{"--window", "window", "Duration before the end, instead of a start (default 1d)", false}};
constexpr std::array kContributors{Flag{"--contributors", "contributors",
                                        "So many series that made a change (JSON; default 3)",
                                        false}};
constexpr std::array kOneAccount{Flag{"--account", "account", "Account id (repeatable)", true}};
constexpr std::array kOutcome{
    Flag{"--target", "target", "Target", false},
    Flag{"--region", "region", "Region", false},
    Flag{"--outcome", "outcome", "How they ended, like ok or throttled", false},
};
constexpr std::array kState{Flag{"--state", "state", "Only those in this state", false}};
constexpr std::array kLimit{Flag{"--limit", "limit", "At most so many rows", false}};

using Reply = Json (*)(web::Asking);
using MakeStream = web::Stream (*)(web::Query&, core::Time, web::RowFormat);

// What one subcommand is, and was given.
struct QuestionFlags {
  Reply reply = nullptr;        // as JSON, for a table too
  MakeStream stream = nullptr;  // as rows, if there may be many
  std::map<const Flag*, std::vector<std::string>> values;
  std::string database;
  std::string id;
  bool as_json = false;
  bool as_csv = false;
};

// Every row there is: pages are for HTTP.
constexpr int kNoLimit = 2000000000;

web::Query make_query(const QuestionFlags& given) {
  web::Query query;
  for (const auto& [flag, values] : given.values) {
    for (const std::string& value : values) {
      if (std::string_view(flag->parameter) != "tag") {
        query.add(flag->parameter, value);
        continue;
      }
      const std::size_t equals = value.find('=');
      if (equals == std::string::npos || equals == 0) {
        throw Error(ErrorCode::kInvalid, "--tag: '{}' is not NAME=VALUE", value);
      }
      query.add("tag." + value.substr(0, equals), value.substr(equals + 1));
    }
  }
  return query;
}

// A database may run ahead of this machine's clock: the demo's does.
core::Time now_for(store::Reader& reader) {
  core::Time now = app::SystemClock().now();
  for (const store::ScopeRow& scope : reader.scopes()) now = std::max(now, scope.newest.started);
  return now;
}

void print_table(const char* title, const Json& rows) {
  if (!rows.empty()) fmt::print("{}{}", title, web::to_columns(web::to_table(rows)));
}

void print_status(const Json& data) {
  fmt::print("{} as of {}: {} polls, {} alerts firing, database {} ({} bytes)\n\n",
             data["state"].get<std::string>(), data["now"].get<std::string>(),
             data["polls"].get<std::int64_t>(), data["alerts_firing"].get<int>(),
             data["database"]["path"].get<std::string>(),
             data["database"]["bytes"].get<std::int64_t>());
  for (const Json& path : data["database"]["set_aside"]) {
    fmt::print(
        "{}: was damaged, and is not served any more; `inspector-usaged doctor` says more\n\n",
        path.get<std::string>());
  }
  print_table("", data["targets"]);
  print_table("\nDaemons that share this history\n", data["daemons"]);
  print_table("\nSeen by two targets, and counted once\n", data["overlaps"]);
  print_table("\nWhat the totals are, as observed\n", data["behaviour"]);
  Json failed = Json::array();
  for (const Json& refresh : data["daily"]) {
    if (!refresh["error"].is_null()) failed.push_back(refresh);
  }
  print_table("\nAsked daily, and failed\n", failed);
}

// Accounts, and below them the free trials that still run.
void print_accounts(const Json& data) {
  print_table("", data);
  Json trials = Json::array();
  for (const Json& account : data) {
    for (const Json& trial : account["trials"]) {
      if (trial["status"] != "ACTIVE") continue;
      Json row{{"account_id", account["account_id"]}, {"name", account["name"]}};
      row.update(trial);
      trials.push_back(std::move(row));
    }
  }
  print_table("\nFree trials\n", trials);
}

bool terminal_is_unicode() {
  std::setlocale(LC_CTYPE, "");  // NOLINT(concurrency-mt-unsafe): no other thread runs
  return std::string_view(nl_langinfo(CODESET)) == "UTF-8";  // NOLINT(concurrency-mt-unsafe)
}

// Lines over time: a row each, and if there is but one, its points or days too.
void print_lines(const Json& data) {
  fmt::print("{}", web::to_columns(web::line_summary(data, terminal_is_unicode())));
  if (data.size() == 1) fmt::print("\n{}", web::to_columns(web::to_table(data)));
}

// Changes, and below them what will leave the window.
void print_echo(const Json& data) {
  Json changes = data;
  for (Json& change : changes) change.erase("leaving");
  print_table("", changes);
  if (data.size() == 1) print_table("\nWill leave the window\n", data[0]["leaving"]);
}

void print_incomplete(std::int64_t good, std::int64_t expected, std::size_t gaps,
                      std::int64_t unknown) {
  fmt::print(stderr, "incomplete: {} of {} polls good, {} gaps, {} numbers that AWS left out\n",
             good, expected, gaps, unknown);
}

void print(const Json& reply, const QuestionFlags& given) {
  const bool is_status = given.reply == web::status_reply;
  const Json& data = reply["data"];
  if (given.as_json) {
    fmt::print("{}\n", web::to_text(reply, 2));
  } else if (given.as_csv) {
    fmt::print("{}", web::to_csv(web::to_table(is_status ? data["targets"] : data)));
  } else if (is_status) {
    print_status(data);
  } else if (data.empty()) {
    fmt::print(stderr, "nothing found\n");
  } else if (given.reply == web::accounts_reply) {
    print_accounts(data);
  } else if (given.reply == web::echo_reply) {
    print_echo(data);
  } else if (data[0].contains("points") || data[0].contains("days")) {
    print_lines(data);
  } else {
    fmt::print("{}", web::to_columns(web::to_table(data)));
  }
  const Json& completeness = reply["completeness"];
  if (given.as_json || completeness.is_null() || completeness["complete"].get<bool>()) return;
  print_incomplete(completeness["polls_good"].get<std::int64_t>(),
                   completeness["polls_expected"].get<std::int64_t>(), completeness["gaps"].size(),
                   completeness["unknown_values"].get<std::int64_t>());
}

void print_stream(const QuestionFlags& given, store::Reader& reader, web::Query& query,
                  core::Time now) {
  web::RowFormat format = web::RowFormat::kCsv;
  if (given.reply == nullptr) {
    const std::string name = query.choice("format", {"csv", "ndjson", "focus"});
    format = name == "csv"      ? web::RowFormat::kCsv
             : name == "ndjson" ? web::RowFormat::kNdjson
                                : web::RowFormat::kFocus;
  }
  const auto completeness = given.stream(query, now, format)(reader, write_out);
  if (!completeness || (completeness->gaps.empty() && completeness->unknown_values == 0)) return;
  if (format == web::RowFormat::kFocus) {
    fmt::print(stderr, "incomplete: {} days of series whose cost is not known are left out\n",
               completeness->unknown_values);
  } else {
    print_incomplete(completeness->good, completeness->expected, completeness->gaps.size(),
                     completeness->unknown_values);
  }
}

void answer(const Globals& globals, const QuestionFlags& given) {
  if (given.as_json && given.as_csv) {
    throw Error(ErrorCode::kInvalid, "choose one of --json and --csv");
  }
  store::Reader reader(database_of(globals, given.database));
  web::Query query = make_query(given);
  const web::Asking asking{reader, query, now_for(reader), kNoLimit};
  const bool rows = given.as_csv && !query.has("top");
  if (given.stream != nullptr && (given.reply == nullptr || rows)) {
    return print_stream(given, reader, query, asking.now);
  }
  print(given.id.empty() ? given.reply(asking) : web::alert_reply(asking, given.id), given);
}

void add(CLI::App& app, const Globals& globals, const char* name, const char* help, Reply reply,
         std::initializer_list<std::span<const Flag>> flags, MakeStream stream = nullptr) {
  CLI::App* command = app.add_subcommand(name, help);
  auto given = std::make_shared<QuestionFlags>();
  given->reply = reply;
  given->stream = stream;
  for (const std::span<const Flag> group : flags) {
    for (const Flag& flag : group) {
      CLI::Option* option = command->add_option(flag.name, given->values[&flag], flag.help);
      option->allow_extra_args(false);
      if (!flag.repeatable) option->expected(1);
    }
  }
  command->add_option("--database", given->database,
                      "Database file, instead of the configuration's");
  if (reply != nullptr) {
    command->add_flag("--json", given->as_json, "Print JSON");
    command->add_flag("--csv", given->as_csv, "Print CSV");
  }
  if (reply == web::alerts_reply) {
    command->add_option("id", given->id, "One alert, with its events");
  }
  command->callback([&globals, given] { answer(globals, *given); });
}

}  // namespace

void add_questions(CLI::App& app, const Globals& globals) {
  add(app, globals, "status", "Each target and region, and how old its newest answer is",
      web::status_reply, {});
  add(app, globals, "latest", "Usage as last seen, or sums of it", web::latest_reply,
      {kFilters, kGroupBy, kLimit});
  add(app, globals, "history", "Cost or totals over time", web::history_reply,
      {kFilters, kGroupBy, kRange, kStep}, web::history_stream);
  add(app, globals, "daily", "Usage or cost of each day, rebuilt from the sums of 30 days",
      web::daily_reply, {kFilters, kGroupByOnly, kRange});
  add(app, globals, "forecast", "Calendar months, and where the one that runs will end",
      web::forecast_reply, {kFilters, kGroupByOnly, kMonths});
  add(app, globals, "showback", "What each team (or any tag of accounts) cost, by month",
      web::showback_reply, {kFilters, kShowback});
  add(app, globals, "deltas", "What changed, largest change first", web::deltas_reply,
      {kFilters, kGroupBy, kRange, kWindow, kContributors});
  add(app, globals, "echo",
      "How much of a change is days that left the 30-day window, and what will leave it",
      web::echo_reply, {kFilters, kGroupByOnly, kRange, kWindow});
  add(app, globals, "accounts", "Every account configured or seen", web::accounts_reply,
      {kOneAccount, kLimit});
  add(app, globals, "polls", "Attempts to ask AWS, newest first", web::polls_reply,
      {kOutcome, kLimit});
  add(app, globals, "alerts", "Alerts, newest first", web::alerts_reply, {kState, kLimit});
  add(app, globals, "notifications", "Messages to receivers, newest first",
      web::notifications_reply, {kState, kLimit});
  add(app, globals, "silences", "Silences, newest first", web::silences_reply, {kState, kLimit});
  add(app, globals, "export", "Every stored number, for `import` or a spreadsheet", nullptr,
      {kFilters, kTimes, kFormat}, web::export_stream);
}

}  // namespace usaged::daemon
