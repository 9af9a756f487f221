#include "store/disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

namespace usaged::store {
namespace {

constexpr std::int64_t kReserve = 16 << 20;

std::string reserve_of(const std::string& database) { return database + ".reserve"; }

std::int64_t size_on_disk(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? std::int64_t{512} * info.st_blocks : 0;
}

}  // namespace

std::string Room::text() const {
  return fmt::format("{} MB are free, {} MB are needed", free >> 20U, kNeeded >> 20U);
}

Room room_for(const std::string& database) {
  const std::string folder = std::filesystem::path(database).parent_path().string();
  struct statvfs info {};
  if (::statvfs(folder.empty() ? "." : folder.c_str(), &info) != 0) return {};
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

}  // namespace usaged::store
