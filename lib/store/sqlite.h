#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <optional>

#include "store/connection.h"
#include "store/write_lock.h"

// The embedded engine.
namespace usaged::store {

class SqliteEngine : public Engine {
 public:
  // Commits are counted in the table `written`, and with the lock of whoever writes.
  SqliteEngine(SQLite::Database db, const WriteLock* lock)
      : db_(std::move(db)), place_(db_.getFilename()), lock_(lock) {}
  std::unique_ptr<Statement> prepare(const std::string& sql) override;
  void execute(const std::string& sql) override { db_.exec(sql); }
  void begin_write() override;
  void begin_read() override { prepared(begin_read_, "BEGIN").exec(); }
  void commit() override;
  void roll_back() noexcept override;
  void set_deadline(std::chrono::steady_clock::time_point deadline) override;
  void give_back_space() override;
  const std::string& place() const override { return place_; }

  SQLite::Database& database() { return db_; }

 private:
  static int out_of_time(void* self);
  // Each transaction has these: they are prepared once.
  using Kept = std::optional<SQLite::Statement>;
  SQLite::Statement& prepared(Kept& kept, const char* sql);

  SQLite::Database db_;
  Kept begin_read_, begin_write_, count_, counted_, commit_;
  std::string place_;
  const WriteLock* lock_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
};

// The database under a connection of this engine's.
SQLite::Database& sqlite(Connection& db);

}  // namespace usaged::store
