#include <fmt/format.h>

#include <iostream>
#include <iterator>
#include <memory>
#include <utility>

#include "core/error.h"
#include "daemon/commands.h"
#include "store/database.h"
#include "store/reader.h"
#include "web/table.h"
#include "web/terminal.h"

namespace usaged::daemon {
namespace {

using web::Json;

// Rows that are printed together, if the format has no widths.
constexpr std::size_t kRowsAtOnce = 10000;

struct SqlFlags {
  std::string query;
  std::string database;
  bool as_json = false;
  bool as_csv = false;
};

Json cell_of(const SQLite::Column& column) {
  if (column.isNull()) return nullptr;
  if (column.isInteger()) return column.getInt64();
  if (column.isFloat()) return column.getDouble();
  if (column.isText()) return column.getString();
  return fmt::format("({} bytes)", column.getBytes());
}

void print(const web::Table& table, const SqlFlags& flags, bool begins) {
  std::string text = flags.as_json  ? web::to_ndjson(table)
                     : flags.as_csv ? web::to_csv(table)
                                    : web::to_columns(table);
  if (flags.as_csv && !begins) text.erase(0, web::to_csv({table.columns, {}}).size());
  write_out(text);
}

void run(const Globals& globals, const SqlFlags& flags) {
  if (flags.as_json && flags.as_csv) {
    throw core::Error(core::ErrorCode::kInvalid, "choose one of --json and --csv");
  }
  const std::string database = database_of(globals, flags.database);
  store::require_file(database,
                      "ask it with psql; samples are packed there: `inspector-usaged export` "
                      "writes them as CSV");
  store::Reader reader(database);
  const std::string text =
      flags.query.empty()
          ? std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>())
          : flags.query;
  try {
    SQLite::Statement query(store::sqlite(reader.db()), text);
    web::Table table;
    for (int i = 0; i < query.getColumnCount(); ++i)
      table.columns.push_back(query.getColumnName(i));
    bool begins = true;
    while (query.executeStep()) {
      std::vector<Json>& row = table.rows.emplace_back();
      for (int i = 0; i < query.getColumnCount(); ++i) row.push_back(cell_of(query.getColumn(i)));
      if (table.rows.size() < kRowsAtOnce || (!flags.as_json && !flags.as_csv)) continue;
      print(table, flags, std::exchange(begins, false));
      table.rows.clear();
    }
    if (begins || !table.rows.empty()) print(table, flags, begins);
  } catch (const SQLite::Exception& e) {
    throw core::Error(core::ErrorCode::kInvalid, "SQLite: {}", e.what());
  }
}

}  // namespace

void add_sql(CLI::App& app, const Globals& globals) {
  CLI::App* command = app.add_subcommand(
      "sql",
      "Ask the database in SQL, which may only read; the views usage_history and usage_latest");
  auto flags = std::make_shared<SqlFlags>();
  command->add_option("query", flags->query, "One statement; without it, standard input");
  command->add_option("--database", flags->database,
                      "Database file, instead of the configuration's");
  command->add_flag("--json", flags->as_json, "Print a JSON object a row");
  command->add_flag("--csv", flags->as_csv, "Print CSV");
  command->callback([&globals, flags] { run(globals, *flags); });
}

}  // namespace usaged::daemon
