// How long each question takes on a year of history: bench_questions [DATABASE] [ACCOUNTS]
//
// The database (made if it is not there) has a synthetic organization in two regions, polled daily
// for a year and hourly for the last 30 days. Each question is asked over HTTP, all in turn, so
// many rounds; then rules are evaluated.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "app/rules.h"
#include "core/text.h"
#include "support/raw_http.h"
#include "support/temp_folder.h"
#include "support/year.h"
#include "web/server.h"

namespace usaged {
namespace {

using std::chrono::steady_clock;

constexpr int kRounds = 20;
const core::Time kNow = core::from_unix(1772366400);  // 2026-03-01T12:00Z

double seconds(steady_clock::time_point since) {
  return std::chrono::duration<double>(steady_clock::now() - since).count();
}

void build(const std::string& path, int accounts) {
  support::Year year;
  year.accounts = accounts;
  year.now = kNow;
  const support::Stored stored = support::store_year(path, year);
  fmt::print("stored {} rows in {:.1f} s ({:.0f} rows/s); a year of days summed in {:.1f} s\n",
             stored.rows, stored.seconds, static_cast<double>(stored.rows) / stored.seconds,
             stored.sum_seconds);
}

// What one evaluation of a rule costs.
void time_rules(const std::string& path) {
  store::Reader reader(path);
  fmt::print("\n{:<40} {:>7} {:>10} {:>10} {:>10}\n", "rule", "groups", "first ms", "then ms",
             "us/group");
  for (const core::RuleKind kind : {core::RuleKind::kSpike, core::RuleKind::kIncrease}) {
    for (const std::vector<std::string>& group_by :
         {std::vector<std::string>{}, {"account"}, {"account", "region", "type"}}) {
      core::Rule rule = core::default_rule(kind, "r");
      rule.group_by = group_by;
      constexpr int kTimes = 5;
      app::RuleMemory memory;
      const auto evaluate = [&] {
        const auto began = steady_clock::now();
        const std::size_t groups = app::measure(reader, rule, kNow, memory).size();
        return std::pair(groups, seconds(began));
      };
      const double first = evaluate().second;
      std::vector<double> times;
      std::size_t groups = 0;
      for (int i = 0; i < kTimes; ++i) {
        const auto [seen, took] = evaluate();
        groups = seen;
        times.push_back(took);
      }
      std::ranges::sort(times);
      const double then = times[kTimes / 2];
      fmt::print("{:<40} {:>7} {:>10.1f} {:>10.1f} {:>10.1f}\n",
                 fmt::format("{} by [{}]", core::rule_kind_name(kind), core::join(group_by, ", ")),
                 groups, 1e3 * first, 1e3 * then, 1e6 * then / static_cast<double>(groups));
    }
  }
}

int run(int argc, char** argv) {
  const support::TempFolder folder;
  const std::string path = argc > 1 ? argv[1] : folder.path("year.db");
  const int accounts = argc > 2 ? std::atoi(argv[2]) : 770;
  if (!std::filesystem::exists(path)) build(path, accounts);
  {
    store::Reader reader(path);
    fmt::print("{} series, {} samples, {} days of series, {:.0f} MB\n\n",
               reader.db().execAndGet("SELECT count(*) FROM series").getInt64(),
               reader.db().execAndGet("SELECT count(*) FROM sample").getInt64(),
               reader.db().execAndGet("SELECT count(*) FROM daily").getInt64(),
               static_cast<double>(std::filesystem::file_size(path)) / 1e6);
  }
  web::ServerOptions options;
  options.database = path;
  const web::Counters counters;
  const web::Server server(options, {[] { return kNow; }, [] { return std::string(); }}, counters);

  std::string account;
  {
    store::Reader reader(path);
    account = reader.db().execAndGet("SELECT account FROM series LIMIT 1").getString();
  }
  const std::string one = "account=" + account;
  const std::vector<std::string> questions{
      "status",
      "accounts?limit=100",
      "polls?limit=100",
      "usage/latest?limit=100",
      "usage/latest?group_by=account&top=20",
      "usage/history?" + one + "&type=EC2_INSTANCE_HOURS&region=us-east-1&step=raw",
      "usage/history?" + one + "&group_by=type&step=1h",
      "usage/history?group_by=type&step=1d",
      "usage/history?group_by=type&step=1d&start=now-365d",
      "usage/history?step=1h",
      "usage/history?group_by=account&step=1d&top=10",
      "usage/history?group_by=tag.team&step=1d",
      "usage/daily?" + one + "&group_by=type&start=now-365d",
      "usage/daily?group_by=type&start=now-365d",
      "usage/daily?group_by=account&limit=100",
      "usage/daily?group_by=tag.team&start=now-365d",
      "usage/daily?group_by=account,type&limit=100",
      "usage/deltas?group_by=account&top=10",
      "usage/deltas?group_by=account&window=30d&top=10",
      "usage/deltas?group_by=type&window=7d",
      "usage/forecast?months=12",
      "usage/forecast?group_by=account&months=3&limit=100",
      "usage/showback?by=team&months=12",
      "usage/echo?window=7d",
      "usage/echo?group_by=account&limit=100",
      "alerts",
      "notifications",
      "usage/history?group_by=account&step=1d&format=csv",
      "export?start=now-1d",
      "export?start=now-30d&format=focus&type=EC2_INSTANCE_HOURS",
  };
  std::vector<std::vector<double>> times(questions.size());
  std::vector<std::size_t> sizes(questions.size());
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const auto began = steady_clock::now();
      const std::string reply = support::get(server.port(), "/api/v1/" + questions[i], true);
      times[i].push_back(1000 * seconds(began));
      sizes[i] = reply.size();
      if (support::status_of(reply) != 200) {
        fmt::print("{}: {}\n", questions[i], reply);
        return 1;
      }
    }
  }
  fmt::print("{:>9}  {:>9}  {:>9}  {}\n", "p50 ms", "p99 ms", "KB", "question");
  for (std::size_t i = 0; i < questions.size(); ++i) {
    std::ranges::sort(times[i]);
    fmt::print("{:9.2f}  {:9.2f}  {:9.1f}  {}\n", times[i][times[i].size() / 2], times[i].back(),
               static_cast<double>(sizes[i]) / 1e3, questions[i]);
  }
  time_rules(path);
  return 0;
}

}  // namespace
}  // namespace usaged

int main(int argc, char** argv) { return usaged::run(argc, argv); }
