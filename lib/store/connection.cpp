#include "store/connection.h"

#include <utility>

namespace usaged::store {
namespace {

SQLite::Statement take(const SQLite::Database& db, std::vector<SQLite::Statement>& idle,
                       const std::string& sql) {
  if (idle.empty()) return {db, sql};
  SQLite::Statement statement = std::move(idle.back());
  idle.pop_back();
  return statement;
}

}  // namespace

Query::Query(Connection& db, const std::string& sql) : Query(db, db.idle_[sql], sql) {}

Query::Query(Connection& db, Idle& idle, const std::string& sql)
    : SQLite::Statement(take(db, idle, sql)), idle_(idle) {}

Query::~Query() {
  try {
    tryReset();
    clearBindings();
    idle_.push_back(std::move(*this));
  } catch (const std::exception&) {  // without memory it is prepared anew
  }
}

}  // namespace usaged::store
