#include "store/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "core/error.h"
#include "core/text.h"

namespace usaged::store {
namespace {

constexpr std::int64_t kReserve = 16 << 20;

std::string reserve_of(const std::string& database) { return database + ".reserve"; }

std::int64_t size_on_disk(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? std::int64_t{512} * info.st_blocks : 0;
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

void sync(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  const int error = fd < 0 || ::fsync(fd) != 0 ? errno : 0;
  if (fd >= 0) ::close(fd);
  if (error == 0) return;
  throw core::Error(core::ErrorCode::kStorage, "{}: can't be written to the disk: {}", path,
                    core::errno_text(error));
}

}  // namespace

std::string Room::text() const {
  return fmt::format("{} MB are free, {} MB are needed", free >> 20U, kNeeded >> 20U);
}

Footprint footprint_of_file(const std::string& database) {
  const auto size = [](const std::string& path) {
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(path, error);
    return error ? 0 : static_cast<std::int64_t>(bytes);
  };
  return {size(database), size(database + "-wal"), room_for(database).free};
}

Room room_for(const std::string& database) {
  struct statvfs info {};
  if (::statvfs(folder_of(database).c_str(), &info) != 0) return {};
  return {static_cast<std::int64_t>(info.f_bavail) * static_cast<std::int64_t>(info.f_frsize) +
          size_on_disk(reserve_of(database))};
}

Room Reserve::check() const {
  const Room room = room_for(database_);
  const std::string path = reserve_of(database_);
  const std::int64_t held = size_on_disk(path);
  if (!room.enough()) {
    if (held > 0) ::unlink(path.c_str());
  } else if (held < kReserve) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) return room;
    // Without the space it is tried again with the next poll.
    if (::posix_fallocate(fd, 0, kReserve) != 0) ::unlink(path.c_str());
    ::close(fd);
  }
  return room;
}

void sync_file(const std::string& path) { sync(path, O_RDWR); }
void sync_folder_of(const std::string& path) { sync(folder_of(path), O_RDONLY | O_DIRECTORY); }

}  // namespace usaged::store
