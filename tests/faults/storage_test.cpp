#include <gmock/gmock.h>

#include <filesystem>

#include "faults/allocation.h"
#include "faults/fault_vfs.h"
#include "faults/work.h"
#include "support/temp_folder.h"

// A disk that goes wrong. `FAULTS=long` runs every case; without it some of them.
namespace usaged::faults {
namespace {

using ::testing::IsEmpty;

// Below all connections of this program.
const FaultVfs& kBelow = FaultVfs::instance();

class StorageTest : public ::testing::Test {
 protected:
  StorageTest() { vfs_.reset(); }
  ~StorageTest() override { vfs_.reset(); }

  // What power losses at any sync of a run, or just after somebody was told something, leave
  // behind.
  std::vector<std::string> lose_power() {
    std::mt19937 random(7);
    std::vector<std::string> wrong;
    Work work(path_, 1, is_long() ? 150 : 40);
    int cuts = 0;
    vfs_.before([&](Call call) {
      if (call != Call::kSync || (!is_long() && random() % 4 != 0)) return;
      const std::string folder = folder_.path(std::to_string(++cuts));
      vfs_.power_loss(folder, std::uniform_real_distribution<double>(0, 1)(random), random);
      std::filesystem::copy_file(path_ + ".lock", folder + "/u.db.lock");
      ledgers_.push_back(work.ledger());
    });
    work.run();
    vfs_.reset();
    EXPECT_EQ(work.errors(), 0);
    for (int i = 1; i <= cuts; ++i) {
      const std::string folder = folder_.path(std::to_string(i));
      const bool exists = std::filesystem::exists(folder + "/u.db");
      const Ledger& ledger = ledgers_[static_cast<std::size_t>(i - 1)];
      for (const std::string& one : wrongs(folder + "/u.db", ledger)) {
        wrong.push_back(fmt::format("cut {}{}: {}", i, exists ? "" : " (no file)", one));
      }
      std::filesystem::remove_all(folder);
    }
    cuts_ = cuts;
    return wrong;
  }

  FaultVfs& vfs_ = FaultVfs::instance();
  support::TempFolder folder_;
  std::string path_ = folder_.path("u.db");
  std::vector<Ledger> ledgers_;
  int cuts_ = 0;
};

TEST_F(StorageTest, PowerLossLosesNothingThatWasTold) {
  const auto wrong = lose_power();
  EXPECT_THAT(wrong, IsEmpty());
  RecordProperty("cuts", cuts_);
  fmt::print("{} cuts\n", cuts_);
  EXPECT_GE(cuts_, 30);
}

TEST_F(StorageTest, PowerLossIsNoticedWhereNothingIsSynced) {
  vfs_.lie_about_syncs();
  EXPECT_FALSE(lose_power().empty());
}

// Runs the work with a fault that `arm(n)` makes, for each n until there are no more such calls,
// and looks at what it leaves behind after `disarm`, which says whether the fault came.
void sweep(const std::string& what, std::int64_t stride, bool silences,
           const std::function<void(std::int64_t)>& arm, const std::function<bool()>& disarm) {
  int runs = 0;
  int refused = 0;
  for (std::int64_t n = 1;; n += is_long() ? 1 : stride) {
    support::TempFolder folder;
    const std::string path = folder.path("u.db");
    Work work(path, 1, 8);
    if (!silences) work.leave_out_silences();
    bool opened = true;
    arm(n);
    try {
      work.run();
    } catch (const core::Error&) {
      opened = false;
    } catch (const std::bad_alloc&) {
      opened = false;
    }
    if (!disarm()) break;
    ++runs;
    if (!opened || work.errors() > 0) ++refused;
    ASSERT_THAT(wrongs(path, work.ledger()), IsEmpty()) << what << " " << n;
    FaultVfs::instance().reset();  // it keeps what each file has
  }
  fmt::print("{}: {} runs, {} with an error\n", what, runs, refused);
  EXPECT_GT(runs, 10);
  EXPECT_GT(refused, 0);
}

void sweep_calls(bool for_good) {
  FaultVfs& vfs = FaultVfs::instance();
  sweep(
      "call", 29, true, [&](std::int64_t n) { vfs.fail_at(n, for_good); },
      [&] {
        const bool failed = vfs.has_failed();
        vfs.reset();
        return failed;
      });
}

void sweep_allocations(bool for_good) {
  sweep(
      "allocation", 997, false, [&](std::int64_t n) { fail_allocation(n, for_good); },
      [] {
        allow_allocations();
        return allocation_failed();
      });
}

TEST_F(StorageTest, EveryCallOfTheDiskMayFailOnce) { sweep_calls(false); }
TEST_F(StorageTest, EveryCallOfTheDiskMayFailForGood) { sweep_calls(true); }
TEST_F(StorageTest, EveryAllocationMayFailOnce) { sweep_allocations(false); }
TEST_F(StorageTest, EveryAllocationMayFailForGood) { sweep_allocations(true); }

// A database of an earlier schema, with something in it.
void make_earlier(const std::string& path, int version) {
  const store::WriteLock lock(path);
  store::Connection db = store::open_writer(path, lock, version);
  store::Transaction transaction(db);
  db.execute(
      "INSERT INTO silence (matchers, starts_at, ends_at, created_by, comment, created_at) VALUES "
      "('[\"a=b\"]', 1, 2000000000, 'ann', 'from before', 1)");
  transaction.commit();
}

// That it can be opened, is of the newest schema and has what it had.
void expect_upgraded(const std::string& path, const std::string& when) {
  try {
    store::Store store(path);
    ASSERT_EQ(store.silences(kStart).size(), 1U) << when;
    EXPECT_THAT(store::verify(path).problems, IsEmpty()) << when;
  } catch (const core::Error& e) {
    ADD_FAILURE() << when << ": " << e.what();
  }
}

TEST_F(StorageTest, AMigrationMayBeCutShortAtEveryCallOfTheDisk) {
  for (int version = 1; version < store::schema_version(); ++version) {
    const support::TempFolder cut;
    const std::string path = cut.path("u.db");
    int cuts = 0;
    {
      // Power fails before each call that changes a file.
      make_earlier(path, version);
      std::mt19937 random(7);
      vfs_.before([&](Call) {
        const std::string folder = cut.path(std::to_string(++cuts));
        vfs_.power_loss(folder, std::uniform_real_distribution<double>(0, 1)(random), random);
        std::filesystem::copy_file(path + ".lock", folder + "/u.db.lock");
      });
      { const store::Store store(path); }
      vfs_.reset();
    }
    EXPECT_GT(cuts, 5);
    for (int i = 1; i <= cuts; ++i) {
      expect_upgraded(cut.path(std::to_string(i)) + "/u.db",
                      fmt::format("cut {} of schema {}", i, version));
    }
    for (const bool for_good : {false, true}) {
      bool failed = true;
      for (int n = 1; failed; ++n) {
        const support::TempFolder own;
        make_earlier(own.path("u.db"), version);
        vfs_.fail_at(n, for_good);
        try {
          const store::Store store(own.path("u.db"));
        } catch (const core::Error&) {  // NOLINT(bugprone-empty-catch): it says so
        }
        failed = vfs_.has_failed();
        vfs_.reset();
        expect_upgraded(own.path("u.db"), fmt::format("call {} of schema {}", n, version));
      }
    }
  }
}

}  // namespace
}  // namespace usaged::faults
