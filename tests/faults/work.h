#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "store/backup.h"
#include "store/days.h"
#include "store/export.h"
#include "store/history.h"
#include "store/reader.h"
#include "store/store.h"
#include "support/usage.h"

// Everything that a daemon stores, in small, and what has to be there of it afterwards.
namespace usaged::faults {

inline const core::Time kStart = core::from_unix(1772366400);  // a noon

// Whether every case is wanted (FAULTS=long), rather than some of each.
inline bool is_long() { return std::getenv("FAULTS") != nullptr; }  // NOLINT(concurrency-mt-unsafe)

// What was tried to be stored, by a key of its own, and whether somebody was told that it was.
struct Entry {
  std::string content;
  bool told = false;
};
using Ledger = std::map<std::string, Entry>;

// Polls of two regions for some days, a day of which gets settled and summed, alerts, messages,
// silences. The same from the same seed. An error ends one piece of it; the rest is tried.
class Work {
 public:
  Work(std::string path, unsigned seed, int hours = 30, int accounts = 20)
      : path_(std::move(path)), random_(seed), hours_(hours), accounts_(accounts) {}
  // Silences are stored with nlohmann::json, whose destructor takes memory and can't do without.
  void leave_out_silences() { silences_ = false; }

  // Throws what opening the store throws, and std::bad_alloc.
  void run() {
    store::Store store(path_);
    for (int hour = 0; hour < hours_; hour += 1 + hour % 3) {
      for (const std::string region : {"eu-west-1", "us-east-1"}) {
        tried([&] { poll(store, region, hour); });
      }
      if (silences_ && hour % 10 == 0) tried([&] { silence(store, hour); });
      if (hour % 5 == 0) tried([&] { alert(store, hour); });
      if (hour % 7 == 0) tried([&] { deliver(store, hour); });
    }
    tried([&] { store.sum_days(); });
  }

  // One more poll of a region.
  void poll(store::Store& store, const std::string& region, int hour) {
    const core::Time t = kStart + hour * core::kHour;
    std::vector<core::UsageTotal> totals;
    std::string content;
    for (int account = 0; account < accounts_; ++account) {
      for (const std::string type : {"EC2_INSTANCE_HOURS", "ECR_RESCAN", "LAMBDA_FUNCTION_HOURS"}) {
        const auto total = static_cast<double>(random_() % 100000) / 7;
        const auto one =
            support::usage(fmt::format("{:012}", 100 + account), type, total, total / 3);
        content += text(one.account, type, total, total / 3);
        totals.push_back(one);
      }
    }
    Entry& entry = ledger_[fmt::format("poll {} {}", region, core::unix_seconds(t))];
    entry.content = content;
    const auto id = store.begin_poll("t", region, t, core::kHour, t);
    store.finish_poll(id, {totals, {}}, {t + core::Seconds{2}, core::Outcome::kOk, 1, 1, "", "r"});
    entry.told = true;
    store.settle("t", region, t + core::kHour);
  }

  static std::string text(const std::string& account, const std::string& type, double total,
                          double cost) {
    return fmt::format("{} {} {} {}\n", account, type, total, cost);
  }

  const Ledger& ledger() const { return ledger_; }
  int errors() const { return errors_; }

 private:
  template <typename Action>
  void tried(const Action& action) {
    try {
      action();
    } catch (const core::Error&) {
      ++errors_;
    } catch (const std::bad_alloc&) {
      ++errors_;
    }
  }

  void silence(store::Store& store, int hour) {
    const std::string comment = fmt::format("silence {}", hour);
    Entry& entry = ledger_[comment];
    entry.content = "somebody";
    core::Silence silence;
    silence.matchers = {{"account_id", "000000000100"}};
    silence.starts_at = silence.created_at = kStart + hour * core::kHour;
    silence.ends_at = silence.starts_at + core::kDay;
    silence.created_by = entry.content;
    silence.comment = comment;
    store.add_silence(silence);
    entry.told = true;
  }

  void alert(store::Store& store, int hour) {
    const core::Time t = kStart + hour * core::kHour;
    const std::string name = fmt::format("alert {}", hour);
    Entry& entry = ledger_[name];
    entry.content = "firing";
    core::Alert alert;
    alert.fingerprint = name;
    alert.rule = "r";
    alert.severity = "warning";
    alert.state = core::AlertState::kFiring;
    alert.pending_since = alert.counted_until = t;
    alert.starts_at = t;
    store.apply({{alert, core::AlertChange::kFired, {"hook"}}}, t);
    entry.told = true;
  }

  // Puts what is untold into a message, and sends those that are due.
  void deliver(store::Store& store, int hour) {
    const core::Time t = kStart + hour * core::kHour;
    std::vector<std::int64_t> events;
    for (const core::Untold& one : store.outbox("hook").untold) events.push_back(one.event);
    store::Notification message;
    message.uid = fmt::format("message {}", hour);
    message.receiver = "hook";
    message.group_key = "g";
    message.reason = "news";
    message.created = t;
    message.body = "body";
    Entry& entry = ledger_[message.uid];
    entry.content = message.body;
    store.compose(message, events);
    entry.told = true;
    for (const store::Notification& due : store.due_notifications("hook", t, 10)) {
      store.record_delivery(due.id, {store::DeliveryState::kDelivered, t, t, ""});
    }
  }

  std::string path_;
  std::mt19937 random_;
  int hours_;
  int accounts_;
  bool silences_ = true;
  Ledger ledger_;
  int errors_ = 0;
};

// What is stored, by the same keys; each key as often as it is there.
inline std::multimap<std::string, std::string> stored(const std::string& path) {
  store::Reader reader(path);
  std::multimap<std::string, std::string> all;
  const auto rows = [&](const std::string& sql) {
    store::Query query(reader.db(), sql);
    while (query.step()) {
      all.emplace(query.text(0), query.text(1));
    }
  };
  store::Query polls(reader.db(), "SELECT id, region, started FROM poll WHERE outcome = 'ok'");
  store::Query samples(reader.db(),
                       "SELECT account, type, total, cost FROM sample x JOIN series s ON s.id = "
                       "x.series_id WHERE poll_id = ? ORDER BY account, type");
  while (polls.step()) {
    std::string content;
    samples.bind(1, polls.integer(0));
    while (samples.step()) {
      content += Work::text(samples.text(0), samples.text(1), samples.real(2), samples.real(3));
    }
    samples.reset();
    all.emplace(fmt::format("poll {} {}", polls.text(1), polls.integer(2)), content);
  }
  rows("SELECT comment, created_by FROM silence");
  rows("SELECT fingerprint, state FROM alert");
  rows("SELECT uid, body FROM notification");
  return all;
}

// Everything that can be asked, as text.
inline std::string answers(const std::string& path) {
  std::string all;
  for (const auto& [key, content] : stored(path)) all += key + ": " + content;
  store::Reader reader(path);
  const core::Time end = kStart + 40 * core::kHour;
  for (const core::Metric metric : {core::Metric::kCost, core::Metric::kTotal}) {
    for (const store::Dimensions& group_by : {store::Dimensions{"type"}, {"account", "type"}}) {
      const store::Question question{{}, group_by, metric};
      const auto history =
          store::History(reader).history(question, kStart, end, core::Step(core::kHour), end);
      for (const store::HistoryLine& line : history.lines) {
        for (const auto& [name, value] : line.group.labels) all += name + value;
        for (const auto& value : line.values) all += fmt::format(" {}", value.value_or(-1));
        all += '\n';
      }
      const auto days = store::daily(reader, question, kStart, end, end + core::kDay);
      for (const store::DailyLine& line : days.lines) {
        for (const auto& [name, value] : line.group.labels) all += name + value;
        for (const auto& day : line.days) {
          if (day)
            all += fmt::format(" {} {} {}", day->low, day->high.value_or(-1),
                               day->estimate.value_or(-1));
        }
        all += '\n';
      }
    }
  }
  for (const store::LatestRow& row : store::History(reader).latest({}, end).rows) {
    all +=
        fmt::format("{} {} {} {} {} {} {}\n", row.account, row.region, row.type, row.target,
                    core::format_time(row.taken_at), row.total.value_or(-1), row.cost.value_or(-1));
  }
  for (const store::AccountRow& row : reader.accounts()) {
    all += fmt::format("{} {}\n", row.id, row.active);
  }
  store::each_snapshot(reader, end, [&](const store::PollRow& poll, const store::Snapshot& found) {
    all += fmt::format("{} {} {}\n", poll.id, poll.target, found.totals.size());
  });
  store::each_charge(reader, {}, kStart, end, end + core::kDay,
                     [&](const core::Charge& charge) { all += fmt::format("{}\n", charge.cost); });
  return all;
}

// Opens what was left behind, as the next start does, and says what is wrong with it: what was told
// and is not there, what is there and was not tried, what is there twice, damage. Empty: nothing.
inline std::vector<std::string> wrongs(const std::string& path, const Ledger& ledger) {
  std::vector<std::string> wrong;
  try {
    { store::Store(path).recover(kStart + 100 * core::kDay); }
    wrong = store::verify(path).problems;
    const auto all = stored(path);
    for (const auto& [key, entry] : ledger) {
      if (entry.told && all.count(key) != 1) {
        wrong.push_back(fmt::format("{} is there {} times", key, all.count(key)));
      }
    }
    for (const auto& [key, content] : all) {
      const auto found = ledger.find(key);
      if (found == ledger.end()) {
        wrong.push_back(key + " was never tried");
      } else if (found->second.content != content) {
        wrong.push_back(key + " is otherwise than it was");
      }
    }
  } catch (const core::Error& e) {
    wrong.emplace_back(e.what());
  }
  return wrong;
}

}  // namespace usaged::faults
