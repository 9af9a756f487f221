// The commands that change what is stored of alerts: through the daemon while it runs, else by
// themselves.
#include "web/actions.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/daemon.h"
#include "app/notifier.h"
#include "core/error.h"
#include "core/text.h"
#include "daemon/commands.h"
#include "net/environment.h"
#include "net/http.h"
#include "store/store.h"
#include "web/table.h"
#include "web/terminal.h"

namespace usaged::daemon {
namespace {

using core::Error;
using core::ErrorCode;
using Json = web::Json;

constexpr const char* kTokenVariable = "INSPECTOR_USAGED_TOKEN";

struct ActionFlags {
  std::string database;
  std::string url;
  std::vector<std::string> matchers;
  std::string duration = "2h";
  std::string end;
  std::string start;
  std::string by;
  std::string comment;
  std::vector<std::int64_t> ids;
  std::string receiver;
  bool as_json = false;
};

std::string user_name() {
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return entry.pw_name;
  }
  return fmt::format("uid {}", getuid());
}

std::string default_url(const Globals& globals) {
  return app::local_url(core::load_config(globals.config_path).http);
}

// Asks the daemon. Throws what it answers, if that is a problem.
Json ask_daemon(const std::string& url, const std::string& method, const std::string& path,
                const std::string& body) {
  net::CurlClient http(nullptr, "inspector-usaged");
  net::HttpRequest request = net::local_request(url, path);
  request.method = method;
  request.body = body;
  if (method == "POST") request.headers = {{"Content-Type", "application/json"}};
  const auto token = net::process_environment()(kTokenVariable);
  if (token) request.headers.emplace_back("Authorization", "Bearer " + *token);
  const net::HttpReply reply = http.send(request);
  if (reply.failure) {
    throw Error(ErrorCode::kUnavailable,
                "the daemon writes this database, and could not be asked at {}: {}; --url says "
                "where it is",
                url, reply.failure_text);
  }
  Json answer = Json::parse(reply.body, nullptr, false);
  if (reply.status >= 300) {
    const std::string detail =
        answer.is_object() ? answer.value("detail", "") : fmt::format("HTTP {}", reply.status);
    if (reply.status == 401) {
      throw Error(ErrorCode::kRemote, "{} ({} holds it)", detail, kTokenVariable);
    }
    throw Error(reply.status == 404   ? ErrorCode::kNotFound
                : reply.status == 400 ? ErrorCode::kInvalid
                                      : ErrorCode::kRemote,
                detail);
  }
  return answer;
}

// Does it with the database if nobody else writes that, else lets the daemon do it.
Json act(const Globals& globals, const ActionFlags& given, const std::string& method,
         const std::string& path, const std::string& body,
         const std::function<Json(const web::Actors&, core::Time)>& action) {
  if (given.url.empty()) {
    const std::string database = database_of(globals, given.database);
    if (!store::is_postgres(database) && !std::filesystem::exists(database)) {
      throw Error(ErrorCode::kNotFound, "{}: there is no such database", database);
    }
    try {
      store::Store store(database);
      return action({&store, [] {}, nullptr}, app::SystemClock().now());
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kConflict || !given.database.empty()) throw;
    }
  }
  return ask_daemon(given.url.empty() ? default_url(globals) : given.url, method, path, body);
}

void print(const ActionFlags& given, const Json& answer) {
  if (given.as_json) {
    fmt::print("{}\n", web::to_text(answer, 2));
    return;
  }
  const Json& data = answer["data"];
  fmt::print("{}", web::to_columns(web::to_table(data.is_array() ? data : Json::array({data}))));
}

void add_silence(const Globals& globals, const ActionFlags& given) {
  Json body{{"matchers", given.matchers},
            {"created_by", given.by.empty() ? user_name() : given.by},
            {"comment", given.comment}};
  if (given.end.empty()) {
    body["duration"] = given.duration;
  } else {
    body["ends_at"] = given.end;
  }
  if (!given.start.empty()) body["starts_at"] = given.start;
  const std::string text = web::to_text(body);
  print(given, act(globals, given, "POST", "/api/v1/silences", text,
                   [&](const web::Actors& actors, core::Time now) {
                     return web::add_silence(actors, text, now);
                   }));
}

void end_silences(const Globals& globals, const ActionFlags& given) {
  Json all{{"data", Json::array()}};
  for (const std::int64_t id : given.ids) {
    const std::string number = std::to_string(id);
    all["data"].push_back(act(globals, given, "DELETE", "/api/v1/silences/" + number, "",
                              [&](const web::Actors& actors, core::Time now) {
                                return web::end_silence(actors, number, now);
                              })["data"]);
  }
  print(given, all);
}

void acknowledge(const Globals& globals, const ActionFlags& given) {
  const std::string number = std::to_string(given.ids.front());
  const std::string text =
      web::to_text({{"by", given.by.empty() ? user_name() : given.by}, {"comment", given.comment}});
  print(given, act(globals, given, "POST", "/api/v1/alerts/" + number + "/ack", text,
                   [&](const web::Actors& actors, core::Time now) {
                     return web::acknowledge(actors, number, text, now);
                   }));
}

void redrive(const Globals& globals, const ActionFlags& given) {
  Json body = Json::object();
  if (!given.ids.empty()) body["id"] = given.ids.front();
  if (!given.receiver.empty()) body["receiver"] = given.receiver;
  const std::string text = web::to_text(body);
  print(given, act(globals, given, "POST", "/api/v1/notifications/redrive", text,
                   [&](const web::Actors& actors, core::Time now) {
                     return web::redrive(actors, text, now);
                   }));
}

int test_notify(const Globals& globals, const ActionFlags& given) {
  const core::Config config = core::load_config(globals.config_path);
  const app::SystemClock clock;
  app::Stop stop;
  const std::string external = app::external_url(config.http, default_url(globals));
  const net::DeliveryResult result =
      app::test_notify(given.receiver, external, {config, clock, stop, net::process_environment()});
  if (given.as_json) {
    fmt::print("{}\n", web::to_text({{"receiver", given.receiver},
                                     {"delivered", result.delivered},
                                     {"answer", result.answer},
                                     {"retried", !result.delivered && result.retry}},
                                    2));
  } else {
    fmt::print("{}: {}: {}\n", given.receiver, result.delivered ? "delivered" : "not delivered",
               result.answer);
  }
  return result.delivered ? 0 : 1;
}

void add_common(CLI::App& command, const std::shared_ptr<ActionFlags>& given) {
  command.add_option("--database", given->database,
                     "Database file, instead of the configuration's");
  command.add_option("--url", given->url,
                     "Where the daemon is, or unix:PATH, instead of where the configuration says");
  command.add_flag("--json", given->as_json, "Print JSON");
}

}  // namespace

void add_actions(CLI::App& app, const Globals& globals, int& exit_code) {
  const auto given = std::make_shared<ActionFlags>();

  CLI::App* silence = app.add_subcommand("silence", "Keep alerts quiet for a time, or end that");
  silence->require_subcommand(1);
  CLI::App* add = silence->add_subcommand(
      "add",
      "Tell nobody of alerts whose labels meet every MATCHER: account_id=123456789012, "
      "severity!=critical, region=~eu-.*, alertname!~cost.*");
  add->add_option("matcher", given->matchers, "Conditions on labels")->required();
  add->add_option("--duration", given->duration, "How long, from the start on")
      ->capture_default_str();
  add->add_option("--end", given->end, "Until when, instead of --duration");
  add->add_option("--start", given->start, "From when on; now if not given");
  add->add_option("--author", given->by, "Who; the name of the user if not given");
  add->add_option("--comment", given->comment, "Why")->required();
  add_common(*add, given);
  add->callback([&globals, given] { add_silence(globals, *given); });
  CLI::App* expire = silence->add_subcommand("expire", "End silences now");
  expire->add_option("id", given->ids, "Their ids, as `silences` shows them")->required();
  add_common(*expire, given);
  expire->callback([&globals, given] { end_silences(globals, *given); });

  CLI::App* ack = app.add_subcommand(
      "ack", "Say that somebody looks after an alert: it is not told again until it has resolved");
  ack->add_option("id", given->ids, "The alert's id, as `alerts` shows it")
      ->required()
      ->expected(1);
  ack->add_option("--author", given->by, "Who; the name of the user if not given");
  ack->add_option("--comment", given->comment, "What is done about it");
  add_common(*ack, given);
  ack->callback([&globals, given] { acknowledge(globals, *given); });

  CLI::App* redrive_command = app.add_subcommand(
      "redrive",
      "Try dead messages again, from now on for another day: one, those of a receiver, "
      "or all");
  redrive_command->add_option("id", given->ids, "A message's id, as `notifications` shows it")
      ->expected(0, 1);
  redrive_command->add_option("--receiver", given->receiver, "Those of this receiver");
  add_common(*redrive_command, given);
  redrive_command->callback([&globals, given] { redrive(globals, *given); });

  CLI::App* test =
      app.add_subcommand("test-notify", "Send a sample to a receiver, and print what came back");
  test->add_option("receiver", given->receiver, "Its name in the configuration")->required();
  test->add_flag("--json", given->as_json, "Print JSON");
  test->callback([&globals, &exit_code, given] { exit_code = test_notify(globals, *given); });
}

}  // namespace usaged::daemon
