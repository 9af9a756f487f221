// Copies of the database: backup, restore, verify.
#include "store/backup.h"

#include <Poco/DeflatingStream.h>
#include <Poco/Exception.h>
#include <Poco/InflatingStream.h>
#include <Poco/StreamCopier.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/clock.h"
#include "core/error.h"
#include "core/text.h"
#include "daemon/commands.h"
#include "web/replies.h"

namespace usaged::daemon {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::ErrorCode;
using web::Json;

constexpr std::string_view kPrefix = "inspector-usaged-";
constexpr std::string_view kPlain = ".db";
constexpr std::string_view kPacked = ".db.gz";
constexpr int kGzipLevel = 6;

struct BackupFlags {
  std::string place;
  std::string database;
  int keep = 0;  // 0: all
  bool gzip = false;
  bool as_json = false;
};

// A file that goes when it is no longer needed.
class Scratch {
 public:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  ~Scratch() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

bool is_packed(const std::string& path) { return path.ends_with(".gz"); }

void check(const std::ios& stream, const std::string& path) {
  if (!stream.good() && !stream.eof()) {
    throw Error(ErrorCode::kStorage, "{}: can't be read or written whole", path);
  }
}

void pack(const std::string& from, const std::string& to) {
  std::ifstream in(from, std::ios::binary);
  std::ofstream out(to, std::ios::binary | std::ios::trunc);
  check(in, from);
  check(out, to);
  Poco::DeflatingOutputStream packing(out, Poco::DeflatingStreamBuf::STREAM_GZIP, kGzipLevel);
  Poco::StreamCopier::copyStream(in, packing);
  packing.close();
  out.flush();
  check(in, from);
  if (!out.good()) throw Error(ErrorCode::kStorage, "{}: can't be written", to);
}

void unpack(const std::string& from, const std::string& to) {
  std::ifstream in(from, std::ios::binary);
  if (!in) throw Error(ErrorCode::kInvalid, "{}: can't be read", from);
  std::ofstream out(to, std::ios::binary | std::ios::trunc);
  if (!out) throw Error(ErrorCode::kStorage, "{}: can't be written", to);
  try {
    Poco::InflatingInputStream unpacking(in, Poco::InflatingStreamBuf::STREAM_GZIP);
    Poco::StreamCopier::copyStream(unpacking, out);
    if (unpacking.bad()) throw Error(ErrorCode::kStorage, "{}: is cut off or damaged", from);
  } catch (const Poco::Exception& e) {
    throw Error(ErrorCode::kStorage, "{}: is cut off or damaged: {}", from, e.displayText());
  }
  out.flush();
  if (!out.good()) throw Error(ErrorCode::kStorage, "{}: can't be written", to);
}

// The copies in a folder, oldest first: their names have the time.
std::vector<fs::path> copies_in(const fs::path& folder) {
  std::vector<fs::path> copies;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix) && (name.ends_with(kPlain) || name.ends_with(kPacked))) {
      copies.push_back(entry.path());
    }
  }
  std::ranges::sort(copies);
  return copies;
}

// All but the newest go.
int prune(const fs::path& folder, int keep) {
  if (keep == 0) return 0;
  std::vector<fs::path> copies = copies_in(folder);
  int removed = 0;
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < copies.size(); ++i) {
    fs::remove(copies[i]);
    ++removed;
  }
  return removed;
}

int back_up(const Globals& globals, const BackupFlags& given) {
  const std::string database = database_of(globals, given.database);
  const bool into_folder = fs::is_directory(given.place);
  if (given.keep > 0 && !into_folder) {
    throw Error(ErrorCode::kInvalid, "--keep: {} is not a folder of copies", given.place);
  }
  std::string moment = core::format_time(app::SystemClock().now());
  std::erase(moment, ':');
  std::string copy = given.place;
  if (into_folder) {
    copy = (fs::path(given.place) / fmt::format("{}{}{}", kPrefix, moment, kPlain)).string();
    if (given.gzip) copy += ".gz";
  } else if (given.gzip != is_packed(copy)) {
    throw Error(ErrorCode::kInvalid, "{}: a name that ends with .gz, and --gzip, go together",
                copy);
  }
  if (fs::exists(copy)) throw Error(ErrorCode::kConflict, "{}: is there already", copy);
  const bool shown = isatty(STDERR_FILENO) != 0;
  const auto progress = [shown](double done) {
    if (shown) fmt::print(stderr, "\r{:3.0f} %", 100 * done);
    if (shown && done >= 1) fmt::print(stderr, "\r      \r");
  };
  if (given.gzip) {
    const Scratch plain(copy + ".plain");
    const Scratch packed(copy + ".partial");
    store::back_up(database, plain.path(), progress);
    pack(plain.path(), packed.path());
    // What was packed is what was checked.
    const Scratch again(copy + ".again");
    unpack(packed.path(), again.path());
    if (fs::file_size(again.path()) != fs::file_size(plain.path()) ||
        !store::verify(again.path()).problems.empty()) {
      throw Error(ErrorCode::kStorage, "{}: could not be packed whole, and was not kept", copy);
    }
    fs::rename(packed.path(), copy);
  } else {
    store::back_up(database, copy, progress);
  }
  const int removed = into_folder ? prune(given.place, given.keep) : 0;
  const auto size = static_cast<std::int64_t>(fs::file_size(copy));
  if (given.as_json) {
    fmt::print(
        "{}\n",
        web::to_text(
            {{"data",
              {{"database", database}, {"copy", copy}, {"bytes", size}, {"removed", removed}}}},
            2));
  } else {
    fmt::print("{}: {} bytes, checked{}\n", copy, size,
               removed > 0 ? fmt::format("; {} older ones removed", removed) : "");
  }
  return 0;
}

// The copy as a plain database, unpacked beside `near` if it is packed.
std::string plain_copy(const std::string& copy, const std::string& near,
                       std::unique_ptr<Scratch>& scratch) {
  if (!is_packed(copy)) return copy;
  scratch = std::make_unique<Scratch>(near + ".unpacked");
  unpack(copy, scratch->path());
  return scratch->path();
}

int verify(const Globals& globals, const BackupFlags& given) {
  const std::string path = given.place.empty() ? database_of(globals, given.database) : given.place;
  std::unique_ptr<Scratch> scratch;
  const store::Verification found = store::verify(plain_copy(path, path, scratch));
  if (given.as_json) {
    fmt::print(
        "{}\n",
        web::to_text(
            {{"data",
              {{"file", path},
               {"whole", found.problems.empty()},
               {"problems", found.problems},
               {"bytes", found.bytes},
               {"schema", found.schema},
               {"polls", found.polls},
               {"newest", found.newest ? Json(core::format_time(*found.newest)) : Json(nullptr)}}}},
            2));
  } else if (found.problems.empty()) {
    fmt::print("{}: whole: {} bytes, {} polls, the newest good one of {}\n", path, found.bytes,
               found.polls, found.newest ? core::format_time(*found.newest) : "never");
  } else {
    for (const std::string& problem : found.problems) fmt::print("{}: {}\n", path, problem);
  }
  return found.problems.empty() ? 0 : 1;
}

int restore(const Globals& globals, const BackupFlags& given) {
  const std::string database = database_of(globals, given.database);
  if (!fs::exists(given.place)) {
    throw Error(ErrorCode::kInvalid, "{}: there is no such copy", given.place);
  }
  std::unique_ptr<Scratch> scratch;
  const std::string aside = store::restore(plain_copy(given.place, database, scratch), database,
                                           app::SystemClock().now());
  if (given.as_json) {
    fmt::print("{}\n", web::to_text({{"data",
                                      {{"database", database},
                                       {"copy", given.place},
                                       {"aside", aside.empty() ? Json(nullptr) : Json(aside)}}}},
                                    2));
  } else {
    fmt::print("{} is what {} was{}\n", database, given.place,
               aside.empty() ? "" : "; what was there is " + aside);
  }
  return 0;
}

}  // namespace

void add_backup(CLI::App& app, const Globals& globals, int& exit_code) {
  const auto given = std::make_shared<BackupFlags>();
  const auto common = [given](CLI::App* command) {
    command->add_option("--database", given->database,
                        "Database file, instead of the configuration's");
    command->add_flag("--json", given->as_json, "Print JSON");
  };
  CLI::App* backup =
      app.add_subcommand("backup", "Copy the database while the daemon runs, and check the copy");
  backup
      ->add_option("place", given->place,
                   "A folder, which gets a file named by the time, or a new file")
      ->required();
  backup->add_option("--keep", given->keep, "Of the copies in the folder, keep the so many newest")
      ->check(CLI::Range(1, 100000));
  backup->add_flag("--gzip", given->gzip, "Pack it");
  common(backup);
  backup->callback([&, given] { exit_code = back_up(globals, *given); });

  CLI::App* verify_command = app.add_subcommand(
      "verify", "Read all of the database, or of a copy; exits with 1 if it is not whole");
  verify_command->add_option("copy", given->place,
                             "A copy, packed or not, instead of the database");
  common(verify_command);
  verify_command->callback([&, given] { exit_code = verify(globals, *given); });

  CLI::App* restore_command = app.add_subcommand("restore",
                                                 "Put a copy in the database's place; not while "
                                                 "the daemon runs. What was there is moved aside");
  restore_command->add_option("copy", given->place, "The copy, packed or not")->required();
  common(restore_command);
  restore_command->callback([&, given] { exit_code = restore(globals, *given); });
}

}  // namespace usaged::daemon
