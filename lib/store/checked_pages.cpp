#include "store/checked_pages.h"

#include <sqlite3.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

namespace usaged::store {
namespace {

constexpr int kLeastPage = 512;
constexpr int kMostPage = 65536;
constexpr int kReservedAt = 20;  // in the header: the bytes at the end of each page that are ours
constexpr int kHeader = 100;

// SQLite's file follows this.
struct File {
  sqlite3_file base;
  bool checked;  // every page ends in a checksum
};

File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<sqlite3_file*>(&of(file) + 1); }

using Checksum = std::array<unsigned char, kChecksumBytes>;

// In one read where the machine has it so: of each page that is read there are a thousand.
std::uint32_t little_endian(const unsigned char* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return std::endian::native == std::endian::little ? value : __builtin_bswap32(value);
}

void put(unsigned char* to, std::uint32_t value) {
  for (int i = 0; i < 4; ++i)
    to[i] = static_cast<unsigned char>(value >> (8U * static_cast<unsigned>(i)));
}

Checksum checksum(const unsigned char* page, int size) {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  for (int i = 0; i < size - kChecksumBytes; i += 8) {
    first += little_endian(page + i) + second;
    second += little_endian(page + i + 4) + first;
  }
  Checksum result;
  put(result.data(), first);
  put(result.data() + 4, second);
  return result;
}

// Whether what is read or written is a page; SQLite also reads pieces of the first.
bool is_page(int size, sqlite3_int64 offset) {
  return size >= kLeastPage && size <= kMostPage && (size & (size - 1)) == 0 && offset % size == 0;
}

// A page with a header says whether the file has checksums.
void note_header(File& file, const unsigned char* bytes, int size, sqlite3_int64 offset) {
  if (offset == 0 && size >= kHeader && std::memcmp(bytes, "SQLite format 3", 16) == 0) {
    file.checked = bytes[kReservedAt] == kChecksumBytes;
  }
}

int read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  const int code = real(file)->pMethods->xRead(real(file), to, size, offset);
  if (code != SQLITE_OK) return code;
  const auto* bytes = static_cast<const unsigned char*>(to);
  note_header(of(file), bytes, size, offset);
  if (!of(file).checked || !is_page(size, offset)) return code;
  const Checksum sum = checksum(bytes, size);
  if (std::memcmp(sum.data(), bytes + size - kChecksumBytes, kChecksumBytes) == 0) return code;
  sqlite3_log(SQLITE_IOERR_DATA, "a page at %lld has been damaged", offset);
  return SQLITE_IOERR_DATA;
}

int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  const auto* bytes = static_cast<const unsigned char*>(from);
  note_header(of(file), bytes, size, offset);
  if (!of(file).checked || !is_page(size, offset)) {
    return real(file)->pMethods->xWrite(real(file), from, size, offset);
  }
  std::array<unsigned char, kMostPage> page;  // NOLINT: written before it is read
  std::memcpy(page.data(), bytes, static_cast<std::size_t>(size));
  set_checksum(page.data(), size);
  return real(file)->pMethods->xWrite(real(file), page.data(), size, offset);
}

// The rest is the system's.
constexpr sqlite3_io_methods kMethods{
    3,
    [](sqlite3_file* file) { return real(file)->pMethods->xClose(real(file)); },
    read,
    write,
    [](sqlite3_file* file, sqlite3_int64 size) {
      return real(file)->pMethods->xTruncate(real(file), size);
    },
    [](sqlite3_file* file, int flags) { return real(file)->pMethods->xSync(real(file), flags); },
    [](sqlite3_file* file, sqlite3_int64* size) {
      return real(file)->pMethods->xFileSize(real(file), size);
    },
    [](sqlite3_file* file, int level) { return real(file)->pMethods->xLock(real(file), level); },
    [](sqlite3_file* file, int level) { return real(file)->pMethods->xUnlock(real(file), level); },
    [](sqlite3_file* file, int* held) {
      return real(file)->pMethods->xCheckReservedLock(real(file), held);
    },
    [](sqlite3_file* file, int what, void* argument) {
      return real(file)->pMethods->xFileControl(real(file), what, argument);
    },
    [](sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); },
    [](sqlite3_file* file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); },
    [](sqlite3_file* file, int page, int size, int extend, void volatile** to) {
      return real(file)->pMethods->xShmMap(real(file), page, size, extend, to);
    },
    [](sqlite3_file* file, int offset, int count, int flags) {
      return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
    },
    [](sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); },
    [](sqlite3_file* file, int remove) {
      return real(file)->pMethods->xShmUnmap(real(file), remove);
    },
    // Pages that are mapped into memory would not pass by here.
    [](sqlite3_file*, sqlite3_int64, int, void** to) {
      *to = nullptr;
      return SQLITE_OK;
    },
    [](sqlite3_file*, sqlite3_int64, void*) { return SQLITE_OK; },
};

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* system = static_cast<sqlite3_vfs*>(vfs->pAppData);
  // Other files (the log, temporary ones) have no checksums of ours.
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0) return system->xOpen(system, name, file, flags, out);
  of(file) = {};
  const int code = system->xOpen(system, name, real(file), flags, out);
  if (real(file)->pMethods == nullptr) return code;
  file->pMethods = &kMethods;
  if (code != SQLITE_OK) return code;
  // A new one will have them, whichever of its pages is written first.
  sqlite3_int64 bytes = 0;
  of(file).checked = real(file)->pMethods->xFileSize(real(file), &bytes) == SQLITE_OK && bytes == 0;
  std::array<unsigned char, kHeader> header{};
  if (bytes >= kHeader) {
    const int result = real(file)->pMethods->xRead(real(file), header.data(), kHeader, 0);
    if (result != SQLITE_OK) return result;
    note_header(of(file), header.data(), kHeader, 0);
  }
  return SQLITE_OK;
}

}  // namespace

void set_checksum(unsigned char* page, int size) {
  const Checksum sum = checksum(page, size);
  std::memcpy(page + size - kChecksumBytes, sum.data(), kChecksumBytes);
}

const char* checked_pages() {
  static constexpr const char* kName = "checked-pages";
  static const bool kRegistered = [] {
    static sqlite3_vfs vfs = *sqlite3_vfs_find(nullptr);
    vfs.pAppData = sqlite3_vfs_find(nullptr);
    vfs.szOsFile += static_cast<int>(sizeof(File));
    vfs.zName = kName;
    vfs.pNext = nullptr;
    vfs.xOpen = open;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
  }();
  return kRegistered ? kName : nullptr;
}

}  // namespace usaged::store
