#include "store/damage.h"

#include <algorithm>
#include <filesystem>

#include "store/disk.h"
#include "store/verify.h"

namespace usaged::store {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;

constexpr const char* kDamaged = "damaged";

Connection open_whole(const std::string& path, const WriteLock& lock) {
  Connection db = open_writer(path, lock);
  if (lock.damage_noted()) {
    set_checkpoint_on_close(db, false);
    const Verification found = verify(path);
    if (!found.problems.empty()) {
      throw Damaged(fmt::format("{}: {}", path, found.problems.front()));
    }
    set_checkpoint_on_close(db, true);
    lock.note_damage(false);
  }
  return db;
}

}  // namespace

Connection open_or_set_aside(const std::string& path, const WriteLock& lock, core::Time now) {
  // The start that moved it aside may have been cut short.
  if (lock.damage_noted() && !fs::exists(path)) lock.set_high_water(0);
  try {
    return open_whole(path, lock);
  } catch (const Damaged&) {
    // It may be a file of somebody else's, to whom nothing is damaged.
    if (lock.high_water().value_or(0) == 0) throw;
  }
  lock.note_damage(true);
  move_aside(path, kDamaged, now);
  lock.set_high_water(0);
  lock.note_damage(false);
  return open_writer(path, lock);
}

std::string move_aside(const std::string& database, const char* why, core::Time now) {
  std::string aside;
  do {
    std::string moment = core::format_time(now++);
    std::erase(moment, ':');
    aside = fmt::format("{}.{}-{}", database, why, moment);
  } while (fs::exists(aside) || fs::exists(aside + "-wal"));
  for (const char* end : {"-wal", "-shm", ""}) {
    std::error_code error;
    if (!fs::exists(database + end, error)) continue;
    fs::rename(database + end, aside + end, error);
    if (error) {
      throw Error(ErrorCode::kStorage, "{}{}: can't be moved aside: {}", database, end,
                  error.message());
    }
  }
  sync_folder_of(database);
  return aside;
}

std::vector<std::string> set_aside(const std::string& database) {
  if (is_postgres(database)) return {};
  const fs::path path(database);
  const std::string begin = fmt::format("{}.{}-", path.filename().string(), kDamaged);
  std::vector<std::string> found;
  std::error_code ignored;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(begin) && name.ends_with('Z')) {
      found.push_back((path.parent_path() / name).string());
    }
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace usaged::store
