#include "app/backtest.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "app/alerter.h"
#include "core/error.h"
#include "store/export.h"
#include "store/reader.h"
#include "store/store.h"

namespace usaged::app {
namespace {

using core::Time;

// Polls so near each other are put before the rules together, as the daemon does.
constexpr core::Seconds kTogether{60};

// A folder that is gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "usaged-backtest-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw core::Error(core::ErrorCode::kStorage, "{}: can't be made (TMPDIR)", name);
    }
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

Backtest backtest(const std::string& database, const core::Config& config, Time start, Time end,
                  Log& log) {
  store::Reader source(database);
  const Folder folder;
  store::Store replay(folder.path() + "/replay.db");
  core::AccountDirectory accounts;
  for (const store::AccountRow& account : source.accounts()) {
    if (account.known != core::Account{}) accounts[account.id] = account.known;
  }
  replay.set_accounts(accounts);

  core::Config rules = config;
  rules.receivers.clear();
  ManualClock clock(start);
  Stop stop;
  Alerter alerter(rules, {replay, clock, stop, log, [] { return true; }});

  Backtest result;
  std::optional<Time> last;
  const auto judge = [&] {
    if (!last || *last < start) return;
    clock.set(*last);
    alerter.evaluate();
  };
  store::each_snapshot(
      source, end, [&](const store::PollRow& poll, const store::Snapshot& snapshot) {
        if (last && poll.started > *last + kTogether) judge();
        if (!last || poll.started < result.from) result.from = poll.started;
        last = poll.started;
        result.to = poll.started;
        ++result.polls;
        const auto id =
            replay.begin_poll(poll.target, poll.region, poll.slot, poll.interval, poll.started);
        const Time finished = poll.finished.value_or(poll.started);
        const auto outcome = core::parse_outcome(poll.outcome).value_or(core::Outcome::kServer);
        if (outcome == core::Outcome::kOk) {
          replay.finish_poll(id, snapshot, {finished, outcome, 1, 1, "", ""});
          replay.settle(poll.target, poll.region, poll.started);
          replay.sum_days();
        } else {
          replay.fail_poll(id, {finished, outcome, 1, 0, poll.error, ""});
        }
      });
  judge();

  store::Reader reader(replay.path());
  constexpr int kEvery = 2000000000;
  for (core::Alert& alert : reader.alerts("", 0, kEvery)) {
    if (alert.state == core::AlertState::kPending) continue;
    BacktestAlert one;
    one.value = alert.peak.value_or(0);
    one.baseline = alert.before.value_or(0);
    if (!alert.details.empty()) {
      const auto details = nlohmann::json::parse(alert.details);
      one.value = details.value("value", one.value);
      one.baseline = details.value("expected", one.baseline);
    }
    one.alert = std::move(alert);
    result.alerts.push_back(std::move(one));
  }
  std::ranges::stable_sort(result.alerts, {}, [](const BacktestAlert& one) {
    return one.alert.starts_at.value_or(one.alert.pending_since);
  });
  return result;
}

}  // namespace usaged::app
