#include "store/poll_day.h"

#include <gmock/gmock.h>

#include <random>

#include "core/error.h"
#include "store/coverage.h"
#include "store/store.h"
#include "store/verify.h"
#include "support/database.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

using core::kDay;
using core::kHour;
using core::Outcome;
using core::Seconds;
using core::Time;
using support::usage;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Time kPollDayStart = core::from_unix(1767225600);  // 2026-01-01, a midnight

TEST(PollDay, WhatIsWrittenIsReadAgain) {
  const std::vector<std::vector<GoodPoll>> days{
      {{1, kPollDayStart, kPollDayStart, Seconds{3600}}},
      // Late, early, at once, far apart, with other intervals, ids that fall.
      {{900, kPollDayStart, kPollDayStart - Seconds{7}, Seconds{3600}},
       {7, kPollDayStart, kPollDayStart + Seconds{86400}, Seconds{1}},
       {std::int64_t{1} << 40, kPollDayStart + Seconds{86399}, core::from_unix(0),
        Seconds{86400}}}};
  for (const std::vector<GoodPoll>& day : days) {
    const std::string bytes = encode_polls(day);
    std::vector<GoodPoll> read;
    decode_polls(bytes, read);
    EXPECT_EQ(read, day);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      std::vector<GoodPoll> some;
      EXPECT_THROW(decode_polls(bytes.substr(0, size), some), core::Error) << size;
    }
  }
  std::vector<GoodPoll> none;
  EXPECT_THROW(decode_polls("\x02\x00", none), core::Error);  // of a later version
}

class PollDayTest : public ::testing::Test {
 protected:
  PollDayTest() {
    core::Target target;
    target.name = "t";
    target.regions = {"r"};
    store_.set_targets({target}, kPollDayStart);
  }

  void poll(Time t, Outcome outcome = Outcome::kOk) {
    const auto id = store_.begin_poll("t", "r", t - Seconds{random_() % 60}, kHour, t);
    if (outcome == Outcome::kOk) {
      store_.finish_poll(id, {{usage("111111111111", "ECR_RESCAN", 1, 1)}, {}},
                         {t, outcome, 1, 1, "", ""});
    } else {
      store_.fail_poll(id, {t, outcome, 1, 0, "no", ""});
    }
  }
  void polls(int from_day, int to_day) {
    for (Time t = kPollDayStart + from_day * kDay; t < kPollDayStart + to_day * kDay;
         t += kHour - Seconds{random_() % 300}) {
      poll(t, random_() % 8 == 0 ? Outcome::kThrottled : Outcome::kOk);
    }
  }
  int settle(int day) { return store_.settle("t", "r", kPollDayStart + day * kDay + kHour); }

  // Whatever is asked for, the polls are those of the table; and so says each day.
  void expect_same(const std::string& target = "t") {
    Reader reader(store_.path());
    std::vector<GoodPoll> all;
    Query query(reader.db(),
                "SELECT id, started, slot, interval FROM poll WHERE outcome = 'ok' AND target = ? "
                "ORDER BY started, id");
    query.bind(1, target);
    while (query.step()) all.push_back(good_poll(query, 0));
    for (int i = 0; i < 200; ++i) {
      const Time start = kPollDayStart + Seconds{random_() % (14 * 86400)} - kDay;
      const Time end = start + Seconds{random_() % (i % 2 == 0 ? 86400 : 7200)} * (i % 10);
      std::optional<Time> before;
      for (const GoodPoll& one : all) {
        if (one.taken_at <= start) before = one.taken_at;
      }
      std::vector<GoodPoll> expected;
      for (const GoodPoll& one : all) {
        if (one.taken_at >= before.value_or(start) && one.taken_at <= end) expected.push_back(one);
      }
      Filter filter;
      filter.targets = {target};
      const auto scopes = load_scopes(reader, filter, start, end);
      ASSERT_EQ(scopes.size(), 1U);
      EXPECT_EQ(scopes[0].polls, expected)
          << core::format_time(start) << " to " << core::format_time(end);
    }
    EXPECT_EQ(reader.db().integer("SELECT count(*) FROM poll_day"),
              reader.db().integer(
                  "SELECT count(DISTINCT s.id || ' ' || (started / 86400)) FROM scope s JOIN poll "
                  "USING (target, region) WHERE outcome = 'ok' AND started / 86400 <= settled"));
    if (is_postgres(store_.path())) return;
    EXPECT_THAT(verify(store_.path()).problems, IsEmpty());
  }

  void import_hours(const std::vector<int>& hours) {
    std::vector<core::Record> records;
    for (const int hour : hours) {
      core::Record& record = records.emplace_back();
      record.usage = usage("222222222222", "ECR_RESCAN", 5, 1);
      record.region = "r";
      record.taken_at = kPollDayStart + hour * kHour;
    }
    store_.import_records(records, true,
                          [](const core::BadRow& row) { ADD_FAILURE() << row.reason; });
    expect_same();
    expect_same("import");
  }

  std::mt19937 random_{5};
  support::TempFolder folder_;
  Store store_{support::database_in(folder_)};
};

TEST_F(PollDayTest, SettledDaysSayWhatThePollsSay) {
  polls(0, 4);
  expect_same();
  EXPECT_EQ(settle(3), 3);
  expect_same();
  // A day without a poll, and one without a good one.
  poll(kPollDayStart + 5 * kDay + kHour, Outcome::kThrottled);
  polls(6, 8);
  EXPECT_EQ(settle(7), 2);
  expect_same();
  // The clock is set back to a day that is settled.
  poll(kPollDayStart + kDay + Seconds{1800});
  poll(kPollDayStart + 4 * kDay + kHour);
  poll(kPollDayStart + 5 * kDay + 2 * kHour, Outcome::kThrottled);
  expect_same();
  // Of old days one poll is left.
  polls(8, 10);
  settle(10);
  for (int i = 0; i < 4; ++i) store_.thin("t", "r", kPollDayStart + 10 * kDay, 5 * kDay);
  EXPECT_LT(Reader(store_.path()).db().integer("SELECT count(*) FROM poll"), 7 * 24);
  expect_same();
}

TEST_F(PollDayTest, ThoseOfImportsAreMadeAnew) {
  polls(0, 3);
  settle(3);
  import_hours({30, 31, 100});
  import_hours({1, 30, 32, 101});
  if (is_postgres(store_.path())) return;
  // It is cut off before its days are settled.
  support::change_database(store_.path(),
                           "CREATE TRIGGER cut BEFORE INSERT ON unsummed BEGIN SELECT "
                           "raise(ABORT, 'cut off'); END");
  EXPECT_THROW(import_hours({2, 33, 102}), core::Error);
  support::change_database(store_.path(), "DROP TRIGGER cut");
  expect_same("import");
}

TEST_F(PollDayTest, OneThatSaysOtherwiseIsFound) {
  if (is_postgres(store_.path())) GTEST_SKIP() << "verify is for files";
  polls(0, 4);
  settle(3);
  const auto problems_after = [this](const std::string& sql) {
    support::change_database(store_.path(), sql);
    return verify(store_.path()).problems;
  };
  EXPECT_THAT(problems_after("DELETE FROM poll_day WHERE day = 20455"),
              ElementsAre("the polls of t in r on 2026-01-02 are not those of its day"));
  EXPECT_THAT(problems_after("UPDATE poll_day SET polls = x'0201' WHERE day = 20456"), SizeIs(2));
  EXPECT_THAT(problems_after("UPDATE poll SET slot = slot - 1 WHERE started < 20455 * 86400"),
              SizeIs(3));
}

}  // namespace
}  // namespace usaged::store
