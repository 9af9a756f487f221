#include "store/damage.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "faults/work.h"
#include "support/temp_folder.h"

// Files that somebody or something has changed. `FAULTS=long` runs 500 of them.
namespace usaged::faults {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::size_t kPage = 4096;

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Something that happens to one of the files; what it was.
std::string damage(const std::string& database, std::mt19937& random) {
  std::string name;
  std::string bytes;
  do {
    static const std::vector<std::string> kFiles{"", "", "-wal", "-wal", "-shm"};
    name = kFiles[random() % kFiles.size()];
    bytes = read(database + name);
  } while (bytes.empty());
  const std::size_t at = random() % bytes.size();
  const std::size_t page = at / kPage * kPage;
  std::string what;
  switch (random() % 7) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      what = "a bit flipped";
      break;
    case 1:
      bytes[at] = static_cast<char>(random());
      what = "a byte changed";
      break;
    case 2:
      for (std::size_t i = at; i < std::min(bytes.size(), at + 16); ++i) {
        bytes[i] = static_cast<char>(random());
      }
      what = "16 bytes changed";
      break;
    case 3:
      std::fill(
          bytes.begin() + static_cast<std::ptrdiff_t>(at / 512 * 512),
          bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), at / 512 * 512 + 512)),
          '\0');
      what = "a sector empty";
      break;
    case 4:
      bytes.resize(at);
      what = "cut off";
      break;
    case 5: {
      const std::size_t other = random() % bytes.size() / kPage * kPage;
      if (bytes.size() < std::max(page, other) + kPage) return damage(database, random);
      const std::string copy = bytes.substr(page, kPage);
      bytes.replace(page, kPage, bytes, other, kPage);
      bytes.replace(other, kPage, copy);
      what = "two pages exchanged";
      break;
    }
    default:
      fs::remove(database + name);
      return "u.db" + name + " removed";
  }
  write(database + name, bytes);
  return fmt::format("u.db{}: {} at {}", name, what, at);
}

// What comes of a daemon's start with damaged files, after which an operator has `verify` look at
// them.
enum class End { kRefused, kSetAside, kFound, kHarmless, kSilent };

End end_of(const std::string& path, const std::string& expected) {
  const std::string bytes = read(path);
  try {
    { const store::Store store(path, kStart); }
    for (const std::string& aside : store::set_aside(path)) {
      return read(aside) == bytes ? End::kSetAside : End::kSilent;
    }
    if (!store::verify(path).problems.empty()) return End::kFound;
    return answers(path) == expected ? End::kHarmless : End::kSilent;
  } catch (const store::Damaged&) {
    return End::kFound;
  } catch (const core::Error&) {
    return End::kRefused;
  }
}

TEST(Damage, IsNeverSilentlyWrong) {
  const support::TempFolder folder;
  const std::string path = folder.path("u.db");
  const std::string master = folder.path("master");
  fs::create_directory(master);
  Work work(path, 1, 40);
  work.run();
  {
    // What is in the write-ahead log stays there.
    const store::Reader keeps_it(path);
    store::Store store(path);
    work.poll(store, "eu-west-1", 40);
    for (const std::string end : {"", "-wal", "-shm", ".lock"}) {
      fs::copy_file(path + end, master + "/u.db" + end);
    }
  }
  const std::string expected = answers(path);
  std::mt19937 random(11);
  std::map<End, int> ends;
  std::vector<std::string> silent;
  for (int i = 0; i < (is_long() ? 500 : 60); ++i) {
    const support::TempFolder own;
    for (const auto& file : fs::directory_iterator(master)) {
      fs::copy_file(file, own.path() / file.path().filename());
    }
    const std::string what = damage(own.path("u.db"), random);
    const End end = end_of(own.path("u.db"), expected);
    ++ends[end];
    if (end == End::kSilent) silent.push_back(what);
    EXPECT_EQ(end == End::kRefused, what == "u.db removed") << what;
  }
  fmt::print("{} set aside, {} refused, {} found by verify, {} harmless\n", ends[End::kSetAside],
             ends[End::kRefused], ends[End::kFound], ends[End::kHarmless]);
  EXPECT_THAT(silent, IsEmpty());
}

// Changes some bytes of the page where a table begins.
void damage_table(const std::string& path, const std::string& table) {
  store::Connection db = store::open_reader(path);
  const auto page = static_cast<std::size_t>(
      db.integer("SELECT rootpage FROM sqlite_schema WHERE name = '" + table + "'"));
  std::string bytes = read(path);
  bytes.replace((page - 1) * kPage + 100, 8, "damaged!");
  write(path, bytes);
}

const core::Time kLater = kStart + core::kDay;

TEST(Damage, IsMovedAsideForANewHistory) {
  const support::TempFolder folder;
  const std::string path = folder.path("u.db");
  Work work(path, 1, 10);
  work.run();
  const std::string aside = path + ".damaged-2026-03-02T120000Z";
  const core::Time at = kLater;
  std::string bytes = read(path);
  bytes.replace(0, 16, "no database here");
  write(path, bytes);
  EXPECT_THROW(store::Store{path}, store::Damaged);
  EXPECT_TRUE(read(path) == bytes);
  {
    store::Store store(path, at);
    EXPECT_THAT(store::set_aside(path), ElementsAre(aside));
    EXPECT_TRUE(read(aside) == bytes);
    work.poll(store, "eu-west-1", 40);
  }
  EXPECT_EQ(store::verify(path).polls, 1);
  // Another one, within the same second.
  write(path, bytes);
  const store::Store again(path, at);
  EXPECT_EQ(store::set_aside(path).size(), 2U);
}

TEST(Damage, OfAPageIsMovedAsideOnceItWasMet) {
  const support::TempFolder folder;
  const std::string path = folder.path("u.db");
  Work work(path, 1, 10);
  work.run();
  damage_table(path, "poll");
  const std::string bytes = read(path);
  {
    store::Store store(path, kLater);
    EXPECT_THAT(store::set_aside(path), IsEmpty()) << "nobody has looked at that page";
    try {
      store.recover(kLater);
      FAIL();
    } catch (const std::exception& e) {
      EXPECT_FALSE(store.damaged());
      store.note(e);
      EXPECT_TRUE(store.damaged());
    }
  }
  store::Store store(path, kLater);
  ASSERT_EQ(store::set_aside(path).size(), 1U);
  EXPECT_TRUE(read(store::set_aside(path).front()) == bytes);
  work.poll(store, "eu-west-1", 40);
}

TEST(Damage, IsForgottenWhereTheStartThatMovedItAsideWasCutShort) {
  const support::TempFolder folder;
  const std::string path = folder.path("u.db");
  Work work(path, 1, 10);
  work.run();
  store::WriteLock(path).note_damage(true);
  const std::string aside = store::move_aside(path, "damaged", kLater);
  {
    store::Store store(path, kLater);
    work.poll(store, "eu-west-1", 40);
  }
  EXPECT_THAT(store::set_aside(path), ElementsAre(aside));
  EXPECT_FALSE(store::WriteLock(path).damage_noted());
  // Without that note somebody has taken it away.
  fs::remove(path);
  EXPECT_THROW((store::Store{path, kLater}), core::Error);
}

TEST(Damage, ThatIsNotThereAtASecondLookChangesNothing) {
  const support::TempFolder folder;
  const std::string path = folder.path("u.db");
  Work work(path, 1, 10);
  work.run();
  { store::Store(path).note(store::Damaged("a cable")); }
  EXPECT_TRUE(store::WriteLock(path).damage_noted());
  const std::string expected = answers(path);
  { const store::Store store(path, kLater); }
  EXPECT_FALSE(store::WriteLock(path).damage_noted());
  EXPECT_THAT(store::set_aside(path), IsEmpty());
  EXPECT_TRUE(answers(path) == expected);
}

// Who sets `database` to a file of somebody else's finds it where it was.
TEST(Damage, FilesOfOthersStayWhereTheyAre) {
  const support::TempFolder folder;
  const std::string path = folder.path("letter.txt");
  for (const std::string text : {"Dear reader, this is no database at all.", ""}) {
    write(path, text);
    EXPECT_THROW((store::Store{path, kLater}), core::Error);
    EXPECT_EQ(read(path), text);
    EXPECT_THAT(store::set_aside(path), IsEmpty());
  }
}

}  // namespace
}  // namespace usaged::faults
