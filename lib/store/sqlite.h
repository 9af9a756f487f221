#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include "store/connection.h"

// The embedded engine.
namespace usaged::store {

class SqliteEngine : public Engine {
 public:
  explicit SqliteEngine(SQLite::Database db) : db_(std::move(db)), place_(db_.getFilename()) {}
  std::unique_ptr<Statement> prepare(const std::string& sql) override;
  void execute(const std::string& sql) override { db_.exec(sql); }
  void roll_back() noexcept override;
  const std::string& place() const override { return place_; }

  SQLite::Database& database() { return db_; }

 private:
  SQLite::Database db_;
  std::string place_;
};

// The database under a connection of this engine's.
SQLite::Database& sqlite(Connection& db);

}  // namespace usaged::store
