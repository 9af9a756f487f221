#include <gtest/gtest.h>
#include <sqlite3.h>

#include "store/postgres.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "support/database.h"

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

// What a transaction writes to a server is not waited for one by one.
TEST(Connection, OnAServerWhatFailsIsToldBeforeItsTransactionEnds) {
  if (support::postgres_server().empty()) GTEST_SKIP() << "is about a server";
  const support::TempFolder folder;
  const std::string url = support::database_in(folder);
  const Store store(url);
  Connection db(std::make_unique<PostgresEngine>(url, PostgresEngine::Access::kWrite));
  db.execute("CREATE TABLE t (n BIGINT UNIQUE)");
  const auto insert = [&](int n) {
    Query query(db, "INSERT INTO t VALUES (?)");
    query.bind(1, n);
    query.run();
  };
  const auto count = [&] {
    Query query(db, "SELECT count(*) FROM t");
    return query.step() ? query.integer(0) : -1;
  };
  {
    Transaction transaction(db);
    for (const int n : {1, 1, 2}) insert(n);
    EXPECT_THROW(transaction.commit(), PostgresError);
  }
  EXPECT_EQ(count(), 0);
  {
    const Transaction transaction(db);
    for (const int n : {1, 1}) insert(n);
    EXPECT_THROW(count(), PostgresError);
  }
  {
    const Transaction transaction(db);
    insert(1);
  }
  EXPECT_EQ(count(), 0) << "it was not committed";
  {
    Transaction transaction(db);
    insert(0);
    EXPECT_EQ(count(), 1) << "what is asked sees what was sent";
    db.execute("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)");
    for (int n = 3; n < 2000; ++n) {
      insert(n);
      // An answer comes whether or not it was time to wait for what was sent.
      if (n == 501 || n == 1001 || n == 1500) {
        EXPECT_EQ(count(), n + 1);
      }
    }
    transaction.commit();
  }
  EXPECT_EQ(count(), 2000);
}

}  // namespace
}  // namespace usaged::store
