#include <gtest/gtest.h>
#include <sqlite3.h>

#include "store/sqlite.h"

namespace usaged::store {
namespace {

int statements_of(Connection& db) {
  int count = 0;
  for (sqlite3_stmt* one = nullptr;
       (one = sqlite3_next_stmt(sqlite(db).getHandle(), one)) != nullptr;) {
    ++count;
  }
  return count;
}

Connection make_connection() {
  SQLite::Database db(":memory:", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  db.exec("CREATE TABLE t (n INTEGER UNIQUE); INSERT INTO t VALUES (1), (2), (3)");
  return Connection(std::make_unique<SqliteEngine>(std::move(db), nullptr));
}

TEST(Connection, PreparesAStatementOnce) {
  Connection db = make_connection();
  for (int i = 0; i < 3; ++i) {
    Query query(db, "SELECT n FROM t ORDER BY n");
    ASSERT_TRUE(query.step());
    EXPECT_EQ(query.integer(0), 1) << "it begins anew";
  }
  EXPECT_EQ(statements_of(db), 1);
}

TEST(Connection, HasOneForEachUserOfAText) {
  Connection db = make_connection();
  int pairs = 0;
  Query outer(db, "SELECT n FROM t");
  while (outer.step()) {
    Query inner(db, "SELECT n FROM t");
    while (inner.step()) ++pairs;
  }
  EXPECT_EQ(pairs, 9);
  EXPECT_EQ(statements_of(db), 2);
}

TEST(Connection, NothingIsBoundAtFirst) {
  Connection db = make_connection();
  const char* const text = "SELECT ?1 IS NULL";
  {
    Query query(db, text);
    query.bind(1, 7);
    query.step();
    EXPECT_EQ(query.integer(0), 0);
  }
  Query query(db, text);
  query.step();
  EXPECT_EQ(query.integer(0), 1);
}

TEST(Connection, OneThatFailedCanBeUsedAgain) {
  Connection db = make_connection();
  const char* const text = "INSERT INTO t VALUES (?)";
  const auto insert = [&](int n) {
    Query query(db, text);
    query.bind(1, n);
    query.run();
  };
  EXPECT_THROW(insert(3), SQLite::Exception);
  insert(4);
  EXPECT_EQ(db.integer("SELECT count(*) FROM t"), 4);
  EXPECT_EQ(statements_of(db), 1);
}

TEST(Connection, AStatementThatWentHoldsNoTransactionOpen) {
  Connection db = make_connection();
  {
    Query query(db, "SELECT n FROM t");
    query.step();
    EXPECT_EQ(sqlite3_txn_state(sqlite(db).getHandle(), "main"), SQLITE_TXN_READ);
  }
  EXPECT_EQ(sqlite3_txn_state(sqlite(db).getHandle(), "main"), SQLITE_TXN_NONE);
}

}  // namespace
}  // namespace usaged::store
