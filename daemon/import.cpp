#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include "core/error.h"
#include "core/records.h"
#include "daemon/commands.h"
#include "store/store.h"

// Snapshots from files: import.
namespace usaged::daemon {
namespace {

using core::Error;
using core::ErrorCode;

constexpr std::int64_t kMostShown = 20;

struct ImportFlags {
  std::string file;
  std::string database;
  bool skip_bad = false;
};

int import_file(const Globals& globals, const ImportFlags& given) {
  std::ifstream file;
  if (given.file != "-") {
    file.open(given.file);
    if (!file) throw Error(ErrorCode::kInvalid, "{}: can't be read", given.file);
  }
  std::istream& in = given.file == "-" ? std::cin : file;
  const std::string name = given.file == "-" ? "standard input" : given.file;
  std::int64_t bad = 0;
  const auto report = [&](const core::BadRow& row) {
    if (++bad <= kMostShown) fmt::print(stderr, "{}:{}: {}\n", name, row.line, row.reason);
    if (bad == kMostShown + 1) fmt::print(stderr, "{}: and more\n", name);
  };
  std::vector<core::Record> records;
  core::read_records(
      in, name, [&](core::Record record) { records.push_back(std::move(record)); }, report);
  const bool all_or_nothing = !given.skip_bad;
  store::Store::ImportResult result;
  if (bad == 0 || !all_or_nothing) {
    store::Store store(database_of(globals, given.database));
    result = store.import_records(std::move(records), all_or_nothing, report);
  }
  if (bad > 0 && all_or_nothing) {
    fmt::print(stderr, "{} bad rows, so nothing was imported; --skip-bad leaves them out\n", bad);
    return 1;
  }
  fmt::print("{} imported, {} were there already, {} left out\n", result.added, result.known, bad);
  return 0;
}

}  // namespace

void add_import(CLI::App& app, const Globals& globals, int& exit_code) {
  const auto given = std::make_shared<ImportFlags>();
  CLI::App* import_command = app.add_subcommand(
      "import", "Add history from a CSV or NDJSON file; not while the daemon runs");
  import_command->add_option("file", given->file, "The file; - for standard input")->required();
  import_command->add_flag("--skip-bad", given->skip_bad,
                           "Leave out bad rows instead of importing nothing");
  import_command->add_option("--database", given->database,
                             "Database file, instead of the configuration's");
  import_command->callback([&, given] { exit_code = import_file(globals, *given); });
}

}  // namespace usaged::daemon
