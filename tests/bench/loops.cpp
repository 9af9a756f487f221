// The inner loops, by Google Benchmark: bench_loops [--benchmark_filter=REGEX]
// Each handles what one poll of 500 accounts has, 3,000 series, or its history; `items` are series,
// or samples of series.
#include <benchmark/benchmark.h>

#include <memory>

#include "bench/workload.h"
#include "core/daily.h"
#include "core/spike.h"
#include "net/inspector.h"
#include "net/sigv4.h"
#include "store/store.h"
#include "support/temp_folder.h"

namespace usaged::bench {
namespace {

constexpr int kAccounts = 500;
constexpr std::int64_t kSeries = kAccounts * kTypes;
constexpr std::int64_t kMidnight = 1772323200;  // 2026-03-01

Workload workload() { return {kAccounts, 1, 1.0 / 3, 1}; }

void parse(benchmark::State& state) {
  const Region region(workload(), 0, kMidnight / 3600);
  const std::string text = page_of(region, 0, region.size());
  for (auto _ : state) benchmark::DoNotOptimize(net::parse_usage_page(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations() * kSeries);
}
BENCHMARK(parse)->Unit(benchmark::kMicrosecond);

void sign(benchmark::State& state) {
  const net::sigv4::Scope scope{core::from_unix(kMidnight), "us-east-1", "inspector2"};
  for (auto _ : state) {
    net::sigv4::Request request{
        "POST",
        "/usage/list",
        "",
        {{"host", "inspector2.us-east-1.amazonaws.com"}, {"content-type", "application/json"}},
        R"({"maxResults":500})"};
    net::sigv4::sign(request, scope, {"AKIAEXAMPLE", "secret", ""});
    benchmark::DoNotOptimize(request);
  }
}
BENCHMARK(sign)->Unit(benchmark::kMicrosecond);

// A database of polls, an hour apart.
class History {
 public:
  void poll() {
    region_.move_to(hour_);
    store::Snapshot snapshot;
    for (std::size_t i = 0; i < region_.size(); ++i) snapshot.totals.push_back(region_.at(i));
    const core::Time t = core::from_unix(hour_ * 3600);
    const auto id = store_.begin_poll("t", "us-east-1", t, core::kHour, t);
    store_.finish_poll(id, snapshot, {t, core::Outcome::kOk, 1, 1, "", ""});
    ++hour_;
  }
  void polls(int count) {
    for (int i = 0; i < count; ++i) poll();
  }
  void settle() { store_.settle("t", "us-east-1", core::from_unix(hour_ * 3600)); }
  const std::string& path() const { return store_.path(); }

 private:
  support::TempFolder folder_;
  store::Store store_{folder_.path("u.db")};
  std::int64_t hour_ = kMidnight / 3600;
  Region region_{workload(), 0, hour_};
};

void append(benchmark::State& state) {
  History history;
  for (auto _ : state) history.poll();
  state.SetItemsProcessed(state.iterations() * kSeries);
}
BENCHMARK(append)->Unit(benchmark::kMillisecond);

void settle(benchmark::State& state) {
  History history;
  for (auto _ : state) {
    state.PauseTiming();
    history.polls(24);
    state.ResumeTiming();
    history.settle();
  }
  state.SetItemsProcessed(state.iterations() * kSeries * 24);
}
BENCHMARK(settle)->Unit(benchmark::kMillisecond);

// One poll of a day that is settled, whole.
void read_poll(benchmark::State& state) {
  History history;
  history.polls(25);
  history.settle();
  store::Reader reader(history.path());
  for (auto _ : state) {
    benchmark::DoNotOptimize(reader.samples().of({1, 13, core::from_unix(kMidnight + 12 * 3600)}));
  }
  state.SetItemsProcessed(state.iterations() * kSeries);
}
BENCHMARK(read_poll)->Unit(benchmark::kMicrosecond);

// One series in every poll of 30 days.
void read_series(benchmark::State& state) {
  History history;
  for (int day = 0; day < 30; ++day) {
    history.polls(24);
    history.settle();
  }
  store::Reader reader(history.path());
  for (auto _ : state) {
    reader.samples().forget();
    for (std::int64_t hour = 0; hour < 30 * 24; ++hour) {
      benchmark::DoNotOptimize(
          reader.samples().find({1, hour + 1, core::from_unix(kMidnight + hour * 3600)}, 1500));
    }
  }
  state.SetItemsProcessed(state.iterations() * 30 * 24);
}
BENCHMARK(read_series)->Unit(benchmark::kMicrosecond);

// The days of a year of one series, from its sums.
void rebuild(benchmark::State& state) {
  Region region(workload(), 0, kMidnight / 3600);
  std::vector<core::DaySums> sums;
  for (std::int64_t day = 0; day < 365; ++day) {
    core::DaySums& one = sums.emplace_back();
    const std::int64_t midnight = kMidnight + day * 86400;
    one.day = midnight / 86400;
    one.first_at = core::from_unix(midnight);
    region.move_to(midnight / 3600);
    one.first = *region.at(1).cost;
    one.last_at = core::from_unix(midnight + 23 * 3600);
    region.move_to(midnight / 3600 + 23);
    one.last = *region.at(1).cost;
    one.begins = day == 0;
  }
  for (auto _ : state) benchmark::DoNotOptimize(core::rebuild_days(sums));
  state.SetItemsProcessed(state.iterations() * 365);
}
BENCHMARK(rebuild)->Unit(benchmark::kMicrosecond);

void detect(benchmark::State& state) {
  std::vector<core::UsageDay> days;
  for (std::int64_t day = 0; day < 75; ++day) {
    const double usage = 10 + static_cast<double>(day % 7);
    days.push_back({kMidnight / 86400 + day, {usage, usage, usage}});
  }
  const core::Time to = core::from_unix(kMidnight + 75 * 86400);
  for (auto _ : state) {
    const auto baseline = core::make_baseline(days);
    benchmark::DoNotOptimize(
        core::judge_spike(*baseline, {}, to - core::kDay, to, 300, 330, {10, 10, 10}, 0, 0));
  }
}
BENCHMARK(detect)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace usaged::bench

BENCHMARK_MAIN();
