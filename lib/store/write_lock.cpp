#include "store/write_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "core/error.h"
#include "core/text.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;

// Behind the number of transactions.
constexpr off_t kNote = 21;
constexpr char kDamageNote = '!';

}  // namespace

WriteLock::WriteLock(const std::string& database) : path_(database + ".lock") {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd_ < 0) {
    throw Error(ErrorCode::kStorage, "{}: {}; does the folder exist, and may this user write it?",
                path_, core::errno_text(errno));
  }
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd_);
    if (error == EWOULDBLOCK) {
      throw Error(ErrorCode::kConflict,
                  "{}: another inspector-usaged is writing this database; stop it first", database);
    }
    throw Error(ErrorCode::kStorage, "{}: {}", path_, core::errno_text(error));
  }
}

WriteLock::~WriteLock() { ::close(fd_); }

std::optional<std::int64_t> WriteLock::high_water() const {
  std::array<char, 24> buffer{};
  const ssize_t size = ::pread(fd_, buffer.data(), buffer.size() - 1, 0);
  if (size <= 0) return std::nullopt;
  std::int64_t value = 0;
  std::from_chars(buffer.data(), buffer.data() + size, value);
  return value;
}

void WriteLock::set_high_water(std::int64_t transactions) const {
  const std::string text = fmt::format("{:020}\n", transactions);
  if (::pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    throw Error(ErrorCode::kStorage, "{}: {}", path_, core::errno_text(errno));
  }
}

bool WriteLock::damage_noted() const {
  char note = 0;
  return ::pread(fd_, &note, 1, kNote) == 1 && note == kDamageNote;
}

void WriteLock::note_damage(bool damaged) const {
  if (damage_noted() == damaged) return;
  const char note = damaged ? kDamageNote : ' ';
  if (::pwrite(fd_, &note, 1, kNote) != 1) {
    throw Error(ErrorCode::kStorage, "{}: {}", path_, core::errno_text(errno));
  }
}

}  // namespace usaged::store
