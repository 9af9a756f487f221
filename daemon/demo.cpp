#include "app/demo.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "app/log.h"
#include "core/error.h"
#include "daemon/commands.h"

namespace usaged::daemon {
namespace {

struct DemoFlags {
  app::DemoOptions options;
  std::string end_after;
};

// A folder of the demo's own, gone when it ends.
class DemoFolder {
 public:
  DemoFolder() {
    const auto parent = std::filesystem::temp_directory_path();
    path_ = (parent / "inspector-usaged-demo-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) {
      throw core::Error(core::ErrorCode::kStorage, "{}: can't make a folder there",
                        parent.string());
    }
  }
  ~DemoFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  DemoFolder(const DemoFolder&) = delete;
  DemoFolder& operator=(const DemoFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

void show_progress(double done, int days) {
  constexpr std::size_t kWidth = 40;
  const auto filled = static_cast<std::size_t>(done * static_cast<double>(kWidth));
  fmt::print(stderr, "\r  [{}{}] {:3.0f} % of {} days", std::string(filled, '#'),
             std::string(kWidth - filled, '.'), done * 100, days);
  std::fflush(stderr);
}

void demo(const DemoFlags& flags) {
  const DemoFolder folder;
  app::DemoOptions options = flags.options;
  if (options.database.empty()) options.database = folder.file("demo.db");
  store::require_file(options.database, "the demo makes a file");
  if (std::filesystem::exists(options.database)) {
    throw core::Error(core::ErrorCode::kInvalid, "--database: {} exists; the demo makes a new one",
                      options.database);
  }
  std::optional<core::Seconds> limit;
  if (!flags.end_after.empty()) limit = core::parse_duration(flags.end_after);
  block_signals();
  const auto log = app::Log::quiet();
  app::Stop stop;
  app::Demo demo(options, stop, *log);

  fmt::print(
      "Collecting {} days of a simulated organization of {} accounts: signed requests over HTTP,\n"
      "parsed, stored and put before the alert rules, as if from AWS.\n",
      options.days, options.accounts);
  std::fflush(stdout);
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const auto began = std::chrono::steady_clock::now();
  demo.collect_history([&](double done) {
    if (terminal) show_progress(done, options.days);
  });
  if (terminal) fmt::print(stderr, "\n");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  demo.go_live();
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  fmt::print(
      "Done in {:.0f} s. From now on an hour passes in {:.2g} s, and soon the usage of account {} "
      "jumps.\n\n"
      "  Dashboard  {}/\n\n"
      "Three commands to try meanwhile:\n"
      "  {} deltas --database {} --group-by account --top 5\n"
      "  {} history --database {} --group-by tag.team --step 1d --csv\n"
      "  curl -s '{}/api/v1/alerts?state=firing'\n\n"
      "Ctrl-C ends the demo{}.\n",
      took.count(), 3600 / options.speed, demo.surging_account(), demo.url(), program,
      demo.database(), program, demo.database(), demo.url(),
      flags.options.database.empty() ? " and removes what it stored" : "");
  std::fflush(stdout);
  wait_for_signal(limit);
  stop.request();
}

}  // namespace

void add_demo(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "demo", "Show everything on a simulated organization; needs neither AWS nor a network");
  auto flags = std::make_shared<DemoFlags>();
  app::DemoOptions& options = flags->options;
  command->add_option("--port", options.port, "Of the dashboard; any free one if it is taken")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option("--accounts", options.accounts, "How many")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--days", options.days, "Of history")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--seed", options.seed, "Another seed, another organization")
      ->capture_default_str();
  command->add_option("--speed", options.speed, "Seconds that pass in one, once live")
      ->check(CLI::Range(1.0, 100000.0))
      ->capture_default_str();
  command->add_option("--database", options.database,
                      "A new file that is kept, instead of one that is removed at the end");
  command->add_option("--end-after", flags->end_after, "End by itself so long after going live");
  command->callback([flags, &exit_code] {
    demo(*flags);
    exit_code = 0;
  });
}

}  // namespace usaged::daemon
