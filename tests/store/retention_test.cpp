#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

#include "store/coverage.h"
#include "store/days.h"
#include "store/history.h"
#include "store/store.h"
#include "support/database.h"
#include "support/samples.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

using core::kDay;
using core::kHour;
using core::Outcome;
using support::usage;
using ::testing::ElementsAre;

const core::Time kRetentionStart = core::from_unix(1767225600);  // a midnight
constexpr core::Seconds kKeep = 35 * kDay;

class RetentionTest : public ::testing::Test {
 protected:
  void poll(int hour, const std::vector<core::UsageTotal>& totals) {
    const core::Time t = kRetentionStart + hour * kHour + core::Seconds{1200};
    const auto id = store_.begin_poll("t", "r", t, kHour, t);
    store_.finish_poll(id, {totals, {}}, {t, Outcome::kOk, 1, 1, "", ""});
  }
  void fail(int hour) {
    const core::Time t = kRetentionStart + hour * kHour + core::Seconds{1200};
    store_.fail_poll(store_.begin_poll("t", "r", t, kHour, t),
                     {t, Outcome::kTimeout, 1, 0, "failed", ""});
  }
  // 60 days: one series for all of them, one until noon of the fifth, one outage of the eleventh
  // and the twelfth.
  void sixty_days() {
    store_.set_targets({target_}, kRetentionStart);
    for (int hour = 0; hour < 60 * 24; ++hour) {
      const int day = hour / 24;
      if (day == 10 || day == 11) {
        fail(hour);
        continue;
      }
      std::vector<core::UsageTotal> totals{usage("111111111111", "A", hour, hour * 0.5)};
      if (hour < 4 * 24 + 12) totals.push_back(usage("222222222222", "A", 1, 1));
      poll(hour, totals);
      if (hour % 24 == 0) store_.settle("t", "r", kRetentionStart + hour * kHour);
    }
    store_.settle("t", "r", end());
  }
  static core::Time end() { return kRetentionStart + 60 * kDay; }
  void thin_all() {
    for (int i = 0; i < 60; ++i) store_.thin("t", "r", end(), kKeep);
  }
  std::int64_t count(const std::string& sql) { return Reader(store_.path()).db().integer(sql); }
  // The cost of an account at the end of each day.
  std::vector<std::optional<double>> days(const std::string& account) {
    Reader reader(store_.path());
    Question question{{}, {"account"}, core::Metric::kCost};
    question.filter.accounts = {account};
    const HistoryAnswer answer = History(reader).history(
        question, kRetentionStart + kDay, end() - core::Seconds{1}, core::Step{kDay}, end());
    return answer.lines.empty() ? std::vector<std::optional<double>>{} : answer.lines[0].values;
  }
  // What was used on each day by each account, as a text.
  std::vector<std::string> usage_by_day() {
    Reader reader(store_.path());
    Question question{{}, {"account"}, core::Metric::kTotal};
    std::vector<std::string> lines;
    for (const DailyLine& line : daily(reader, question, kRetentionStart, end(), end()).lines) {
      std::string& text = lines.emplace_back();
      for (const auto& day : line.days) {
        text += day ? fmt::format("{} {} {};", static_cast<int>(day->tag), day->low,
                                  day->high.value_or(-1))
                    : "-;";
      }
    }
    return lines;
  }
  Completeness complete(int from_day, int to_day) {
    Reader reader(store_.path());
    const core::Time from = kRetentionStart + from_day * kDay;
    const core::Time to = kRetentionStart + to_day * kDay;
    return completeness(reader, load_scopes(reader, {}, from, to), from, to);
  }

  support::TempFolder folder_;
  Store store_{support::database_in(folder_)};
  core::Target target_ = [] {
    core::Target t;
    t.name = "t";
    t.regions = {"r"};
    return t;
  }();
};

TEST_F(RetentionTest, OldDaysAreThoseOfADailyPoll) {
  sixty_days();
  const auto before = days("111111111111");
  const auto gone = days("222222222222");
  const auto used = usage_by_day();
  EXPECT_EQ(complete(0, 9).good, 9 * 24);
  thin_all();
  // 25 days are older, two of them without a good poll.
  EXPECT_EQ(count("SELECT count(*) FROM poll WHERE started < " +
                  std::to_string(core::unix_seconds(kRetentionStart + 25 * kDay))),
            25);
  EXPECT_EQ(count("SELECT count(*) FROM poll WHERE outcome = 'ok'"), 23 + 35 * 24);
  EXPECT_EQ(count("SELECT count(*) FROM sample_block b WHERE level = 0 AND NOT EXISTS (SELECT 1 "
                  "FROM poll p WHERE p.id = b.at)"),
            0);
  EXPECT_EQ(count("SELECT count(*) FROM poll_total"), 23 + 35 * 24);
  // What was asked before has the same answer, and what was gone stays gone.
  const auto after = days("111111111111");
  ASSERT_EQ(after.size(), before.size());
  EXPECT_EQ(after, before);
  EXPECT_EQ(days("222222222222"), gone);
  EXPECT_FALSE(gone.at(5));
  EXPECT_EQ(used.size(), 2U);
  EXPECT_EQ(usage_by_day(), used);
  // Nothing is missing but the outage.
  EXPECT_THAT(complete(1, 9).gaps, ::testing::IsEmpty());
  EXPECT_EQ(complete(1, 9).good, 8);
  EXPECT_EQ(complete(1, 9).expected, 8);
  EXPECT_EQ(complete(20, 30).expected, 5 + 5 * 24);
  EXPECT_EQ(complete(20, 30).good, 5 + 5 * 24);
  const Completeness outage = complete(9, 14);
  ASSERT_EQ(outage.gaps.size(), 1U);
  EXPECT_EQ(outage.gaps[0].reason, "timeout");
  EXPECT_GT(outage.gaps[0].to - outage.gaps[0].from, kDay + 12 * kHour);
  EXPECT_EQ(outage.expected - outage.good, 2);
  // Again: nothing.
  const auto polls = count("SELECT count(*) FROM poll");
  thin_all();
  EXPECT_EQ(count("SELECT count(*) FROM poll"), polls);
}

TEST_F(RetentionTest, AGoneSeriesIsGoneInThePollThatStays) {
  sixty_days();
  thin_all();
  auto gone = support::sample_rows(store_.path());
  std::erase_if(gone, [](const support::SampleRow& row) { return !row.gone; });
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_EQ(count("SELECT started / 86400 FROM poll WHERE id = " + std::to_string(gone[0].poll)),
            core::day_of(kRetentionStart) + 4);
}

TEST_F(RetentionTest, WhatIsNotSettledOrYoungerOrForEverStays) {
  sixty_days();
  const auto polls = count("SELECT count(*) FROM poll");
  for (int i = 0; i < 60; ++i) store_.thin("t", "r", end(), core::Seconds{0});
  EXPECT_EQ(count("SELECT count(*) FROM poll"), polls);
  for (int i = 0; i < 60; ++i) store_.thin("t", "r", end(), 60 * kDay);
  EXPECT_EQ(count("SELECT count(*) FROM poll"), polls);
  for (int i = 0; i < 60; ++i) store_.thin("t", "other", end(), kKeep);
  EXPECT_EQ(count("SELECT count(*) FROM poll"), polls);
}

TEST_F(RetentionTest, SpaceIsGivenBack) {
  USAGED_NEEDS_A_FILE();
  store_.set_targets({target_}, kRetentionStart);
  std::vector<core::UsageTotal> totals;
  for (int i = 0; i < 1500; ++i) {
    totals.push_back(usage(std::to_string(100000000000 + i), "A", i, i));
  }
  for (int hour = 0; hour < 10 * 24; ++hour) poll(hour, totals);
  store_.settle("t", "r", kRetentionStart + 10 * kDay);
  const auto pages = count("SELECT page_count FROM pragma_page_count");
  for (int i = 0; i < 40; ++i) store_.thin("t", "r", end(), kKeep);
  EXPECT_LT(count("SELECT page_count FROM pragma_page_count"), pages / 2);
  EXPECT_EQ(count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
}

TEST_F(RetentionTest, EndedEventsAreForgotten) {
  const auto alert = [&](const std::string& name, std::optional<core::Time> ends) {
    core::Alert one;
    one.fingerprint = one.rule = name;
    one.severity = "warning";
    one.state = core::AlertState::kFiring;
    one.pending_since = one.counted_until = kRetentionStart;
    one.starts_at = kRetentionStart;
    store_.apply({{one, core::AlertChange::kFired, {"hook"}}}, kRetentionStart);
    if (!ends) return;
    core::Alert ended = store_.open_alerts().back();
    ended.state = core::AlertState::kResolved;
    ended.ends_at = *ends;
    store_.apply({{ended, core::AlertChange::kResolved}}, *ends);
  };
  alert("old", kRetentionStart + kDay);
  alert("young", kRetentionStart + 50 * kDay);
  alert("open", std::nullopt);
  Notification message;
  message.receiver = "hook";
  message.group_key = "g";
  message.reason = "news";
  message.created = kRetentionStart;
  message.body = "b";
  for (const char* uid : {"told", "waits"}) {
    message.uid = uid;
    const auto untold = store_.outbox("hook").untold;
    store_.compose(message, {untold.at(0).event});
  }
  const auto due = store_.due_notifications("hook", kRetentionStart, 10);
  ASSERT_EQ(due.size(), 2U);
  Delivery delivery;
  delivery.state = DeliveryState::kDelivered;
  delivery.at = kRetentionStart + kDay;
  store_.record_delivery(due[0].id, delivery);
  core::Silence silence;
  silence.matchers = {core::parse_matcher("a=b")};
  silence.created_by = silence.comment = "c";
  silence.starts_at = silence.created_at = kRetentionStart;
  silence.ends_at = kRetentionStart + kDay;
  store_.add_silence(silence);
  silence.ends_at = end() + kDay;
  store_.add_silence(silence);

  store_.expire(end(), core::Seconds{0});
  EXPECT_EQ(count("SELECT count(*) FROM alert"), 3);
  store_.expire(end(), 30 * kDay);
  EXPECT_EQ(count("SELECT count(*) FROM alert"), 2);
  EXPECT_EQ(count("SELECT count(*) FROM alert WHERE rule = 'old'"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM alert_event WHERE alert_id NOT IN (SELECT id FROM alert)"),
            0);
  EXPECT_EQ(count("SELECT count(*) FROM silence"), 1);
  EXPECT_EQ(count("SELECT count(*) FROM notification WHERE uid = 'waits'"), 1);
  EXPECT_EQ(count("SELECT count(*) FROM notification WHERE uid = 'told'"), 0);
}

}  // namespace
}  // namespace usaged::store
