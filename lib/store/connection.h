#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>
#include <unordered_map>
#include <vector>

namespace usaged::store {

// A connection that keeps its statements once they are prepared, which costs more than most of them
// take to run.
class Connection : public SQLite::Database {
 public:
  explicit Connection(SQLite::Database db) : SQLite::Database(std::move(db)) {}

 private:
  friend class Query;
  std::unordered_map<std::string, std::vector<SQLite::Statement>> idle_;  // by their text
};

// A statement of a connection's, with nothing bound, until this goes. Not for texts of which there
// is no end, since each is kept.
class Query : public SQLite::Statement {
 public:
  Query(Connection& db, const std::string& sql);
  ~Query();
  Query(const Query&) = delete;

 private:
  using Idle = std::vector<SQLite::Statement>;
  Query(Connection& db, Idle& idle, const std::string& sql);
  Idle& idle_;
};

}  // namespace usaged::store
