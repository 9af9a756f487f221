// Stores the benchmark's organization, and prints how long that took as JSON:
//   bench_load database FILE OPTIONS...   in a database of ours, poll by poll, from AWS's replies
//   on bench_load victoria PORT OPTIONS...   in a VictoriaMetrics on this machine, a day at a time
// Options: --accounts N --regions N --daily DAYS --hourly DAYS --changing SHARE --seed N --end UNIX
// What is made up, and written as text, is not counted.
#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/process.h"
#include "bench/workload.h"
#include "net/inspector.h"
#include "store/store.h"
#include "support/memory.h"
#include "web/server.h"

namespace usaged::bench {
namespace {

using Clock = std::chrono::steady_clock;
using support::memory;

// Accounts on one of AWS's pages.
constexpr int kAccountsOfPage = 500;
constexpr std::size_t kBytesOfImport = 8 << 20;

struct Options {
  Workload workload;
  int daily = 335;
  int hourly = 30;
  std::int64_t end = 0;
};

// Seconds that went by in it, in all and in the slowest call.
class Stopwatch {
 public:
  template <typename Action>
  auto time(Action action) {
    struct Guard {
      Stopwatch& watch;
      Clock::time_point began = Clock::now();
      ~Guard() {
        const double took = std::chrono::duration<double>(Clock::now() - began).count();
        watch.seconds_ += took;
        watch.slowest_ = std::max(watch.slowest_, took);
      }
    } guard{*this};
    return action();
  }
  double seconds() const { return seconds_; }
  double slowest() const { return slowest_; }

 private:
  double seconds_ = 0;
  double slowest_ = 0;
};

// The days of the history, each with its polls' times.
std::vector<std::vector<std::int64_t>> days_of(const Options& options) {
  std::vector<std::vector<std::int64_t>> days;
  const std::int64_t last = options.end / 86400;
  for (std::int64_t day = last - options.hourly - options.daily; day <= last; ++day) {
    std::vector<std::int64_t>& times = days.emplace_back();
    const std::int64_t step = day < last - options.hourly ? 86400 : 3600;
    for (std::int64_t t = day * 86400; t < (day + 1) * 86400 && t <= options.end; t += step) {
      times.push_back(t);
    }
  }
  return days;
}

std::vector<Region> make_regions(const Options& options, std::int64_t first) {
  std::vector<Region> regions;
  for (int i = 0; i < options.workload.regions; ++i) {
    regions.emplace_back(options.workload, i, first / 3600);
  }
  return regions;
}

nlohmann::json load_database(const std::string& path, const Options& options) {
  const auto days = days_of(options);
  std::vector<Region> regions = make_regions(options, days.front().front());
  const std::int64_t before = memory("VmRSS");
  Stopwatch roll_up;
  Stopwatch parse;
  Stopwatch begin;
  Stopwatch finish;
  Stopwatch settle;
  Stopwatch thin;
  std::int64_t pairs = 0;
  {
    store::Store store(path);
    for (const std::vector<std::int64_t>& times : days) {
      const core::Seconds interval = times.size() > 1 ? core::kHour : core::kDay;
      for (const std::int64_t time : times) {
        const core::Time t = core::from_unix(time);
        for (int i = 0; i < options.workload.regions; ++i) {
          Region& region = regions[static_cast<std::size_t>(i)];
          const std::string name = region_name(i);
          region.move_to(time / 3600);
          store::Snapshot snapshot;
          for (std::size_t k = 0; k < region.size(); k += kAccountsOfPage * kTypes) {
            const std::string text =
                page_of(region, k, std::min(region.size(), k + kAccountsOfPage * kTypes));
            net::UsagePage page = parse.time([&] { return net::parse_usage_page(text); });
            std::ranges::move(page.totals, std::back_inserter(snapshot.totals));
          }
          const auto id =
              begin.time([&] { return store.begin_poll("organization", name, t, interval, t); });
          finish.time([&] {
            store.finish_poll(id, snapshot, {t, core::Outcome::kOk, 1, 1, "", ""});
          });
          settle.time([&] { store.settle("organization", name, t); });
          thin.time([&] { store.thin("organization", name, t, options.hourly * core::kDay); });
          pairs += static_cast<std::int64_t>(snapshot.totals.size());
        }
      }
    }
    roll_up.time([&] { store.sum_days(); });
  }
  nlohmann::json steps;
  double seconds = 0;
  const std::map<std::string, const Stopwatch*> all{{"parse", &parse},
                                                    {"begin", &begin},
                                                    {"finish", &finish},
                                                    {"settle", &settle},
                                                    {"thin", &thin}};
  for (const auto& [name, watch] : all) {
    steps[name] = {{"seconds", watch->seconds()}, {"slowest", watch->slowest()}};
    seconds += watch->seconds();
  }
  return {{"pairs", pairs},
          {"seconds", seconds},
          {"steps", steps},
          {"roll_up", roll_up.seconds()},
          {"memory", memory("VmHWM") - before}};
}

class Victoria {
 public:
  explicit Victoria(const std::string& port)
      : url_("http://127.0.0.1:" + port), curl_(curl_easy_init()) {}
  ~Victoria() { curl_easy_cleanup(curl_); }
  Victoria(const Victoria&) = delete;
  Victoria& operator=(const Victoria&) = delete;

  void post(const std::string& path, const std::string& body) {
    const std::string url = url_ + path;
    curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl_, CURLOPT_POST, 1L);
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl_, CURLOPT_FAILONERROR, 1L);
    const CURLcode code = watch_.time([this] { return curl_easy_perform(curl_); });
    if (code != CURLE_OK) throw std::runtime_error(url + ": " + curl_easy_strerror(code));
  }
  double seconds() const { return watch_.seconds(); }

 private:
  std::string url_;
  CURL* curl_;
  Stopwatch watch_;
};

nlohmann::json load_victoria(const std::string& port, const Options& options) {
  const auto days = days_of(options);
  std::vector<Region> regions = make_regions(options, days.front().front());
  Victoria victoria(port);
  std::int64_t pairs = 0;
  std::string body;
  for (const std::vector<std::int64_t>& times : days) {
    std::string stamps;
    for (const std::int64_t t : times)
      stamps += fmt::format("{}{}000", stamps.empty() ? "" : ",", t);
    for (int i = 0; i < options.workload.regions; ++i) {
      Region& region = regions[static_cast<std::size_t>(i)];
      std::vector<std::string> totals(region.size());
      std::vector<std::string> costs(region.size());
      for (std::size_t n = 0; n < times.size(); ++n) {
        region.move_to(times[n] / 3600);
        for (std::size_t k = 0; k < region.size(); ++k) {
          fmt::format_to(std::back_inserter(totals[k]), "{}{}", n > 0 ? "," : "",
                         *region.at(k).total);
          fmt::format_to(std::back_inserter(costs[k]), "{}{}", n > 0 ? "," : "",
                         *region.at(k).cost);
        }
      }
      for (std::size_t k = 0; k < region.size(); ++k) {
        const core::UsageTotal& usage = region.at(k);
        for (const bool cost : {false, true}) {
          fmt::format_to(
              std::back_inserter(body),
              R"({{"metric":{{"__name__":"inspector_{}","account":"{}","region":"{}","type":"{}",)"
              R"("provider":"{}","currency":"{}"}},"values":[{}],"timestamps":[{}]}})"
              "\n",
              cost ? "cost" : "total", usage.account, region_name(i), usage.type, usage.provider,
              usage.currency, cost ? costs[k] : totals[k], stamps);
        }
        if (body.size() >= kBytesOfImport) {
          victoria.post("/api/v1/import", body);
          body.clear();
        }
      }
      pairs += static_cast<std::int64_t>(region.size() * times.size());
    }
  }
  victoria.post("/api/v1/import", body);
  victoria.post("/internal/force_flush", "");
  return {{"pairs", pairs}, {"seconds", victoria.seconds()}};
}

void serve(const std::string& path, core::Time now) {
  web::ServerOptions options;
  options.database = path;
  const web::Counters counters;
  web::ServerWorld world;
  world.now = [now] { return now; };
  world.not_ready = [] { return std::string(); };
  const web::Server server(options, world, counters);
  fmt::print("{}\n", server.port());
  std::fflush(stdout);
  ::pause();
}

int run(int argc, char** argv) {
  CLI::App app("Stores the benchmark's organization.");
  Options options;
  std::string where;
  app.require_subcommand(1);
  for (const std::string name : {"database", "victoria"}) {
    CLI::App* command = app.add_subcommand(name);
    command->add_option("where", where)->required();
    command->add_option("--accounts", options.workload.accounts);
    command->add_option("--regions", options.workload.regions);
    command->add_option("--changing", options.workload.changing);
    command->add_option("--seed", options.workload.seed);
    command->add_option("--daily", options.daily);
    command->add_option("--hourly", options.hourly);
    command->add_option("--end", options.end)->required();
  }
  CLI::App* serving = app.add_subcommand("serve");
  serving->add_option("where", where)->required();
  serving->add_option("--end", options.end)->required();
  CLI11_PARSE(app, argc, argv);
  if (serving->parsed()) {
    serve(where, core::from_unix(options.end));
    return 0;
  }
  const bool ours = app.got_subcommand("database");
  fmt::print("{}\n", (ours ? load_database(where, options) : load_victoria(where, options)).dump());
  return 0;
}

}  // namespace
}  // namespace usaged::bench

int main(int argc, char** argv) {
  usaged::app::prepare_process();
  return usaged::bench::run(argc, argv);
}
