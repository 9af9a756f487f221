#include "store/backup.h"

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "core/error.h"
#include "core/text.h"
#include "store/checked_pages.h"
#include "store/damage.h"
#include "store/database.h"
#include "store/store.h"
#include "support/error.h"
#include "support/temp_folder.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

namespace fs = std::filesystem;
using core::kHour;
using support::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const core::Time kBackupStart = core::from_unix(1772366400);

void poll(Store& store, int hour, int accounts = 50) {
  const core::Time t = kBackupStart + hour * kHour;
  Snapshot snapshot;
  for (int i = 0; i < accounts; ++i) {
    snapshot.totals.push_back(
        support::usage(fmt::format("{:012}", i), "EC2_INSTANCE_HOURS", hour + i, 0.5 * hour));
  }
  const auto id = store.begin_poll("t", "eu-west-1", t, kHour, t);
  store.finish_poll(id, snapshot, {t, core::Outcome::kOk, 1, 1, "", ""});
}

std::int64_t count(const std::string& path, const std::string& from) {
  return Reader(path).db().integer("SELECT count(*) FROM " + from);
}

class BackupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Store store(database_);
    for (int hour = 0; hour < 40; ++hour) poll(store, hour);
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path(""))) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

  support::TempFolder folder_;
  std::string database_ = folder_.path("u.db");
  std::string copy_ = folder_.path("copy.db");
};

TEST_F(BackupTest, ACopyIsWholeAndHasEverything) {
  std::vector<double> told;
  back_up(database_, copy_, [&](double done) { told.push_back(done); });
  EXPECT_EQ(told.back(), 1);
  const Verification found = verify(copy_);
  EXPECT_THAT(found.problems, IsEmpty());
  EXPECT_EQ(found.polls, 40);
  EXPECT_EQ(found.newest, kBackupStart + 39 * kHour);
  EXPECT_EQ(found.schema, schema_version());
  EXPECT_EQ(count(copy_, "sample"), 40 * 50);
  // One file, and nothing left over.
  for (const std::string& name : files())
    EXPECT_TRUE(name == "copy.db" || name.starts_with("u.db"));
  EXPECT_THAT(error_of([&] { back_up(database_, copy_); }), HasSubstr("is there already"));
}

TEST_F(BackupTest, OneOfAnEarlierSchemaIsCopiedCheckedAndRestored) {
  for (int version = 1; version < schema_version(); ++version) {
    const support::TempFolder own;
    const std::string earlier = own.path("u.db");
    { open_writer(earlier, WriteLock(earlier), version); }
    back_up(earlier, own.path("copy.db"));
    const Verification found = verify(own.path("copy.db"));
    EXPECT_THAT(found.problems, IsEmpty());
    EXPECT_EQ(found.schema, version);
    EXPECT_NE(restore(own.path("copy.db"), earlier, kBackupStart), "");
    EXPECT_EQ(verify(earlier).schema, schema_version());
    EXPECT_TRUE(Reader(earlier).scopes().empty());
  }
}

// A writer that never pauses neither waits for the copy nor makes it begin anew.
TEST_F(BackupTest, AWriterGoesOnMeanwhile) {
  Store store(database_);
  std::atomic<bool> stop = false;
  std::atomic<int> hour = 40;
  std::thread writer([&] {
    while (!stop) poll(store, hour++, 200);
  });
  for (int i = 0; i < 5; ++i) {
    const int before = hour;
    const std::string copy = folder_.path(fmt::format("copy{}.db", i));
    back_up(database_, copy);
    EXPECT_THAT(verify(copy).problems, IsEmpty());
    // All that was told to be stored before it began; a poll is whole or not there.
    EXPECT_GE(verify(copy).polls, before - 1);
    EXPECT_EQ(count(copy, "poll WHERE outcome = 'ok' AND id NOT IN (SELECT poll_id FROM sample)"),
              0);
  }
  EXPECT_GT(hour, 41);
  stop = true;
  writer.join();
}

TEST_F(BackupTest, RestoringMovesWhatWasThereAside) {
  back_up(database_, copy_);
  {
    Store store(database_);
    for (int hour = 40; hour < 50; ++hour) poll(store, hour);
  }
  const std::string aside = restore(copy_, database_, kBackupStart);
  EXPECT_EQ(aside, database_ + ".before-2026-03-01T120000Z");
  EXPECT_EQ(count(database_, "poll"), 40);
  EXPECT_EQ(count(aside, "poll"), 50);
  // The store takes it, although it had more before.
  Store store(database_);
  poll(store, 60);
  EXPECT_EQ(count(database_, "poll"), 41);
}

TEST_F(BackupTest, RestoresWhereNothingIsLeft) {
  back_up(database_, copy_);
  for (const char* end : {"", "-wal", "-shm", ".lock"}) fs::remove(database_ + end);
  EXPECT_EQ(restore(copy_, database_, kBackupStart), "");
  EXPECT_EQ(Store(database_).path(), database_);
  EXPECT_EQ(count(database_, "poll"), 40);
}

TEST_F(BackupTest, NobodyIsRestoredUnder) {
  back_up(database_, copy_);
  const Store store(database_);
  EXPECT_THAT(error_of([&] { restore(copy_, database_, kBackupStart); }),
              HasSubstr("another inspector-usaged is writing"));
}

TEST_F(BackupTest, WhatIsNotWholeIsFoundAndNotRestored) {
  back_up(database_, copy_);
  const std::string good = core::read_file(copy_);
  const auto expect_refused = [&](const std::string& content, const std::string& what) {
    std::ofstream(copy_, std::ios::binary | std::ios::trunc) << content;
    std::string found = error_of([&] {
      for (const std::string& problem : verify(copy_).problems) {
        throw core::Error(core::ErrorCode::kStorage, "{}", problem);
      }
    });
    EXPECT_NE(found, "no error") << what;
    EXPECT_NE(error_of([&] { restore(copy_, database_, kBackupStart); }), "no error") << what;
    EXPECT_EQ(count(database_, "poll"), 40) << what;
  };
  expect_refused("", "empty");
  expect_refused("not a database", "text");
  expect_refused(good.substr(0, good.size() / 2), "the first half");
  expect_refused(good.substr(0, 4096), "one page");
  std::string holed = good;
  std::fill(holed.begin() + 40960, holed.begin() + 49152, '\0');
  expect_refused(holed, "two pages of zeros");
  {
    fs::remove(copy_);
    SQLite::Database other(copy_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    other.exec("CREATE TABLE t (x)");
  }
  expect_refused(core::read_file(copy_), "somebody else's");
}

TEST_F(BackupTest, ABlockOfSamplesThatCanNotBeReadIsAProblem) {
  {
    Store store(database_);
    poll(store, 0, 200);
  }
  EXPECT_THAT(verify(database_).problems, IsEmpty());
  {
    SQLite::Database db(database_, SQLite::OPEN_READWRITE, 0, store::checked_pages());
    db.exec("UPDATE sample_block SET data = substr(data, 1, length(data) - 1) WHERE id = 2");
  }
  EXPECT_THAT(verify(database_).problems, ElementsAre(HasSubstr("block 2 of samples of ")));
}

TEST_F(BackupTest, WhatLostItsEndIsMovedAsideAndCanBeRestoredWithTheRest) {
  {
    Store store(database_);
    poll(store, 41);
  }
  {
    // The last poll is in its -wal alone.
    const Reader reader(database_);
    Store store(database_);
    poll(store, 42);
    for (const char* end : {"", "-wal", ".lock"}) {
      fs::copy_file(database_ + end, copy_ + end, fs::copy_options::overwrite_existing);
    }
  }
  WriteLock(copy_).set_high_water(1000);
  std::string aside;
  {
    const Store store(copy_, kBackupStart);
    aside = set_aside(copy_).at(0);
  }
  EXPECT_EQ(count(copy_, "poll"), 0);
  restore(aside, copy_, kBackupStart);
  EXPECT_EQ(count(copy_, "poll"), 42);
  EXPECT_THAT(verify(copy_).problems, IsEmpty());
}

// Copied with cp, without its -wal: SQLite finds nothing wrong with it.
TEST_F(BackupTest, ALostEndIsFound) {
  {
    const Store store(database_);
    fs::copy_file(database_, copy_);
    fs::copy_file(database_ + ".lock", copy_ + ".lock");
  }
  {
    Store store(database_);
    poll(store, 41);
    fs::remove(copy_);
    fs::copy_file(database_, copy_);
    fs::copy_file(database_ + ".lock", copy_ + ".lock", fs::copy_options::overwrite_existing);
  }
  EXPECT_THAT(verify(copy_).problems, ElementsAre(HasSubstr("its end is lost")));
  EXPECT_THAT(verify(database_).problems, IsEmpty());
}

}  // namespace
}  // namespace usaged::store
