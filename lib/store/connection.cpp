#include "store/connection.h"

#include <utility>

#include "core/error.h"

namespace usaged::store {
namespace {

std::unique_ptr<Statement> take(Engine& engine, std::vector<std::unique_ptr<Statement>>& idle,
                                const std::string& sql) {
  if (idle.empty()) return engine.prepare(sql);
  std::unique_ptr<Statement> statement = std::move(idle.back());
  idle.pop_back();
  return statement;
}

// Instead of one that could not be undone. One that begins by halves, as where the lock for it does
// not come, is none.
void begin(Engine& engine, void (Engine::*how)()) {
  engine.roll_back();
  try {
    (engine.*how)();
  } catch (...) {
    engine.roll_back();
    throw;
  }
}

}  // namespace

std::int64_t Connection::integer(const std::string& sql) {
  const auto statement = engine_->prepare(sql);
  if (!statement->step()) {
    throw core::Error(core::ErrorCode::kInternal, "{}: has no row", sql);
  }
  return statement->integer(0);
}

Query::Query(Connection& db, const std::string& sql)
    : place_(db.engine_->place()),
      idle_(db.idle_[sql]),
      statement_(take(*db.engine_, idle_, sql)) {}

std::int64_t Query::run_for_id() {
  step();
  const std::int64_t id = integer(0);
  reset();
  return id;
}

Query::~Query() {
  try {
    statement_->reset();
    statement_->clear();
    idle_.push_back(std::move(statement_));
  } catch (const std::exception&) {  // without memory it is prepared anew
  }
}

Transaction::Transaction(Connection& db) : db_(db) { begin(db_.engine(), &Engine::begin_write); }

Transaction::~Transaction() {
  if (open_) db_.engine().roll_back();
}

void Transaction::commit() {
  db_.engine().commit();
  open_ = false;
}

Moment::Moment(Connection& db) : db_(db) { begin(db_.engine(), &Engine::begin_read); }

Moment::~Moment() { db_.engine().roll_back(); }

}  // namespace usaged::store
