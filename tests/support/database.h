#pragma once

#include <libpq-fe.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "store/checked_pages.h"
#include "store/database.h"
#include "support/temp_folder.h"

namespace usaged::support {

// The server on which tests have their databases (tests/support/postgres.py starts one); empty:
// they have files.
inline std::string postgres_server() {
  const char* url = std::getenv("USAGED_POSTGRES");
  return url == nullptr ? "" : url;
}

// Runs SQL of a test's own on that server.
inline void on_postgres(const std::string& url, const std::string& sql) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url.c_str()),
                                                                &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()),
                                                             &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    throw std::runtime_error(PQerrorMessage(connection.get()));
  }
}

// The database of this name that a test has for itself: a file, or a schema.
inline std::string database_in(const TempFolder& folder, const std::string& name = "u.db") {
  const std::string path = folder.path(name);
  const std::string server = postgres_server();
  if (server.empty()) return path;
  std::string schema = std::filesystem::path(path).parent_path().filename().string() + "_" + name;
  std::ranges::replace_if(
      schema, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  on_postgres(server, "CREATE SCHEMA IF NOT EXISTS " + schema);
  return server + (server.find('?') == std::string::npos ? "?" : "&") + "options=-csearch_path%3D" +
         schema;
}

// Changes a database as nobody should.
inline void change_database(const std::string& database, const std::string& sql) {
  if (store::is_postgres(database)) {
    on_postgres(database, sql);
  } else {
    SQLite::Database(database, SQLite::OPEN_READWRITE, 0, store::checked_pages()).exec(sql);
  }
}

// Where something of a file is looked at.
#define USAGED_NEEDS_A_FILE() \
  if (!usaged::support::postgres_server().empty()) GTEST_SKIP() << "is about a file"

}  // namespace usaged::support
