#include "store/history.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "store/coverage.h"
#include "store/store.h"
#include "support/database.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

using core::DeltaStatus;
using core::kDay;
using core::kHour;
using core::Outcome;
using support::usage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const core::Time kHistoryStart = core::from_unix(1772366400);
using Totals = std::vector<core::UsageTotal>;

class HistoryTest : public ::testing::Test {
 protected:
  void poll(int hour, const Totals& totals, const std::string& region = "eu-west-1",
            const std::string& target = "t") {
    const core::Time t = kHistoryStart + hour * kHour;
    const auto id = store_.begin_poll(target, region, t, kHour, t);
    store_.finish_poll(id, {totals, {}}, {t, Outcome::kOk, 1, 1, "", ""});
  }
  void fail(int hour, Outcome outcome = Outcome::kTimeout) {
    const core::Time t = kHistoryStart + hour * kHour;
    store_.fail_poll(store_.begin_poll("t", "eu-west-1", t, kHour, t),
                     {t, outcome, 1, 0, "failed", ""});
  }
  HistoryAnswer history(const Question& question, int from, int to,
                        std::optional<core::Seconds> step = std::nullopt) {
    return History(reader()).history(question, kHistoryStart + from * kHour,
                                     kHistoryStart + to * kHour, step, kHistoryStart + to * kHour);
  }
  DeltaAnswer deltas(const Question& question, int from, int to) {
    return History(reader()).deltas(question, kHistoryStart + from * kHour,
                                    kHistoryStart + to * kHour, kHistoryStart + to * kHour);
  }
  Reader& reader() {
    if (!reader_) reader_ = std::make_unique<Reader>(store_.path());
    return *reader_;
  }

  support::TempFolder folder_;
  Store store_{support::database_in(folder_)};
  std::unique_ptr<Reader> reader_;
};

TEST_F(HistoryTest, ShowsEveryPollWithItsExactDoubles) {
  poll(0, {usage("111111111111", "A", 1, 0.1)});
  poll(1, {usage("111111111111", "A", 2, 0.3)});
  const auto answer = history({{}, {"account"}, core::Metric::kCost}, 0, 1);
  EXPECT_THAT(answer.times, ElementsAre(kHistoryStart, kHistoryStart + kHour));
  ASSERT_EQ(answer.lines.size(), 1U);
  EXPECT_EQ(answer.lines[0].group.labels.at("account_id"), "111111111111");
  EXPECT_EQ(answer.lines[0].group.currency, "USD");
  EXPECT_THAT(answer.lines[0].values, ElementsAre(0.1, 0.3));
  EXPECT_TRUE(answer.completeness.gaps.empty());
  EXPECT_EQ(answer.completeness.newest, kHistoryStart + kHour);
}

TEST_F(HistoryTest, AValueHoldsForTwiceTheIntervalAndIsThenUnknown) {
  poll(0, {usage("111111111111", "A", 1, 1)});
  const auto answer = history({}, 0, 4, kHour);
  ASSERT_EQ(answer.lines.size(), 1U);
  EXPECT_THAT(answer.lines[0].values, ElementsAre(1.0, 1.0, 1.0, std::nullopt, std::nullopt));
  ASSERT_EQ(answer.completeness.gaps.size(), 1U);
  EXPECT_EQ(answer.completeness.gaps[0].reason, "not polled");
}

TEST_F(HistoryTest, AGapSaysWhy) {
  poll(0, {usage("111111111111", "A", 1, 1)});
  for (int hour = 1; hour <= 5; ++hour) fail(hour, Outcome::kDenied);
  poll(6, {usage("111111111111", "A", 1, 1)});
  const auto answer = history({}, 0, 6, kHour);
  ASSERT_EQ(answer.completeness.gaps.size(), 1U);
  EXPECT_EQ(answer.completeness.gaps[0].reason, "denied");
  EXPECT_EQ(answer.completeness.good, 2);
  EXPECT_EQ(answer.completeness.expected, 7);
}

TEST_F(HistoryTest, ASumIsUnknownWhereAPartIs) {
  poll(0, {usage("111111111111", "A", 1, 10)}, "eu-west-1");
  poll(0, {usage("111111111111", "A", 1, 5)}, "us-east-1");
  poll(3, {usage("111111111111", "A", 1, 10)}, "eu-west-1");  // us-east-1 is in a gap
  const auto sum = history({}, 0, 3, 3 * kHour);
  ASSERT_EQ(sum.lines.size(), 1U);
  EXPECT_THAT(sum.lines[0].values, ElementsAre(15.0, std::nullopt));
  const auto by_region = history({{}, {"region"}, core::Metric::kCost}, 0, 3, 3 * kHour);
  ASSERT_EQ(by_region.lines.size(), 2U);
  EXPECT_THAT(by_region.lines[0].values, ElementsAre(10.0, 10.0));
  EXPECT_THAT(by_region.lines[1].values, ElementsAre(5.0, std::nullopt));
}

TEST_F(HistoryTest, ANumberThatAwsLeftOutMakesTheSumUnknownAndIsCounted) {
  poll(0, {usage("111111111111", "A", 1, std::nullopt), usage("222222222222", "A", 1, 1)});
  const auto answer = history({}, 0, 0, kHour);
  ASSERT_EQ(answer.lines.size(), 1U);
  EXPECT_THAT(answer.lines[0].values, ElementsAre(std::nullopt));
  EXPECT_EQ(answer.completeness.unknown_values, 1);
}

TEST_F(HistoryTest, WhatTwoTargetsSeeCountsOnce) {
  poll(0, {usage("111111111111", "A", 1, 10)}, "eu-west-1", "a");
  poll(0, {usage("111111111111", "A", 1, 10), usage("222222222222", "A", 1, 1)}, "eu-west-1", "b");
  EXPECT_THAT(history({}, 0, 0, kHour).lines.at(0).values, ElementsAre(11.0));
  EXPECT_EQ(History(reader()).latest({}, kHistoryStart).rows.size(), 2U);
}

TEST_F(HistoryTest, CurrenciesAndUnitsAreNeverAdded) {
  core::UsageTotal euro = usage("111111111111", "EC2_INSTANCE_HOURS", 1, 7);
  euro.currency = "EUR";
  poll(0, {usage("111111111111", "EC2_INSTANCE_HOURS", 2, 3),
           usage("111111111111", "ECR_RESCAN", 5, 3), euro});
  const auto cost = history({}, 0, 0, kHour);
  ASSERT_EQ(cost.lines.size(), 2U);
  EXPECT_EQ(cost.lines[0].group.currency, "EUR");
  EXPECT_THAT(cost.lines[1].values, ElementsAre(6.0));
  EXPECT_THROW(history({{}, {}, core::Metric::kTotal}, 0, 0, kHour), core::Error);
  const auto total = history({{}, {"type"}, core::Metric::kTotal}, 0, 0, kHour);
  ASSERT_EQ(total.lines.size(), 2U);
  EXPECT_EQ(total.lines[1].group.unit, core::Unit::kScans);
  EXPECT_THAT(total.lines[1].values, ElementsAre(5.0));
}

TEST_F(HistoryTest, FiltersByEverything) {
  store_.set_accounts({{"111111111111", {"A", {{"team", "red"}}}}});
  core::UsageTotal azure = usage("222222222222", "B", 1, 2);
  azure.provider = "AZURE";
  poll(0, {usage("111111111111", "A", 1, 1), azure}, "eu-west-1", "one");
  poll(0, {usage("111111111111", "A", 1, 4)}, "us-east-1", "two");
  const auto sum = [&](const Filter& filter) {
    const auto answer = history({filter, {}, core::Metric::kCost}, 0, 0, kHour);
    return answer.lines.empty() ? std::nullopt : answer.lines[0].values[0];
  };
  Filter f;
  f.accounts = {"111111111111"};
  EXPECT_EQ(sum(f), 5);
  f.regions = {"us-east-1", "us-west-2"};
  EXPECT_EQ(sum(f), 4);
  f = {};
  f.types = {"B"};
  EXPECT_EQ(sum(f), 2);
  f = {};
  f.providers = {"AZURE"};
  EXPECT_EQ(sum(f), 2);
  f = {};
  f.targets = {"two"};
  EXPECT_EQ(sum(f), 4);
  f = {};
  f.tags["team"] = {"red"};
  EXPECT_EQ(sum(f), 5);
  f.tags["team"] = {"blue"};
  EXPECT_FALSE(sum(f));
  const auto by_team = history({{}, {"tag.team"}, core::Metric::kCost}, 0, 0, kHour);
  ASSERT_EQ(by_team.lines.size(), 2U);
  EXPECT_EQ(by_team.lines[0].group.labels.at("tag.team"), "");
}

TEST_F(HistoryTest, DeltasTellNewGoneChangedAndUnknown) {
  poll(0, {usage("111111111111", "A", 1, 10), usage("222222222222", "A", 1, 5),
           usage("444444444444", "A", 1, std::nullopt)});
  poll(1, {usage("111111111111", "A", 1, 14), usage("333333333333", "A", 1, 1),
           usage("444444444444", "A", 1, 3)});
  const auto answer = deltas({{}, {"account"}, core::Metric::kCost}, 0, 1);
  ASSERT_EQ(answer.rows.size(), 4U);
  const auto row = [&](std::size_t i) { return answer.rows[i].group.labels.at("account_id"); };
  EXPECT_EQ(row(0), "222222222222");  // -5
  EXPECT_EQ(answer.rows[0].delta.status, DeltaStatus::kGone);
  EXPECT_EQ(row(1), "111111111111");  // +4
  EXPECT_EQ(answer.rows[1].delta.percent, 40);
  EXPECT_EQ(row(2), "333333333333");
  EXPECT_EQ(answer.rows[2].delta.status, DeltaStatus::kNew);
  EXPECT_EQ(answer.rows[2].delta.change, 1);
  EXPECT_EQ(row(3), "444444444444");
  EXPECT_EQ(answer.rows[3].delta.status, DeltaStatus::kUnknown);
  EXPECT_FALSE(answer.rows[3].delta.change);
}

TEST_F(HistoryTest, AChangeIsSplitIntoVolumeAndPriceAndNamesItsContributors) {
  // One uses more, one pays more, one is new, one is gone.
  poll(0, {usage("111111111111", "A", 100, 10), usage("222222222222", "A", 100, 10),
           usage("333333333333", "A", 5, 1)});
  poll(1, {usage("111111111111", "A", 150, 15), usage("222222222222", "A", 100, 12),
           usage("444444444444", "A", 40, 4)});
  Question question;
  const auto answer = History(reader()).deltas(question, kHistoryStart, kHistoryStart + kHour,
                                               kHistoryStart + kHour, 3);
  ASSERT_EQ(answer.rows.size(), 1U);
  const DeltaRow& row = answer.rows[0];
  EXPECT_DOUBLE_EQ(*row.delta.change, 10);
  ASSERT_TRUE(row.split);
  EXPECT_DOUBLE_EQ(row.split->volume, 5 + 4 - 1);
  EXPECT_DOUBLE_EQ(row.split->price, 2);
  ASSERT_EQ(row.contributors.size(), 3U);
  EXPECT_EQ(row.contributors[0].account, "111111111111");
  EXPECT_DOUBLE_EQ(row.contributors[0].change, 5);
  EXPECT_EQ(row.contributors[1].account, "444444444444");
  EXPECT_EQ(row.contributors[2].account, "222222222222");
  // Totals have no price; what is not asked for is left out.
  question.metric = core::Metric::kTotal;
  const auto totals = History(reader()).deltas(question, kHistoryStart, kHistoryStart + kHour,
                                               kHistoryStart + kHour, 9);
  EXPECT_FALSE(totals.rows[0].split);
  EXPECT_EQ(totals.rows[0].contributors.size(), 3U);
  EXPECT_TRUE(deltas(question, 0, 1).rows[0].contributors.empty());
  // A number that AWS left out makes the split unknown, and the change with it.
  poll(2, {usage("111111111111", "A", std::nullopt, 15), usage("222222222222", "A", 100, 12),
           usage("444444444444", "A", 40, 4)});
  question.metric = core::Metric::kCost;
  const auto unknown = History(reader()).deltas(
      question, kHistoryStart + kHour, kHistoryStart + 2 * kHour, kHistoryStart + 2 * kHour, 3);
  EXPECT_FALSE(unknown.rows[0].split);
}

TEST_F(HistoryTest, ARegionAskedForTheFirstTimeIsNoIncrease) {
  poll(0, {usage("111111111111", "A", 1, 10)}, "eu-west-1");
  poll(1, {usage("111111111111", "A", 1, 10)}, "eu-west-1");
  poll(1, {usage("111111111111", "A", 1, 99)}, "us-east-1");
  const auto answer = deltas({{}, {"account"}, core::Metric::kCost}, 0, 1);
  ASSERT_EQ(answer.rows.size(), 1U);
  EXPECT_FALSE(answer.rows[0].delta.change);
}

TEST_F(HistoryTest, AStoppedDaemonMakesValuesUnknownNotGone) {
  poll(0, {usage("111111111111", "A", 1, 10)});
  const auto answer = deltas({}, 0, 5);
  ASSERT_EQ(answer.rows.size(), 1U);
  EXPECT_EQ(answer.rows[0].delta.status, DeltaStatus::kUnknown);
}

TEST_F(HistoryTest, ATargetThatWasRemovedIsNeitherAGapNorPartOfASum) {
  core::Target kept;
  kept.name = "t";
  kept.regions = {"eu-west-1"};
  poll(0, {usage("111111111111", "A", 1, 10)}, "eu-west-1");
  poll(0, {usage("111111111111", "A", 1, 5)}, "us-east-1");
  store_.set_targets({kept}, kHistoryStart + 2 * kHour);
  poll(3, {usage("111111111111", "A", 1, 10)}, "eu-west-1");
  const auto answer = history({}, 0, 3, 3 * kHour);
  EXPECT_THAT(answer.lines.at(0).values, ElementsAre(15.0, 10.0));
  EXPECT_EQ(History(reader()).latest({}, kHistoryStart + 3 * kHour).rows.size(), 1U);
  EXPECT_TRUE(reader().scopes().at(1).removed);
  kept.regions = {"eu-west-1", "us-east-1"};
  store_.set_targets({kept}, kHistoryStart + 3 * kHour);
  EXPECT_FALSE(reader().scopes().at(1).removed);
  const auto again = history({}, 3, 3, kHour);
  EXPECT_THAT(again.lines.at(0).values, ElementsAre(std::nullopt));
  EXPECT_EQ(again.completeness.gaps.size(), 0U);
}

TEST_F(HistoryTest, LatestShowsWhatWasSeenLastHoweverOldAndSaysSo) {
  poll(0, {usage("111111111111", "A", 1, 10)});
  const auto fresh = History(reader()).latest({}, kHistoryStart + 2 * kHour);
  ASSERT_EQ(fresh.rows.size(), 1U);
  EXPECT_FALSE(fresh.rows[0].stale);
  const auto old = History(reader()).latest({}, kHistoryStart + 2 * kHour + core::Seconds{1});
  ASSERT_EQ(old.rows.size(), 1U);
  EXPECT_TRUE(old.rows[0].stale);
  EXPECT_EQ(old.rows[0].taken_at, kHistoryStart);
}

TEST_F(HistoryTest, PagesOfTheLatestMakeUpTheWhole) {
  std::vector<core::UsageTotal> totals;
  for (int i = 0; i < 40; ++i) {
    const std::string account = fmt::format("{:012}", 100 + i);
    if (i < 30) totals.push_back(usage(account, "A", 1, i));
    if (i % 3 != 0)
      totals.push_back(usage(account, "B", i % 5 == 0 ? std::optional<double>() : 1, 1));
  }
  poll(0, totals, "eu-west-1", "a");
  poll(1, totals, "eu-west-1", "b");
  poll(0, totals, "us-east-1", "a");
  totals.resize(5);
  poll(1, totals, "us-east-1", "a");
  const auto names = [](const std::vector<LatestRow>& rows) {
    std::vector<std::string> all;
    for (const LatestRow& row : rows) {
      all.push_back(fmt::format("{} {} {} {} {}", row.account, row.region, row.type, row.target,
                                core::format_time(row.taken_at)));
    }
    return all;
  };
  Filter some;
  some.accounts = {"000000000139", "000000000101", "000000000100", "000000000999"};
  for (const Filter& filter : {Filter{}, some}) {
    for (const bool by_target : {false, true}) {
      const LatestAnswer whole =
          History(reader()).latest(filter, kHistoryStart + 2 * kHour, by_target);
      EXPECT_EQ(whole.next_page, "");
      EXPECT_GT(whole.rows.size(), 5U);
      for (const std::size_t limit : {1U, 2U, 7U, 60U, 1000U}) {
        std::vector<std::string> rows;
        std::int64_t unknown = 0;
        Page page{"", limit};
        do {
          const LatestAnswer part =
              History(reader()).latest(filter, kHistoryStart + 2 * kHour, by_target, page);
          EXPECT_LE(part.rows.size(), limit);
          EXPECT_FALSE(part.rows.empty());
          for (std::string& name : names(part.rows)) rows.push_back(std::move(name));
          unknown += part.completeness.unknown_values;
          page.after = part.next_page;
        } while (!page.after.empty() && rows.size() < 1000);
        EXPECT_EQ(rows, names(whole.rows));
        EXPECT_EQ(unknown, whole.completeness.unknown_values);
      }
    }
  }
}

TEST_F(HistoryTest, TheRestOfTheTopIsSummedAsOther) {
  poll(0, {usage("111111111111", "A", 1, 1), usage("222222222222", "A", 1, 20),
           usage("333333333333", "A", 1, 3)});
  poll(1, {usage("111111111111", "A", 1, 1), usage("222222222222", "A", 1, 20),
           usage("333333333333", "A", 1, 3), usage("444444444444", "A", 1, 5)});
  poll(2, {usage("111111111111", "A", 1, 1), usage("222222222222", "A", 1, 20),
           usage("333333333333", "A", 1, std::nullopt), usage("444444444444", "A", 1, 5)});
  auto lines = history({{}, {"account"}, core::Metric::kCost}, 0, 2).lines;
  keep_top(lines, 2, core::Metric::kCost);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].group.labels.at("account_id"), "222222222222");
  EXPECT_EQ(lines[1].group.labels.at("account_id"), "444444444444");
  EXPECT_EQ(lines[2].group.labels.at("account_id"), "other");
  EXPECT_EQ(lines[2].values[0], 4);
  EXPECT_EQ(lines[2].values[1], 4);
  EXPECT_FALSE(lines[2].values[2]);  // a part of it is not known
  // One that was not there yet counts as nothing.
  lines = history({{}, {"account"}, core::Metric::kCost}, 0, 1).lines;
  keep_top(lines, 1, core::Metric::kCost);
  EXPECT_EQ(lines[1].values[0], 4);
  EXPECT_EQ(lines[1].values[1], 9);
  keep_top(lines, 5, core::Metric::kCost);
  EXPECT_EQ(lines.size(), 2U);
}

TEST_F(HistoryTest, RangesHaveLimits) {
  poll(0, {usage("111111111111", "A", 1, 10)});
  EXPECT_THROW(history({}, 1, 0, kHour), core::Error);
  EXPECT_NO_THROW(history({}, 0, 0, kHour));
  EXPECT_NO_THROW(history({}, 0, 10999, kHour));
  EXPECT_THROW(history({}, 0, 11000, kHour), core::Error);
  EXPECT_THROW(history({}, 0, 1, core::Seconds{0}), core::Error);
  EXPECT_THROW(label_of("colour"), core::Error);
  EXPECT_LE(history({}, 0, 90 * 24).times.size(), 500U);
}

// kHistoryStart is noon.
TEST_F(HistoryTest, DaysAreKnownAsFarAsGoodPollsCoverThem) {
  for (int hour = 0; hour <= 12; ++hour) poll(hour, {usage("111111111111", "A", 1, 1)});
  // Covered until 14; nobody knows the ten hours to midnight, and the poll at 20 says why.
  fail(20, Outcome::kThrottled);
  for (int hour = 36; hour <= 40; ++hour) poll(hour, {usage("111111111111", "A", 1, 1)});
  const auto at = [](int hour) { return kHistoryStart + hour * kHour; };
  const auto days = collection_days(reader(), {}, at(-48), at(41));
  ASSERT_EQ(days.size(), 3U);  // none before the first good poll
  const std::int64_t first = core::day_of(kHistoryStart);
  EXPECT_EQ(days[0].day, first);
  EXPECT_EQ(days[0].target, "t");
  EXPECT_EQ(days[0].polls, 12);
  EXPECT_EQ(days[0].good, 12);
  EXPECT_DOUBLE_EQ(days[0].known, 1);
  EXPECT_EQ(days[0].reason, "");
  EXPECT_EQ(days[1].polls, 2);
  EXPECT_EQ(days[1].good, 1);
  EXPECT_DOUBLE_EQ(days[1].known, 2.0 / 24);
  EXPECT_EQ(days[1].reason, "throttled");
  EXPECT_EQ(days[2].polls, 5);
  EXPECT_DOUBLE_EQ(days[2].known, 1);
  EXPECT_TRUE(
      collection_days(reader(), {{}, {"us-east-1"}, {}, {}, {}, {}}, at(0), at(41)).empty());
  // A day that runs counts as far as it is over.
  EXPECT_DOUBLE_EQ(collection_days(reader(), {}, at(12), at(16))[0].known, 0.5);
}

TEST_F(HistoryTest, ARegionThatNeverAnsweredIsKnownOnNoDay) {
  fail(0, Outcome::kDenied);
  const auto days =
      collection_days(reader(), {}, kHistoryStart - 12 * kHour, kHistoryStart + kHour);
  ASSERT_EQ(days.size(), 1U);
  EXPECT_DOUBLE_EQ(days[0].known, 0);
  EXPECT_EQ(days[0].reason, "denied");
}

TEST_F(HistoryTest, TheRevisionChangesWithWhatIsShown) {
  std::vector<std::string> seen{reader().revision()};
  const auto changed = [&] {
    seen.push_back(reader().revision());
    return seen.back() != seen[seen.size() - 2];
  };
  const auto id = store_.begin_poll("t", "eu-west-1", kHistoryStart, kHour, kHistoryStart);
  EXPECT_TRUE(changed());
  store_.finish_poll(id, {{usage("111111111111", "A", 1, 1)}, {}},
                     {kHistoryStart, Outcome::kOk, 1, 1, "", ""});
  EXPECT_TRUE(changed());
  core::Alert alert;
  alert.fingerprint = "f";
  alert.pending_since = alert.counted_until = kHistoryStart;
  store_.apply({{alert, core::AlertChange::kBegan}}, kHistoryStart);
  EXPECT_TRUE(changed());
  store_.acknowledge(1, "ann", "", kHistoryStart);
  EXPECT_TRUE(changed());
  core::Silence silence;
  silence.matchers = {core::parse_matcher("a=b")};
  silence.starts_at = silence.created_at = kHistoryStart;
  silence.ends_at = kHistoryStart + kHour;
  store_.add_silence(silence);
  EXPECT_TRUE(changed());
  store_.end_silence(1, kHistoryStart + kHour / 2);
  EXPECT_TRUE(changed());
  EXPECT_FALSE(changed());
}

TEST_F(HistoryTest, WhatWasNeverPolledWaits) {
  core::Target target;
  target.name = "t";
  target.regions = {"eu-west-1", "us-east-1"};
  store_.set_targets({target}, kHistoryStart);
  poll(0, {usage("111111111111", "A", 1, 1)});
  EXPECT_THAT(reader().unpolled_scopes(), ElementsAre(std::pair("t", "us-east-1")));
  store_.set_targets({}, kHistoryStart);
  EXPECT_TRUE(reader().unpolled_scopes().empty());
}

}  // namespace
}  // namespace usaged::store
