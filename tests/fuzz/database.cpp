// A database whose pages somebody has changed and given the right checksums: it is refused, or
// answers something; `verify` says what is wrong with one that does not answer. An input is a list
// of changes: a page (2 bytes), a place in it (2 bytes), how many bytes (1 byte), and these.
#include <filesystem>
#include <fstream>

#include "faults/work.h"
#include "fuzz/fuzz.h"
#include "store/checked_pages.h"
#include "support/temp_folder.h"

using namespace usaged;

namespace {

constexpr std::size_t kPage = 4096;

struct Master {
  Master() {
    const std::string path = folder.path("u.db");
    faults::Work(path, 1, 30, 4).run();
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
    fuzz::require(!bytes.empty() && bytes.size() % kPage == 0);
  }
  support::TempFolder folder;
  std::string bytes;
};

std::size_t two(const std::uint8_t* at) { return static_cast<std::size_t>(at[0]) << 8U | at[1]; }

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Master master;
  std::string bytes = master.bytes;
  const std::uint8_t* const end = data + size;
  while (end - data >= 5) {
    const std::size_t page = two(data) % (bytes.size() / kPage) * kPage;
    const std::size_t at = two(data + 2) % kPage;
    const std::size_t wanted = data[4];
    data += 5;
    const std::size_t count = std::min({wanted, kPage - at, static_cast<std::size_t>(end - data)});
    std::copy_n(data, count, bytes.begin() + static_cast<std::ptrdiff_t>(page + at));
    data += count;
    store::set_checksum(reinterpret_cast<unsigned char*>(bytes.data()) + page, kPage);
  }
  const std::string path = master.folder.path("changed.db");
  for (const char* suffix : {"-wal", "-shm", ".lock"}) std::filesystem::remove(path + suffix);
  std::filesystem::copy_file(master.folder.path("u.db.lock"), path + ".lock");
  std::ofstream(path, std::ios::binary) << bytes;
  fuzz::accepted([&] {
    store::Store store(path);
    store.recover(faults::kStart + 100 * core::kDay);
    store.sum_days();
  });
  bool whole = false;
  fuzz::accepted([&] { whole = store::verify(path).problems.empty(); });
  const bool answered = fuzz::accepted([&] {
    try {
      faults::answers(path);
    } catch (const SQLite::Exception& e) {  // it asks in SQL, too
      throw core::Error(core::ErrorCode::kStorage, "{}", e.what());
    }
  });
  fuzz::require(answered || !whole);
  return 0;
}
