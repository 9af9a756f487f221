#include "core/records.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include "core/error.h"
#include "daemon/commands.h"
#include "store/reader.h"
#include "store/store.h"

// Snapshots to and from files: import, export.
namespace usaged::daemon {
namespace {

using core::Error;
using core::ErrorCode;

constexpr std::int64_t kMostShown = 20;

struct Given {
  std::string file;
  std::string database;
  std::string start;
  std::string end;
  bool skip_bad = false;
  bool ndjson = false;
};

int import_file(const Globals& globals, const Given& given) {
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

void export_records(const Globals& globals, const Given& given) {
  store::Reader reader(database_of(globals, given.database));
  const core::Time now = app::SystemClock().now();
  const core::Time start = core::parse_time(given.start.empty() ? "0" : given.start, now);
  const core::Time end = given.end.empty() ? core::Time::max() : core::parse_time(given.end, now);
  if (!given.ndjson) fmt::print("{}", core::record_header());
  reader.each_record(start, end, [&](const core::Record& record) {
    const std::string line = given.ndjson ? core::record_ndjson(record) : core::record_csv(record);
    if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size()) {
      throw Error(ErrorCode::kUnavailable, "standard output can't be written");
    }
  });
}

}  // namespace

void add_records(CLI::App& app, const Globals& globals, int& exit_code) {
  const auto given = std::make_shared<Given>();
  CLI::App* import_command = app.add_subcommand(
      "import", "Add history from a CSV or NDJSON file; not while the daemon runs");
  import_command->add_option("file", given->file, "The file; - for standard input")->required();
  import_command->add_flag("--skip-bad", given->skip_bad,
                           "Leave out bad rows instead of importing nothing");
  import_command->add_option("--database", given->database,
                             "Database file, instead of the configuration's");
  import_command->callback([&, given] { exit_code = import_file(globals, *given); });

  CLI::App* export_command = app.add_subcommand(
      "export", "Print every stored number as CSV, for `import` or a spreadsheet");
  export_command->add_option("--start", given->start,
                             "RFC 3339, Unix seconds, or like now-30d; the beginning by default");
  export_command->add_option("--end", given->end, "The same; the end by default");
  export_command->add_flag("--ndjson", given->ndjson, "A JSON object a line instead");
  export_command->add_option("--database", given->database,
                             "Database file, instead of the configuration's");
  export_command->callback([&, given] {
    export_records(globals, *given);
    exit_code = 0;
  });
}

}  // namespace usaged::daemon
