#include <gmock/gmock.h>
#include <sqlite3.h>

#include <filesystem>
#include <future>
#include <optional>
#include <thread>

#include "faults/work.h"
#include "store/export.h"
#include "support/temp_folder.h"

// What others do with a database at the same time: readers that are slow, programs that write it.
namespace usaged::faults {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class OthersTest : public ::testing::Test {
 protected:
  OthersTest() { work_.run(); }

  std::uintmax_t wal_size() const { return std::filesystem::file_size(path_ + "-wal"); }

  // The size of the write-ahead log after 200 polls.
  std::uintmax_t after_polls() {
    store::Store store(path_);
    for (int i = 0; i < 200; ++i) work_.poll(store, "eu-west-1", ++hour_);
    return wal_size();
  }

  std::string ledger_error() {
    std::string all;
    for (const std::string& one : wrongs(path_, work_.ledger())) all += one + "\n";
    return all;
  }

  support::TempFolder folder_;
  std::string path_ = folder_.path("u.db");
  Work work_{path_, 1, 40};
  int hour_ = 40;
};

// Between two rows it holds nothing.
TEST_F(OthersTest, AReaderThatIsSlowToTakeAnExportHoldsNothingUp) {
  const std::uintmax_t alone = after_polls();
  store::Reader reader(path_);
  std::uintmax_t meanwhile = 0;
  int rows = 0;
  store::each_record(reader, {}, kStart, kStart + 1000 * core::kDay, [&](const core::Record&) {
    if (++rows == 100) meanwhile = after_polls();
  });
  EXPECT_GT(rows, 2000);
  EXPECT_LE(meanwhile, alone + alone / 2);
  // One that holds a moment does: so much would lie in the log.
  const store::Moment moment(reader.db());
  reader.revision();
  EXPECT_GT(after_polls(), 2 * alone);
  EXPECT_EQ(ledger_error(), "");
}

// A transaction of another program, for so long.
std::future<void> hold_write(const std::string& path, std::chrono::milliseconds time) {
  std::promise<void> holds;
  auto begun = holds.get_future();
  auto held = std::async(std::launch::async, [path, time, holds = std::move(holds)]() mutable {
    SQLite::Database other(path, SQLite::OPEN_READWRITE);
    other.exec("BEGIN IMMEDIATE");
    holds.set_value();
    std::this_thread::sleep_for(time);
    other.exec("ROLLBACK");
  });
  begun.wait();
  return held;
}

TEST_F(OthersTest, AProgramThatWritesIsWaitedForAndThenToldOf) {
  std::optional<store::Store> opened(path_);
  store::Store& store = *opened;
  {
    const auto held = hold_write(path_, std::chrono::milliseconds{500});
    work_.poll(store, "eu-west-1", ++hour_);
  }
  {
    const auto held = hold_write(path_, std::chrono::seconds{7});
    try {
      work_.poll(store, "eu-west-1", ++hour_);
      ADD_FAILURE() << "it was not waited for";
    } catch (const core::Error& e) {
      EXPECT_EQ(e.code(), core::ErrorCode::kUnavailable);
      EXPECT_THAT(e.what(), HasSubstr("locked"));
    }
  }
  work_.poll(store, "eu-west-1", ++hour_);
  opened.reset();
  EXPECT_EQ(ledger_error(), "");
}

TEST_F(OthersTest, WhatAnotherProgramWroteIsTakenForDamage) {
  EXPECT_THAT(store::verify(path_).problems, IsEmpty());
  {
    SQLite::Database other(path_, SQLite::OPEN_READWRITE);
    other.exec("UPDATE poll SET requests = 99");
  }
  EXPECT_THROW(store::verify(path_), store::Damaged);
}

}  // namespace
}  // namespace usaged::faults
