#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "faults/work.h"
#include "support/temp_folder.h"

// Files that somebody or something has changed. `FAULTS=long` runs 500 of them.
namespace usaged::faults {
namespace {

namespace fs = std::filesystem;
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

// What comes of a start with damaged files, after which an operator has `verify` look at them.
enum class End { kRefused, kFound, kHarmless, kSilent };

End end_of(const std::string& path, const std::string& expected) {
  try {
    { const store::Store store(path); }
    if (!store::verify(path).problems.empty()) return End::kFound;
    return answers(path) == expected ? End::kHarmless : End::kSilent;
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
  }
  fmt::print("{} refused, {} found by verify, {} harmless\n", ends[End::kRefused],
             ends[End::kFound], ends[End::kHarmless]);
  EXPECT_THAT(silent, IsEmpty());
}

}  // namespace
}  // namespace usaged::faults
