#include "store/samples.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "core/error.h"
#include "store/checked_pages.h"
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
using core::Time;
using support::usage;

const Time kSamplesStart = core::from_unix(1767225600);  // 2026-01-01, a midnight

class SamplesTest : public ::testing::Test {
 protected:
  SamplesTest() {
    core::Target target;
    target.name = "t";
    target.regions = {"r"};
    store_.set_targets({target}, kSamplesStart);
  }

  std::int64_t poll(Time t, const std::vector<core::UsageTotal>& totals) {
    const auto id = store_.begin_poll("t", "r", t, 6 * kHour, t);
    store_.finish_poll(id, {totals, {}}, {t, Outcome::kOk, 1, 1, "", ""});
    return id;
  }
  // 500 series, of which each poll has most, with numbers that change or not.
  std::vector<core::UsageTotal> some() {
    std::vector<core::UsageTotal> totals;
    for (int i = 0; i < 500; ++i) {
      double& total = totals_[i];
      if (random_() % 3 == 0) total += static_cast<double>(random_() % 100000) / 3600000;
      // They come and go for a while.
      if (random_() % 40 == 0) there_[i] = !there_[i];
      if (!there_[i] && i % 5 == 0) continue;
      std::optional<double> cost = total * 0.0017361111;
      if (random_() % 100 == 0) cost.reset();
      totals.push_back(usage(std::to_string(100000000000 + i), "EC2_INSTANCE_HOURS", total, cost));
    }
    return totals;
  }
  // Each row of a poll.
  std::map<std::int64_t, std::string> rows() {
    std::map<std::int64_t, std::string> rows;
    for (const support::SampleRow& row : support::sample_rows(store_.path())) {
      const auto text = [](const std::optional<double>& value) {
        return value ? fmt::format("{}", *value) : "-";
      };
      rows[row.poll] +=
          fmt::format("{} {} {} {:d} ", row.series, text(row.total), text(row.cost), row.gone);
    }
    return rows;
  }
  std::int64_t count(const std::string& sql) { return Reader(store_.path()).db().integer(sql); }
  std::string days() {
    Reader reader(store_.path());
    std::string text;
    Question question{{}, {"account"}, core::Metric::kTotal};
    const Time end = kSamplesStart + 90 * kDay;
    for (const DailyLine& line : daily(reader, question, kSamplesStart, end, end).lines) {
      for (const auto& day : line.days) {
        text += day ? fmt::format("{} {};", day->low, day->estimate.value_or(-1)) : "-;";
      }
    }
    return text;
  }

  support::TempFolder folder_;
  Store store_{support::database_in(folder_)};
  std::mt19937_64 random_{11};
  std::map<int, double> totals_;
  std::map<int, bool> there_;
};

TEST_F(SamplesTest, WhateverBecomesOfTheBlocksAPollSaysWhatItSaid) {
  for (int i = 0; i < 90 * 4; ++i) poll(kSamplesStart + i * 6 * kHour, some());
  const auto before = rows();
  EXPECT_EQ(before.size(), 360U);
  EXPECT_EQ(count("SELECT count(*) FROM sample_block WHERE level > 0"), 0);

  EXPECT_EQ(store_.settle("t", "r", kSamplesStart + 90 * kDay), 90);
  EXPECT_EQ(count("SELECT count(*) FROM sample_block WHERE level = 0"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM sample_block WHERE level = 1"), 90 * 4);
  EXPECT_EQ(rows(), before);
  const std::string used = days();

  for (int i = 0; i < 60; ++i) store_.thin("t", "r", kSamplesStart + 90 * kDay, 20 * kDay);
  // January and February are whole; of March some days are not thinned yet.
  EXPECT_EQ(count("SELECT count(*) FROM (SELECT DISTINCT at - 2026 * 12 FROM sample_block WHERE "
                  "level = 2 AND at - 2026 * 12 IN (0, 1)) m"),
            2);
  EXPECT_EQ(count("SELECT count(*) FROM sample_block WHERE level = 2"), 2 * 4);
  EXPECT_EQ(count("SELECT count(*) FROM sample_block WHERE level = 1"), 31 * 4);
  const auto after = rows();
  EXPECT_EQ(after.size(), 70U + 20U * 4);
  for (const auto& [id, text] : after) {
    // A poll that stays may learn that something was gone before it.
    if (before.at(id) == text) continue;
    EXPECT_GT(text.size(), before.at(id).size());
    EXPECT_NE(text.find(" 1 "), std::string::npos);
  }
  EXPECT_EQ(days(), used);
}

// One poll after the other, as a history asks, and in any order.
TEST_F(SamplesTest, OfOneSeriesAPollSaysWhatItSaysOfAll) {
  std::vector<PollRef> polls;
  for (int i = 0; i < 70 * 4; ++i) {
    const Time t = kSamplesStart + i * 6 * kHour;
    polls.push_back({1, poll(t, some()), t});
  }
  store_.settle("t", "r", kSamplesStart + 65 * kDay);
  for (int i = 0; i < 40; ++i) store_.thin("t", "r", kSamplesStart + 65 * kDay, 25 * kDay);
  ASSERT_GT(count("SELECT count(*) FROM sample_block WHERE level = 2"), 0);
  Reader reader(store_.path());
  const auto expect_equal = [&](Samples& found) {
    for (const PollRef& one : polls) {
      std::map<std::int64_t, Reading> all;
      for (const Sample& sample : Samples(reader.db()).of(one)) all[sample.series] = sample.reading;
      for (const std::int64_t series : {1, 127, 128, 300, 499}) {
        const auto reading = found.find(one, series);
        const auto same = all.find(series);
        ASSERT_EQ(reading.has_value(), same != all.end()) << one.poll << " " << series;
        if (!reading) continue;
        EXPECT_EQ(reading->state, same->second.state);
        EXPECT_EQ(total_of(*reading), total_of(same->second));
        EXPECT_EQ(cost_of(*reading), cost_of(same->second));
      }
    }
  };
  Samples samples(reader.db());
  expect_equal(samples);
  samples.forget();
  std::ranges::shuffle(polls, random_);
  expect_equal(samples);
}

TEST_F(SamplesTest, ADayThatWasReadAheadIsReadAnewForAPollThatCameSince) {
  std::vector<PollRef> polls;
  for (int i = 0; i < 4; ++i) {
    const Time t = kSamplesStart + i * kDay;
    polls.push_back({1, poll(t, {usage("111111111111", "A", i, i)}), t});
  }
  store_.settle("t", "r", kSamplesStart + 4 * kDay);
  Reader reader(store_.path());
  Samples samples(reader.db());
  // The second time, two days are read.
  ASSERT_EQ(samples.find(polls[0], 1)->total, 0);
  ASSERT_EQ(samples.find(polls[1], 1)->total, 1);
  const Time late = kSamplesStart + 2 * kDay + kHour;
  const PollRef one{1, poll(late, {usage("111111111111", "A", 7, 7)}), late};
  store_.settle("t", "r", kSamplesStart + 4 * kDay);
  ASSERT_TRUE(samples.find(one, 1));
  EXPECT_EQ(samples.find(one, 1)->total, 7);
  EXPECT_EQ(samples.find(polls[2], 1)->total, 2);
  EXPECT_EQ(samples.find(polls[3], 1)->total, 3);
}

TEST_F(SamplesTest, SqlFindsPollsAndSeries) {
  USAGED_NEEDS_A_FILE();
  const auto first =
      poll(kSamplesStart, {usage("111111111111", "A", 1, 2), usage("222222222222", "A", 3, 4)});
  const auto second = poll(kSamplesStart + kHour, {usage("111111111111", "A", 5, std::nullopt)});
  for (int settled = 0; settled < 2; ++settled) {
    EXPECT_EQ(count("SELECT count(*) FROM sample"), 4);
    EXPECT_EQ(count(fmt::format("SELECT count(*) FROM sample WHERE poll_id = {}", first)), 2);
    EXPECT_EQ(count("SELECT sum(total) FROM sample WHERE series_id = 1"), 6);
    EXPECT_EQ(
        count(fmt::format("SELECT total FROM sample WHERE series_id = 1 AND poll_id = {}", second)),
        5);
    EXPECT_EQ(count(fmt::format("SELECT count(*) FROM sample WHERE series_id = 2 AND gone = 1 AND "
                                "total IS NULL AND poll_id IN ({}, {})",
                                first, second)),
              1);
    EXPECT_EQ(count("SELECT count(*) FROM sample WHERE poll_id = 77 OR series_id = 77"), 0);
    EXPECT_EQ(count("SELECT count(*) FROM sample a JOIN sample b USING (series_id)"), 8);
    EXPECT_EQ(count("SELECT count(*) FROM usage_history WHERE estimated_monthly_cost IS NULL"), 2);
    EXPECT_EQ(count("SELECT total FROM usage_latest"), 5);
    store_.settle("t", "r", kSamplesStart + kDay);
  }
}

TEST_F(SamplesTest, ADamagedBlockIsAnErrorThatSaysSo) {
  poll(kSamplesStart, {usage("111111111111", "A", 1, 2)});
  USAGED_NEEDS_A_FILE();
  support::change_database(store_.path(), "UPDATE sample_block SET data = x'01'");
  Reader reader(store_.path());
  try {
    reader.db().integer("SELECT count(*) FROM sample");
    FAIL();
  } catch (const SQLite::Exception& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("damaged"));
  }
  EXPECT_THROW(History(reader).latest({}, kSamplesStart, false), core::Error);
}

// While days are settled and thinned, whoever reads a poll has all of it.
TEST_F(SamplesTest, ReadersSeeEveryPollWholeMeanwhile) {
  std::vector<core::UsageTotal> totals;
  for (int i = 0; i < 1000; ++i)
    totals.push_back(usage(std::to_string(100000000000 + i), "A", i, i));
  for (int i = 0; i < 40 * 4; ++i) poll(kSamplesStart + i * 6 * kHour, totals);
  std::atomic<bool> stop = false;
  std::atomic<bool> thinning = false;
  std::atomic<int> reads = 0;
  std::thread other([&] {
    Reader reader(store_.path());
    Samples samples(reader.db());
    std::mt19937 random(3);
    while (!stop) {
      const int i = static_cast<int>(random() % (40 * 4));
      const bool before = !thinning;
      const auto rows = samples.of({1, i + 1, kSamplesStart + i * 6 * kHour});
      // The last of a day stays; what is asked of others once their polls are gone is nobody's.
      if (i % 4 == 3 || (before && !thinning)) {
        ASSERT_EQ(rows.size(), 1000U) << i;
      }
      ++reads;
    }
  });
  store_.settle("t", "r", kSamplesStart + 40 * kDay);
  while (reads < 50) std::this_thread::yield();
  const int before = reads;
  thinning = true;
  for (int i = 0; i < 30; ++i) store_.thin("t", "r", kSamplesStart + 40 * kDay, 2 * kDay);
  while (reads < before + 50) std::this_thread::yield();
  stop = true;
  other.join();
}

}  // namespace
}  // namespace usaged::store
