#include "store/store.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "store/checked_pages.h"
#include "store/days.h"
#include "store/export.h"
#include "store/history.h"
#include "store/reader.h"
#include "store/verify.h"
#include "support/database.h"
#include "support/error.h"
#include "support/old_polls.h"
#include "support/samples.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;
using core::kHour;
using core::Outcome;
using support::error_of;
using support::usage;
using ::testing::Contains;
using ::testing::HasSubstr;

const core::Time kStoreStart = core::from_unix(1772366400);

class StoreTest : public ::testing::Test {
 protected:
  // One poll of "t" in eu-west-1 with these totals.
  std::int64_t poll(Store& store, int hour, const std::vector<core::UsageTotal>& totals) {
    const core::Time t = kStoreStart + hour * kHour;
    const auto id = store.begin_poll("t", "eu-west-1", t, kHour, t);
    store.finish_poll(id, {totals, {}}, {t + core::Seconds{2}, Outcome::kOk, 1, 1, "", "req"});
    return id;
  }

  std::int64_t count(const std::string& query) { return Reader(path_).db().integer(query); }

  std::string error_on_open() {
    return error_of([this] { const Store store(path_); });
  }

  support::TempFolder folder_;
  std::string path_ = support::database_in(folder_);
};

TEST_F(StoreTest, KeepsTheDoublesAsTheyCameAndNullForWhatDidNotCome) {
  {
    Store store(path_);
    poll(store, 0,
         {usage("111111111111", "EC2_INSTANCE_HOURS", 0.1 + 0.2, 1.0 / 3),
          usage("111111111111", "ECR_RESCAN", std::nullopt, std::nullopt)});
  }
  EXPECT_THAT(support::sample_rows(path_),
              ::testing::ElementsAre(support::SampleRow{1, 1, 0.1 + 0.2, 1.0 / 3, false},
                                     support::SampleRow{1, 2, std::nullopt, std::nullopt, false}));
}

TEST_F(StoreTest, ASnapshotThatFailsLeavesNothingButItsRunningPoll) {
  Store store(path_);
  const auto id = store.begin_poll("t", "eu-west-1", kStoreStart, kHour, kStoreStart);
  const auto same = usage("111111111111", "EC2_INSTANCE_HOURS", 1, 1);
  // The same series twice is noticed in the middle of the transaction.
  EXPECT_THROW(store.finish_poll(id, {{usage("222222222222", "X", 1, 1), same, same}, {}}, {}),
               Error);
  EXPECT_EQ(count("SELECT count(*) FROM sample_block"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM series"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM poll WHERE outcome = 'running'"), 1);
  // The series that were rolled back are made again.
  store.finish_poll(id, {{same}, {}}, {kStoreStart, Outcome::kOk, 1, 1, "", ""});
  const auto rows = support::sample_rows(path_);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(count("SELECT count(*) FROM series WHERE id = " + std::to_string(rows[0].series)), 1);
}

TEST_F(StoreTest, APollEndsOnce) {
  Store store(path_);
  const auto id = poll(store, 0, {});
  EXPECT_THROW(store.fail_poll(id, {kStoreStart, Outcome::kTimeout, 1, 0, "late", ""}), Error);
  EXPECT_EQ(count("SELECT count(*) FROM poll WHERE outcome = 'ok'"), 1);
}

TEST_F(StoreTest, ASeriesThatGoesHasOneRowThatSaysSo) {
  Store store(path_);
  const auto stays = usage("111111111111", "A", 1, 1);
  poll(store, 0, {stays, usage("222222222222", "A", 1, 1)});
  poll(store, 1, {stays});
  poll(store, 2, {stays});
  EXPECT_THAT(support::sample_rows(path_),
              ::testing::ElementsAre(support::SampleRow{1, 1, 1, 1, false},
                                     support::SampleRow{1, 2, 1, 1, false},
                                     support::SampleRow{2, 1, 1, 1, false},
                                     support::SampleRow{2, 2, std::nullopt, std::nullopt, true},
                                     support::SampleRow{3, 1, 1, 1, false}));
}

TEST_F(StoreTest, RemembersTheLastAttemptAndHowManyFailed) {
  Store store(path_);
  EXPECT_FALSE(store.last_attempt("t", "eu-west-1"));
  poll(store, 0, {});
  for (int hour = 1; hour <= 3; ++hour) {
    const core::Time t = kStoreStart + hour * kHour;
    const auto id = store.begin_poll("t", "eu-west-1", t, kHour, t);
    store.fail_poll(id, {t + core::Seconds{9}, Outcome::kThrottled, 3, 0, "slow down", "r"});
  }
  const auto last = store.last_attempt("t", "eu-west-1");
  ASSERT_TRUE(last);
  EXPECT_EQ(last->outcome, Outcome::kThrottled);
  EXPECT_EQ(last->failures, 3);
  EXPECT_EQ(last->slot, kStoreStart + 3 * kHour);
  EXPECT_EQ(last->finished, kStoreStart + 3 * kHour + core::Seconds{9});
  EXPECT_FALSE(store.last_attempt("t", "eu-west-2"));
  poll(store, 4, {});
  EXPECT_EQ(store.last_attempt("t", "eu-west-1")->failures, 0);
}

TEST_F(StoreTest, ARestartMarksRunningPollsAsInterrupted) {
  {
    Store store(path_);
    store.begin_poll("t", "eu-west-1", kStoreStart, kHour, kStoreStart);
  }
  Store store(path_);
  EXPECT_EQ(store.recover(kStoreStart + kHour), 1);
  EXPECT_EQ(store.last_attempt("t", "eu-west-1")->outcome, Outcome::kInterrupted);
  EXPECT_EQ(store.recover(kStoreStart + kHour), 0);
}

TEST_F(StoreTest, MissingAccountsComeAndGo) {
  Store store(path_);
  const auto with_missing = [&](int hour, const std::vector<std::string>& missing) {
    const core::Time t = kStoreStart + hour * kHour;
    const auto id = store.begin_poll("t", "eu-west-1", t, kHour, t);
    store.finish_poll(id, {{}, missing}, {t, Outcome::kOk, 1, 1, "", ""});
  };
  with_missing(0, {"111111111111", "222222222222"});
  with_missing(1, {"222222222222"});
  Reader reader(path_);
  const auto accounts = reader.accounts();
  ASSERT_EQ(accounts.size(), 1U);
  EXPECT_EQ(accounts[0].id, "222222222222");
  EXPECT_EQ(accounts[0].missing.at(0).since, kStoreStart);
}

TEST_F(StoreTest, SecondWriterIsRefused) {
  USAGED_NEEDS_A_FILE();
  const Store store(path_);
  EXPECT_THAT(error_on_open(), HasSubstr("another inspector-usaged is writing"));
}

TEST_F(StoreTest, AReaderCanNotWrite) {
  const Store store(path_);
  Reader reader(path_);
  EXPECT_ANY_THROW(reader.db().execute("DELETE FROM poll"));
}

TEST_F(StoreTest, DatabasesOfOthersAreRefusedAndLeftAsTheyAre) {
  USAGED_NEEDS_A_FILE();
  {
    SQLite::Database other(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    other.exec("CREATE TABLE theirs (x)");
  }
  EXPECT_THAT(error_on_open(), HasSubstr("another program"));
  SQLite::Database other(path_);
  EXPECT_EQ(other.execAndGet("SELECT count(*) FROM sqlite_schema").getInt(), 1);
}

TEST_F(StoreTest, NewerSchemasAreRefused) {
  { const Store store(path_); }
  support::change_database(
      path_, "INSERT INTO migration (version, name, checksum) VALUES (999, 'x', 'y')");
  EXPECT_THAT(error_on_open(), HasSubstr("newer version"));
}

TEST_F(StoreTest, AMigrationThatWasEditedIsRefused) {
  { const Store store(path_); }
  support::change_database(path_, "UPDATE migration SET checksum = 'other'");
  EXPECT_THAT(error_on_open(), HasSubstr("is not the one of this program"));
}

TEST_F(StoreTest, AMigrationThatNoProgramHasIsRefused) {
  for (const std::string version : {"0", "-1", "-9223372036854775807"}) {
    { const Store store(path_); }
    support::change_database(path_,
                             "UPDATE migration SET version = " + version + " WHERE version = 1");
    EXPECT_THAT(error_on_open(), HasSubstr("its migration 0001_initial.sql is not the one"));
    support::change_database(path_, "UPDATE migration SET version = 1 WHERE version = " + version);
  }
}

TEST_F(StoreTest, EmptyAndDamagedFilesAreRefused) {
  USAGED_NEEDS_A_FILE();
  std::ofstream(path_).flush();
  EXPECT_THAT(error_on_open(), HasSubstr("the file is empty"));
  EXPECT_THAT(error_on_open(), HasSubstr("the file is empty"));
  std::ofstream(path_) << "this is not a database, it is a text, and rather a long one at that";
  EXPECT_THAT(error_on_open(), HasSubstr("not a database"));
}

TEST_F(StoreTest, AFirstStartThatWasCutShortIsTriedAgain) {
  USAGED_NEEDS_A_FILE();
  WriteLock(path_).set_high_water(0);
  std::ofstream(path_).flush();
  EXPECT_EQ(error_on_open(), "no error");
}

// Memory is taken by the largest id of a series.
TEST_F(StoreTest, AnIdThatNoSeriesWasGivenIsDamage) {
  USAGED_NEEDS_A_FILE();
  {
    Store store(path_);
    poll(store, 0, {usage("111111111111", "ECR_RESCAN", 1, 1)});
  }
  for (const std::string id : {"10000002", "4000000000", "9000000000000000000"}) {
    support::change_database(path_, "UPDATE series SET id = " + id);
    EXPECT_THAT(error_of([&] { Reader(path_).accounts(); }),
                HasSubstr("u.db: there can be no series " + id));
    EXPECT_THAT(verify(path_).problems, Contains(HasSubstr("there can be no series " + id)));
  }
  Store store(path_);
  EXPECT_THAT(error_of([&] { poll(store, 1, {usage("111111111111", "ECR_RESCAN", 1, 1)}); }),
              HasSubstr("there can be no series 9000000000000000000"));
}

TEST_F(StoreTest, TimesAndIntervalsThatCanNotBeAreDamage) {
  USAGED_NEEDS_A_FILE();
  {
    Store store(path_);
    poll(store, 0, {usage("111111111111", "ECR_RESCAN", 1, 1)});
  }
  const auto error_of_history = [&] {
    Reader reader(path_);
    return error_of([&] {
      History(reader).history({}, kStoreStart - core::kDay, kStoreStart + core::kDay,
                              core::Step(kHour), kStoreStart + core::kDay);
    });
  };
  EXPECT_EQ(error_of_history(), "no error");
  const std::string anyway = "PRAGMA ignore_check_constraints = 1; UPDATE poll SET ";
  for (const std::string interval : {"0", "-3600", "9223372036854775807"}) {
    support::change_database(path_, anyway + "interval = " + interval);
    EXPECT_THAT(error_of_history(),
                HasSubstr(path_ + ": a poll can't have an interval of " + interval + " sec"));
    EXPECT_THAT(verify(path_).problems, Contains("poll.interval: 1 of its values can't be"));
  }
  support::change_database(path_, anyway + "interval = 3600, slot = -9223372036854775807");
  EXPECT_THAT(error_of_history(), HasSubstr("a time that can't be, -9223372036854775807 seconds"));
  EXPECT_THAT(verify(path_).problems, Contains("poll.slot: 1 of its values can't be"));
  support::change_database(path_,
                           "UPDATE poll SET slot = started; UPDATE scope SET thinned = 9e18");
  EXPECT_THAT(error_of_history(), HasSubstr("a day that can't be, 9000000000000000000 days"));
  EXPECT_THAT(verify(path_).problems, Contains("scope.thinned: 1 of its values can't be"));
}

// Whoever asks for some days has room for those alone.
TEST_F(StoreTest, DaysThatAreOutOfOrderAreDamage) {
  USAGED_NEEDS_A_FILE();
  {
    Store store(path_);
    poll(store, 0, {usage("111111111111", "ECR_RESCAN", 1, 1)});
  }
  const auto order_days = [&](const std::string& from, const std::string& to) {
    support::change_database(path_,
                             "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = "
                             "replace(sql, 'metric, " +
                                 from + ")', 'metric, " + to + ")') WHERE name = 'day_by_kind'");
  };
  order_days("day", "day DESC");
  support::change_database(
      path_,
      "INSERT INTO day_by_kind WITH RECURSIVE d (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM d "
      "WHERE i < 40) SELECT 1, 'cost', " +
          std::to_string(core::day_of(kStoreStart)) + " + i, 'exact', 1, 1, 1 FROM d");
  order_days("day DESC", "day");
  Reader reader(path_);
  const auto ask = [&] {
    daily(reader, {{}, {"type"}, core::Metric::kCost}, kStoreStart + 10 * core::kDay,
          kStoreStart + 45 * core::kDay, kStoreStart + 50 * core::kDay);
  };
  EXPECT_THAT(error_of(ask), HasSubstr("a row was told that was not asked for"));
  EXPECT_THAT(verify(path_).problems, Contains(HasSubstr("order")));
}

TEST_F(StoreTest, ASampleOfASeriesThatIsNotThereIsDamage) {
  USAGED_NEEDS_A_FILE();
  {
    Store store(path_);
    poll(store, 0, {usage("111111111111", "ECR_RESCAN", 1, 1)});
    poll(store, 1,
         {usage("111111111111", "ECR_RESCAN", 1, 1), usage("222222222222", "ECR_RESCAN", 1, 1)});
  }
  for (const std::string series : {"2", "1"}) {  // the last, and one that others come after
    support::change_database(path_, "DELETE FROM series WHERE id = " + series);
    Reader reader(path_);
    const auto replay = [&] {
      each_snapshot(reader, kStoreStart + core::kDay, [](const PollRow&, const Snapshot&) {});
    };
    const std::string missing = "a sample is of series " + series + ", which there is not";
    EXPECT_THAT(error_of([&] { reader.accounts(); }), HasSubstr(missing));
    EXPECT_THAT(error_of(replay), HasSubstr(missing));
    EXPECT_THAT(verify(path_).problems, Contains(HasSubstr("is of series that are not there")));
    support::change_database(path_, "INSERT INTO series VALUES (" + series + ", '" + series +
                                        "', 'eu-west-1', 'x', 'AWS', 'USD', 0)");
  }
}

TEST_F(StoreTest, ADatabaseThatLostItsEndIsNoticed) {
  USAGED_NEEDS_A_FILE();
  {
    Store store(path_);
    poll(store, 0, {});
  }
  std::filesystem::copy_file(path_, folder_.path("old.db"));
  {
    Store store(path_);
    poll(store, 1, {});
  }
  std::filesystem::remove(path_);
  std::filesystem::rename(folder_.path("old.db"), path_);
  EXPECT_THAT(error_on_open(), HasSubstr("its end is lost"));
}

TEST_F(StoreTest, WhatTargetsDoIsKnownWithoutTheirEarlierPolls) {
  USAGED_NEEDS_A_FILE();
  {
    Store store(path_);
    poll(store, 0, {});
  }
  support::add_old_polls(path_);
  Reader reader(path_);
  const std::int64_t before = support::bytes_read();
  const std::vector<ScopeRow> scopes = reader.scopes();
  EXPECT_LT(support::bytes_read() - before, 1'000'000);
  EXPECT_EQ(scopes.size(), 41U);
  for (const ScopeRow& scope : scopes) {
    EXPECT_EQ(scope.failures, 0);
    EXPECT_EQ(scope.newest.id, scope.newest_good.value().id);
  }
}

TEST_F(StoreTest, WritesAreSynchronousAndTheFileIsMarked) {
  USAGED_NEEDS_A_FILE();
  Store store(path_);
  EXPECT_EQ(count("PRAGMA application_id"), kApplicationId);
  Connection db = [&] {
    const support::TempFolder other;
    return open_writer(folder_.path("other.db"), WriteLock(folder_.path("other.db")));
  }();
  EXPECT_EQ(db.integer("PRAGMA synchronous"), 2);
  EXPECT_EQ(sqlite(db).execAndGet("PRAGMA journal_mode").getString(), "wal");
}

core::Alert alert() {
  core::Alert a;
  a.fingerprint = "f00";
  a.rule = "r";
  a.severity = "warning";
  a.labels = {{"account_id", "111111111111"}};
  a.currency = "USD";
  a.polls = 1;
  a.pending_since = kStoreStart;
  a.counted_until = kStoreStart;
  a.after = 5;
  return a;
}

TEST_F(StoreTest, AlertsAndTheirEventsAreStoredTogetherOrNotAtAll) {
  Store store(path_);
  store.apply({{alert(), core::AlertChange::kBegan}}, kStoreStart);
  core::Alert other = alert();
  other.fingerprint = "f01";
  // One group has one open alert at most: nothing of this may stay.
  EXPECT_THROW(
      store.apply({{other, core::AlertChange::kBegan}, {alert(), core::AlertChange::kBegan}},
                  kStoreStart),
      Error);
  ASSERT_EQ(store.open_alerts().size(), 1U);

  core::Alert fired = store.open_alerts()[0];
  EXPECT_EQ(fired.labels, alert().labels);
  EXPECT_FALSE(fired.before);
  EXPECT_EQ(fired.after, 5);
  fired.state = core::AlertState::kFiring;
  fired.starts_at = kStoreStart + kHour;
  store.apply({{fired, core::AlertChange::kFired}}, kStoreStart + kHour);
  Reader reader(path_);
  EXPECT_EQ(reader.alert_events(fired.id).size(), 2U);
  EXPECT_EQ(reader.alert(fired.id)->starts_at, kStoreStart + kHour);
  EXPECT_EQ(reader.alerts("firing", 0, 10).size(), 1U);
  EXPECT_TRUE(reader.alerts("resolved", 0, 10).empty());

  fired.state = core::AlertState::kResolved;
  store.apply({{fired, core::AlertChange::kResolved}}, kStoreStart + 2 * kHour);
  EXPECT_TRUE(store.open_alerts().empty());
  // The same group may have a new one now.
  store.apply({{alert(), core::AlertChange::kBegan}}, kStoreStart + 3 * kHour);
  store.apply({{store.open_alerts().at(0), core::AlertChange::kCleared}}, kStoreStart);
  EXPECT_TRUE(store.open_alerts().empty());
  EXPECT_EQ(reader.alerts("", 0, 10).size(), 1U);
}

TEST_F(StoreTest, AQuestionPastItsDeadlineEnds) {
  Store store(path_);
  Reader reader(path_);
  reader.set_deadline(std::chrono::milliseconds{20});
  const auto slow = [&] {
    return guarded("count", path_, [&] {
      return reader.db().integer(
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e9) "
          "SELECT count(*) FROM n");
    });
  };
  try {
    slow();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnavailable);
  }
}

TEST_F(StoreTest, TheShellsViewsShowTheNewestAndAll) {
  USAGED_NEEDS_A_FILE();
  Store store(path_);
  poll(store, 0, {usage("111111111111", "A", 1, 10), usage("222222222222", "A", 2, 20)});
  poll(store, 1, {usage("111111111111", "A", 3, 30)});
  EXPECT_EQ(count("SELECT count(*) FROM usage_latest"), 1);
  EXPECT_EQ(count("SELECT estimated_monthly_cost FROM usage_latest"), 30);
  EXPECT_EQ(count("SELECT count(*) FROM usage_history WHERE gone = 0"), 3);
}

}  // namespace
}  // namespace usaged::store
