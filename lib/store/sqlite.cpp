#include "store/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>

namespace usaged::store {
namespace {

constexpr int kProgressSteps = 10000;  // about 0.1 ms of SQLite's work
// What may be free, and is needed again within hours: this, or a fifth of the file.
constexpr std::int64_t kPagesSpare = 500;
constexpr int kPagesAtOnce = 1000;

class SqliteStatement : public Statement {
 public:
  SqliteStatement(const SQLite::Database& db, const std::string& sql) : statement_(db, sql) {}

  void bind(int index, std::int64_t value) override { statement_.bind(index, value); }
  void bind(int index, double value) override { statement_.bind(index, value); }
  void bind(int index, const std::string& value) override { statement_.bind(index, value); }
  void bind_blob(int index, std::string_view bytes) override {
    statement_.bindNoCopy(index, bytes.data(), static_cast<int>(bytes.size()));
  }
  void bind_null(int index) override { statement_.bind(index); }
  void clear() override { statement_.clearBindings(); }

  bool step() override { return statement_.executeStep(); }
  void run() override { statement_.exec(); }
  std::int64_t run_for_count() override { return statement_.exec(); }
  void reset() override { statement_.tryReset(); }

  bool is_null(int column) const override { return at(column).isNull(); }
  std::int64_t integer(int column) const override { return at(column).getInt64(); }
  double real(int column) const override { return at(column).getDouble(); }
  std::string text(int column) const override { return at(column).getString(); }
  std::string_view blob(int column) const override {
    const SQLite::Column data = at(column);
    return {static_cast<const char*>(data.getBlob()), static_cast<std::size_t>(data.getBytes())};
  }

 private:
  SQLite::Column at(int column) const { return statement_.getColumn(column); }
  mutable SQLite::Statement statement_;
};

}  // namespace

std::unique_ptr<Statement> SqliteEngine::prepare(const std::string& sql) {
  return std::make_unique<SqliteStatement>(db_, sql);
}

SQLite::Statement& SqliteEngine::prepared(Kept& kept, const char* sql) {
  if (!kept) kept.emplace(db_, sql);
  kept->tryReset();  // of an error that was told
  return *kept;
}

// One that becomes a write later would fail at once where another writes, however patient.
void SqliteEngine::begin_write() { prepared(begin_write_, "BEGIN IMMEDIATE").exec(); }

void SqliteEngine::commit() {
  // RETURNING would make a table for its rows, of 20 pages.
  prepared(count_, "UPDATE written SET transactions = transactions + 1").exec();
  SQLite::Statement& counted = prepared(counted_, "SELECT transactions FROM written");
  counted.executeStep();
  const std::int64_t transactions = counted.getColumn(0).getInt64();
  counted.reset();
  prepared(commit_, "COMMIT").exec();
  if (lock_ != nullptr) lock_->set_high_water(transactions);
}

void SqliteEngine::roll_back() noexcept {
  if (sqlite3_get_autocommit(db_.getHandle()) == 0) {
    sqlite3_exec(db_.getHandle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
}

int SqliteEngine::out_of_time(void* self) {
  return std::chrono::steady_clock::now() > *static_cast<SqliteEngine*>(self)->deadline_ ? 1 : 0;
}

void SqliteEngine::set_deadline(std::chrono::steady_clock::time_point deadline) {
  if (!deadline_) {
    sqlite3_progress_handler(db_.getHandle(), kProgressSteps, &SqliteEngine::out_of_time, this);
  }
  deadline_ = deadline;
}

void SqliteEngine::give_back_space() {
  const std::int64_t free = db_.execAndGet("PRAGMA freelist_count").getInt64();
  const std::int64_t all = db_.execAndGet("PRAGMA page_count").getInt64();
  if (free <= std::max(kPagesSpare, all / 5)) return;
  db_.exec(fmt::format("PRAGMA incremental_vacuum({})", kPagesAtOnce));
}

SQLite::Database& sqlite(Connection& db) {
  return dynamic_cast<SqliteEngine&>(db.engine()).database();
}

}  // namespace usaged::store
