#include "app/doctor.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/versions.h"
#include "daemon/commands.h"
#include "web/table.h"
#include "web/terminal.h"

namespace usaged::daemon {
namespace {

using app::Symptom;
using web::Json;

int doctor(const Globals& globals, bool offline, bool as_json) {
  const app::SystemClock clock;
  app::Stop stop;
  app::Doctor looks(globals.config_path, {clock, stop, net::process_environment()});
  const std::vector<Symptom> symptoms = looks.examine(!offline);
  Json data = Json::array();
  for (const Symptom& symptom : symptoms) {
    Json row{{"result", app::result_name(symptom.result)},
             {"what", symptom.what},
             {"found", symptom.found}};
    if (as_json) row["advice"] = symptom.advice.empty() ? Json(nullptr) : Json(symptom.advice);
    data.push_back(std::move(row));
  }
  if (as_json) {
    fmt::print("{}\n", web::to_text({{"data", data}}, 2));
  } else {
    fmt::print("{}", web::to_columns(web::to_table(data)));
    bool first = true;
    for (const Symptom& symptom : symptoms) {
      if (symptom.advice.empty()) continue;
      fmt::print("{}{}: {}\n", first ? "\n" : "", symptom.what, symptom.advice);
      first = false;
    }
  }
  const auto is_bad = [](const Symptom& one) { return one.result == Symptom::Result::kBad; };
  return std::ranges::any_of(symptoms, is_bad) ? 1 : 0;
}

void print_versions(bool as_json) {
  const std::vector<app::LibraryVersion> libraries = app::library_versions();
  web::Json data = web::Json::array();
  for (const app::LibraryVersion& one : libraries) {
    data.push_back({{"library", one.name},
                    {"version", one.version},
                    {"fault", one.fault.empty() ? web::Json(nullptr) : web::Json(one.fault)}});
  }
  if (as_json) {
    fmt::print("{}\n", web::to_text({{"version", USAGED_VERSION}, {"data", data}}, 2));
    return;
  }
  fmt::print("inspector-usaged {}\n\n{}", USAGED_VERSION, web::to_columns(web::to_table(data)));
  for (const app::LibraryVersion& one : libraries) {
    if (one.fault.empty()) continue;
    fmt::print(stderr, "\nwarning: {} {} {}: {}\n", one.name, one.version, one.fault, one.advice);
  }
}

}  // namespace

void add_version(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "version", "This version and those of the libraries; warns of known faults");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "Print JSON");
  command->callback([as_json] { print_versions(*as_json); });
}

void add_doctor(CLI::App& app, const Globals& globals, int& exit_code) {
  CLI::App* command = app.add_subcommand("doctor",
                                         "Look at all that an operator would, and say what to do: "
                                         "versions, configuration, files, disk, "
                                         "clock, database, collection, unit, daemon, DNS, TLS, "
                                         "credentials; exits with 1 if something is "
                                         "bad");
  auto offline = std::make_shared<bool>(false);
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--offline", *offline, "Ask nobody outside this machine");
  command->add_flag("--json", *as_json, "Print JSON");
  command->callback([&, offline, as_json] { exit_code = doctor(globals, *offline, *as_json); });
}

}  // namespace usaged::daemon
