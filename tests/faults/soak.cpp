// soak POLLS: a daemon, and the AWS that it asks, for so many polls on a clock that runs fast,
// while it is reloaded, backed up, silenced and asked. Backups are restored elsewhere and read
// whole. Prints a CSV line for each hundredth: polls, and the process's memory, heap in use, open
// files and threads, and the size of the database.
#include <fmt/format.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include "app/process.h"
#include "core/region.h"
#include "store/backup.h"
#include "store/reader.h"
#include "support/memory.h"
#include "support/raw_http.h"
#include "support/sanitizer.h"
#include "support/world.h"

namespace usaged::faults {
namespace {

namespace fs = std::filesystem;

constexpr int kTargets = 4;
// That come due; what is not reached in time is a gap.
constexpr double kPollsPerSecond = support::kThreadSanitizer ? 250 : 300;
constexpr int kSteps = 100;

std::int64_t entries(const std::string& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

std::int64_t polls_of(store::Reader& reader) {
  return reader.db().integer("SELECT ifnull(max(id), 0) FROM poll");
}

void require(bool good, const std::string& what) {
  if (good) return;
  std::cerr << what << '\n';
  std::_Exit(1);  // threads are still at work
}

class Soak {
 public:
  explicit Soak(std::int64_t polls) : polls_(polls) {
    // Long runs go round more regions; short ones live through some days too.
    const auto regions = core::known_regions().first(polls_ < 100'000 ? 8 : 33);
    world_.options.organization.regions = {regions.begin(), regions.end()};
    world_.options.faults = sim::parse_faults(
        "faults", "faults: [{kind: server_error, every: 50}, {kind: cut, every: 70}]");
    world_.config.retention = {3 * core::kDay, 2 * core::kDay};
    core::Rule limit;
    limit.name = "limit";
    limit.kind = core::RuleKind::kThreshold;
    limit.limit = 5;
    limit.group_by = {"account"};
    world_.config.rules.push_back(limit);
    core::Receiver nobody;
    nobody.name = "nobody";
    nobody.url = "http://127.0.0.1:9/";
    world_.config.receivers = {nobody};
    world_.start_simulator();
    for (int i = 1; i < kTargets; ++i) {
      core::Target target = world_.config.targets.front();
      target.name = fmt::format("t{}", i);
      world_.config.targets.push_back(target);
    }
    app::Daemon::World world = world_.daemon_world();
    world.configuration = [this] {
      core::Config config = world_.config;
      config.rules.back().limit = ++reloads_ % 2 == 0 ? 5 : 500;
      return config;
    };
    daemon_ = std::make_unique<app::Daemon>(world_.config, std::move(world));
    daemon_->start();
    world_.clock.run(kPollsPerSecond * 3600 / (kTargets * static_cast<double>(regions.size())));
  }

  void run() {
    std::cout << "polls,resident_kb,heap_kb,files,threads,database_kb\n";
    store::Reader reader(path());
    for (int step = 1; step <= kSteps; ++step) {
      while (polls_of(reader) < polls_ * step / kSteps) {
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
        require(daemon_->alive(), "a thread stands still");
      }
      act(step);
      fmt::print("{},{},{},{},{},{}\n", polls_of(reader), support::memory("VmRSS") / 1024,
                 mallinfo2().uordblks / 1024, entries("/proc/self/fd"), entries("/proc/self/task"),
                 (fs::file_size(path()) + wal_size()) / 1024);
      std::fflush(stdout);
    }
    world_.stop->request();
    daemon_->join();
    daemon_.reset();
    require(store::verify(path()).problems.empty(), "the database is not whole");
  }

 private:
  std::string path() const { return world_.config.database; }
  std::uintmax_t wal_size() const {
    std::error_code none;
    const std::uintmax_t size = fs::file_size(path() + "-wal", none);
    return none ? 0 : size;
  }

  void act(int step) {
    for (const char* question : {"/api/v1/usage/latest?limit=100", "/api/v1/status", "/metrics",
                                 "/api/v1/usage/history?group_by=type&step=1d", "/api/v1/alerts"}) {
      const std::string reply = support::get(daemon_->port(), question, true);
      require(support::status_of(reply) == 200, question + (": " + reply.substr(0, 300)));
    }
    const std::string body =
        R"({"matchers": ["account_id=1"], "duration": "6h", "created_by": "x", "comment": "soak"})";
    const std::string reply = support::raw_http(
        daemon_->port(),
        fmt::format("POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                    body.size(), body),
        false, 60);
    require(support::status_of(reply) == 201, reply);
    if (step % 5 == 0) daemon_->reload();
    if (step % 10 == 0) {
      const std::string copy = world_.folder.path("copy.db");
      const std::string restored = world_.folder.path("restored.db");
      store::back_up(path(), copy);
      store::restore(copy, restored, world_.clock.now());
      const store::Verification found = store::verify(restored);
      require(found.problems.empty() && found.polls > 0, "a restored copy is not whole");
      for (const auto& file : fs::directory_iterator(world_.folder.path())) {
        const std::string name = file.path().filename();
        if (name.starts_with("copy.db") || name.starts_with("restored.db")) fs::remove(file);
      }
    }
  }

  std::int64_t polls_;
  support::World world_{3};
  std::atomic<int> reloads_ = 0;
  std::unique_ptr<app::Daemon> daemon_;
};

}  // namespace
}  // namespace usaged::faults

int main(int argc, char** argv) {
  usaged::app::prepare_process();
  usaged::faults::Soak(argc > 1 ? std::strtoll(argv[1], nullptr, 10) : 3000).run();
}
