#pragma once

#include <cstdint>
#include <optional>
#include <string>

// Room on the file system that a database is on.
namespace usaged::store {

struct Room {
  // Polls need so much: the largest of them, and the log that it grows meanwhile.
  static constexpr std::int64_t kNeeded = 64 << 20;

  std::int64_t free = kNeeded;  // bytes that this user may write, the reserve among them

  bool enough() const { return free >= kNeeded; }
  std::string text() const;  // "12 MB are free, 64 MB are needed"
};

// What a database takes, and may still take; nullopt where that is not known: of one on a server.
struct Footprint {
  std::optional<std::int64_t> bytes{};
  std::optional<std::int64_t> wal_bytes{};
  std::optional<std::int64_t> free_bytes{};
};
Footprint footprint_of_file(const std::string& database);

// What there is now. A file system that doesn't say has enough.
Room room_for(const std::string& database);

// Space in `<database>.reserve` that is given back once there is not enough room, so that alerts
// and messages can be stored though polls can't, and taken again when there is.
class Reserve {
 public:
  explicit Reserve(const std::string& database) : database_(database) {}
  // Gives or takes, as needed; what there is.
  Room check() const;

 private:
  std::string database_;
};

// Waits until a file, or the names in a file's folder, are on the disk, whatever happens next.
// Throw Error(kStorage).
void sync_file(const std::string& path);
void sync_folder_of(const std::string& path);

}  // namespace usaged::store
