#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "faults/allocation.h"

// A layer of SQLite's between the pager and the file system (https://www.sqlite.org/vfs.html),
// which goes wrong as it is told to, and knows what a disk would have after a power loss.
namespace usaged::faults {

enum class Call { kOpen, kRead, kWrite, kSync, kTruncate, kDelete };

// One for the process; becomes SQLite's default when it is made.
class FaultVfs {
 public:
  static FaultVfs& instance() {
    static FaultVfs vfs;
    return vfs;
  }

  // Forgets what was told it, and all files.
  void reset() {
    const std::lock_guard lock(mutex_);
    files_.clear();
    calls_ = 0;
    fail_at_ = 0;
    for_good_ = false;
    lies_ = false;
    before_ = nullptr;
  }

  // The n-th call from now on fails, counted from 1, and (`for_good`) each after it.
  void fail_at(std::int64_t n, bool for_good) {
    const std::lock_guard lock(mutex_);
    calls_ = 0;
    fail_at_ = n;
    for_good_ = for_good;
  }
  bool has_failed() const { return fail_at_ > 0 && calls_ >= fail_at_; }

  // A sync does nothing, as with `PRAGMA synchronous = OFF`, but says that it did.
  void lie_about_syncs() { lies_ = true; }

  // Called before each write, sync, truncation or deletion.
  void before(std::function<void(Call)> hook) { before_ = std::move(hook); }

  // What a disk would have if power went now, in a folder: of each file what was synced, and of
  // what was written since some pieces of a sector each, in no order (`share`: how many of them).
  void power_loss(const std::string& folder, double share, std::mt19937& random) {
    const std::lock_guard lock(mutex_);
    std::filesystem::create_directories(folder);
    for (const auto& [path, file] : files_) {
      if (!file.durable_exists) continue;
      std::string bytes = file.durable;
      std::uniform_real_distribution<double> chance(0, 1);
      for (const auto& [offset, data] : file.pending) {
        if (data.empty()) {  // a truncation
          if (chance(random) < share) bytes.resize(static_cast<std::size_t>(offset));
          continue;
        }
        for (std::size_t at = 0; at < data.size(); at += kSector) {
          if (chance(random) >= share) continue;
          const std::size_t size = std::min(kSector, data.size() - at);
          const std::size_t to = static_cast<std::size_t>(offset) + at;
          if (bytes.size() < to + size) bytes.resize(to + size, '\0');
          bytes.replace(to, size, data, at, size);
        }
      }
      write(folder, path, bytes);
    }
  }

 private:
  static constexpr std::size_t kSector = 512;

  struct File {
    std::string durable;
    bool durable_exists = false;
    std::vector<std::pair<sqlite3_int64, std::string>> pending;  // since the last sync
  };

  // SQLite's own file follows this.
  struct Handle {
    sqlite3_file base;
    File* file;  // nullptr: a temporary one
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  };
  static Handle& handle(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file); }

  FaultVfs() {
    install_allocation_faults();
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.szOsFile = static_cast<int>(sizeof(Handle)) + real_->szOsFile;
    vfs_.zName = "fault";
    vfs_.pNext = nullptr;
    vfs_.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
      return instance().open(name, file, flags, out);
    };
    vfs_.xDelete = [](sqlite3_vfs*, const char* name, int sync) {
      FaultVfs& self = instance();
      if (self.fails(Call::kDelete)) return SQLITE_IOERR_DELETE;
      {
        const OwnAllocations own;
        // As if the folder were synced: SQLite asks for that where it matters.
        const std::lock_guard lock(self.mutex_);
        if (const auto found = self.files_.find(name); found != self.files_.end()) {
          found->second = {};
        }
      }
      return self.real_->xDelete(self.real_, name, sync);
    };
    methods_.iVersion = 2;
    methods_.xClose = [](sqlite3_file* file) {
      return handle(file).real()->pMethods->xClose(handle(file).real());
    };
    methods_.xRead = [](sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
      if (instance().fails(Call::kRead)) return SQLITE_IOERR_READ;
      return handle(file).real()->pMethods->xRead(handle(file).real(), to, size, offset);
    };
    methods_.xWrite = [](sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
      FaultVfs& self = instance();
      if (self.fails(Call::kWrite)) return SQLITE_FULL;
      self.note(handle(file).file, offset,
                {static_cast<const char*>(from), static_cast<std::size_t>(size)});
      return handle(file).real()->pMethods->xWrite(handle(file).real(), from, size, offset);
    };
    methods_.xTruncate = [](sqlite3_file* file, sqlite3_int64 size) {
      FaultVfs& self = instance();
      if (self.fails(Call::kTruncate)) return SQLITE_IOERR_TRUNCATE;
      self.note(handle(file).file, size, {});
      return handle(file).real()->pMethods->xTruncate(handle(file).real(), size);
    };
    methods_.xSync = [](sqlite3_file* file, int) {
      FaultVfs& self = instance();
      if (self.fails(Call::kSync)) return SQLITE_IOERR_FSYNC;
      self.sync(handle(file).file);
      return SQLITE_OK;  // the kernel's cache outlives a process
    };
    methods_.xFileSize = [](sqlite3_file* file, sqlite3_int64* size) {
      return handle(file).real()->pMethods->xFileSize(handle(file).real(), size);
    };
    methods_.xLock = [](sqlite3_file* file, int level) {
      return handle(file).real()->pMethods->xLock(handle(file).real(), level);
    };
    methods_.xUnlock = [](sqlite3_file* file, int level) {
      return handle(file).real()->pMethods->xUnlock(handle(file).real(), level);
    };
    methods_.xCheckReservedLock = [](sqlite3_file* file, int* out) {
      return handle(file).real()->pMethods->xCheckReservedLock(handle(file).real(), out);
    };
    methods_.xFileControl = [](sqlite3_file* file, int what, void* argument) {
      return handle(file).real()->pMethods->xFileControl(handle(file).real(), what, argument);
    };
    methods_.xSectorSize = [](sqlite3_file* file) {
      return handle(file).real()->pMethods->xSectorSize(handle(file).real());
    };
    methods_.xDeviceCharacteristics = [](sqlite3_file* file) {
      return handle(file).real()->pMethods->xDeviceCharacteristics(handle(file).real());
    };
    methods_.xShmMap = [](sqlite3_file* file, int page, int size, int extend, void volatile** to) {
      return handle(file).real()->pMethods->xShmMap(handle(file).real(), page, size, extend, to);
    };
    methods_.xShmLock = [](sqlite3_file* file, int offset, int count, int flags) {
      return handle(file).real()->pMethods->xShmLock(handle(file).real(), offset, count, flags);
    };
    methods_.xShmBarrier = [](sqlite3_file* file) {
      handle(file).real()->pMethods->xShmBarrier(handle(file).real());
    };
    methods_.xShmUnmap = [](sqlite3_file* file, int remove) {
      return handle(file).real()->pMethods->xShmUnmap(handle(file).real(), remove);
    };
    sqlite3_vfs_register(&vfs_, 1);
  }

  int open(const char* name, sqlite3_file* file, int flags, int* out) {
    std::memset(file, 0, static_cast<std::size_t>(vfs_.szOsFile));
    if (fails(Call::kOpen)) return SQLITE_CANTOPEN;
    const int code = real_->xOpen(real_, name, handle(file).real(), flags, out);
    if (handle(file).real()->pMethods == nullptr) return code;
    file->pMethods = &methods_;
    constexpr int kKept = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL;
    if (name == nullptr || (flags & kKept) == 0) return code;
    const OwnAllocations own;
    const std::lock_guard lock(mutex_);
    const auto [place, is_new] = files_.try_emplace(name);
    if (is_new) {  // what was there before is on the disk
      place->second.durable = read(name);
      place->second.durable_exists = !place->second.durable.empty();
    }
    handle(file).file = &place->second;
    return code;
  }

  bool fails(Call call) {
    const OwnAllocations own;
    if (before_ && call != Call::kRead && call != Call::kOpen) before_(call);
    const std::lock_guard lock(mutex_);
    ++calls_;
    return fail_at_ > 0 && (for_good_ ? calls_ >= fail_at_ : calls_ == fail_at_);
  }

  void note(File* file, sqlite3_int64 offset, std::string_view data) {
    if (file == nullptr) return;
    const OwnAllocations own;
    const std::lock_guard lock(mutex_);
    file->pending.emplace_back(offset, data);
  }

  void sync(File* file) {
    if (file == nullptr || lies_) return;
    const OwnAllocations own;
    const std::lock_guard lock(mutex_);
    for (const auto& [offset, data] : file->pending) {
      const auto to = static_cast<std::size_t>(offset);
      if (data.empty()) {
        file->durable.resize(to);
        continue;
      }
      if (file->durable.size() < to + data.size()) file->durable.resize(to + data.size(), '\0');
      file->durable.replace(to, data.size(), data);
    }
    file->pending.clear();
    file->durable_exists = true;
  }

  static std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const std::string& folder, const std::string& path, const std::string& bytes) {
    const auto name = std::filesystem::path(path).filename().string();
    std::ofstream(folder + "/" + name, std::ios::binary) << bytes;
  }

  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs vfs_{};
  sqlite3_io_methods methods_{};
  std::mutex mutex_;
  std::map<std::string, File> files_;
  std::int64_t calls_ = 0;
  std::int64_t fail_at_ = 0;
  bool for_good_ = false;
  bool lies_ = false;
  std::function<void(Call)> before_;
};

}  // namespace usaged::faults
