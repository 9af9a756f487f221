#include "store/totals.h"

#include <gtest/gtest.h>

#include <random>

#include "store/checked_pages.h"
#include "store/days.h"
#include "store/history.h"
#include "store/months.h"
#include "store/store.h"
#include "support/database.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

using core::kDay;
using core::kHour;
using core::Time;
using support::usage;

const Time kTotalsStart = core::from_unix(1769904000);  // 2026-02-01

// Two regions and a quarter of a year with missed polls, failed accounts, series that come and go
// and numbers that AWS left out.
class TotalsTest : public ::testing::Test {
 protected:
  TotalsTest() {
    store_.set_accounts({{"111111111111", {"A", {{"team", "red"}}}},
                         {"222222222222", {"B", {{"team", "blue"}}}},
                         {"333333333333", {"C", {}}}});
    std::mt19937 random(7);
    for (Time t = kTotalsStart; t < end_; t += 12 * kHour) {
      for (const std::string region : {"eu-west-1", "us-east-1"}) {
        if (random() % 20 == 0) continue;
        const double days = static_cast<double>((t - kTotalsStart).count()) / 86400;
        Snapshot snapshot;
        for (const char* account : {"111111111111", "222222222222", "333333333333"}) {
          if (std::string(account) == "333333333333" && days < 20) continue;
          const double sum = std::min(days + 1, 30.0);
          snapshot.totals.push_back(usage(account, "EC2_INSTANCE_HOURS", 24 * sum, 0.3 * sum));
          snapshot.totals.push_back(usage(account, "LAMBDA_FUNCTION_HOURS", 7 * sum, 0.1 * sum));
          if (days < 60) {
            snapshot.totals.push_back(usage(account, "ECR_RESCAN", std::floor(9 * sum), 0.9 * sum));
          }
        }
        if (random() % 10 == 0) {
          snapshot.totals.pop_back();
          snapshot.failed.push_back({"333333333333", "no"});
        }
        if (random() % 10 == 0) snapshot.totals.back().cost.reset();
        const auto id = store_.begin_poll("t", region, t, 12 * kHour, t);
        std::erase_if(snapshot.totals, [&](const core::UsageTotal& total) {
          return !snapshot.failed.empty() && total.account == snapshot.failed[0].account;
        });
        store_.finish_poll(id, snapshot, {t, core::Outcome::kOk, 1, 1, "", ""});
        store_.settle("t", region, t);
        if (random() % 3 == 0) store_.sum_days();
      }
    }
    store_.sum_days();
  }

  // The same question, so put that the kept sums don't have what it asks for.
  static Question of_series(Question question) {
    question.filter.accounts = {"111111111111", "222222222222", "333333333333"};
    question.filter.types = {"EC2_INSTANCE_HOURS", "LAMBDA_FUNCTION_HOURS", "ECR_RESCAN"};
    return question;
  }

  static std::vector<Question> questions() {
    std::vector<Question> all;
    for (const Dimensions& group_by :
         std::vector<Dimensions>{{}, {"region"}, {"type"}, {"region", "type", "provider"}}) {
      all.push_back({{}, group_by, core::Metric::kCost});
    }
    for (const Dimensions& group_by : std::vector<Dimensions>{{"type"}, {"region", "type"}}) {
      all.push_back({{}, group_by, core::Metric::kTotal});
    }
    Question hours{{}, {}, core::Metric::kTotal};
    hours.filter.types = {"EC2_INSTANCE_HOURS", "LAMBDA_FUNCTION_HOURS"};
    hours.filter.regions = {"us-east-1"};
    all.push_back(hours);
    return all;
  }

  support::TempFolder folder_;
  std::string path_ = support::database_in(folder_);
  Store store_{path_};
  Time end_ = kTotalsStart + 85 * kDay;
};

void expect_near(const std::optional<double>& a, const std::optional<double>& b) {
  ASSERT_EQ(a.has_value(), b.has_value());
  if (a) {
    EXPECT_NEAR(*a, *b, 1e-7);
  }
}

TEST_F(TotalsTest, HistoryOfKindsIsThatOfTheirSeries) {
  Reader reader(path_);
  for (const Question& question : questions()) {
    ASSERT_TRUE(serves(Grain::kKind, question));
    for (const auto step : {core::parse_step("raw"), core::Step(kDay), core::parse_step("1mo")}) {
      const auto sums = History(reader).history(question, kTotalsStart, end_, step, end_);
      Question slow = of_series(question);
      if (!question.filter.types.empty()) slow.filter.types = question.filter.types;
      ASSERT_FALSE(serves(Grain::kKind, slow));
      const auto series = History(reader).history(slow, kTotalsStart, end_, step, end_);
      ASSERT_EQ(sums.times, series.times);
      ASSERT_EQ(sums.lines.size(), series.lines.size());
      EXPECT_EQ(sums.completeness.unknown_values, series.completeness.unknown_values);
      for (std::size_t i = 0; i < sums.lines.size(); ++i) {
        EXPECT_EQ(sums.lines[i].group.labels, series.lines[i].group.labels);
        EXPECT_EQ(sums.lines[i].absent, series.lines[i].absent);
        for (std::size_t k = 0; k < sums.times.size(); ++k) {
          expect_near(sums.lines[i].values[k], series.lines[i].values[k]);
        }
      }
    }
  }
}

TEST_F(TotalsTest, DaysAndMonthsOfSumsAreThoseOfTheirSeries) {
  std::vector<Question> all = questions();
  for (const Dimensions& group_by :
       std::vector<Dimensions>{{"account"}, {"account", "region"}, {"tag.team"}}) {
    all.push_back({{}, group_by, core::Metric::kCost});
  }
  Question red{{}, {}, core::Metric::kCost};
  red.filter.tags["team"] = {"red", ""};
  all.push_back(red);
  Reader reader(path_);
  for (const Question& question : all) {
    Question slow = of_series(question);
    if (!question.filter.types.empty()) slow.filter.types = question.filter.types;
    EXPECT_TRUE(serves(Grain::kKind, question) || serves(Grain::kAccount, question));
    ASSERT_FALSE(serves(Grain::kKind, slow) || serves(Grain::kAccount, slow));
    const auto sums = daily(reader, question, kTotalsStart, end_, end_);
    const auto series = daily(reader, slow, kTotalsStart, end_, end_);
    ASSERT_GT(sums.lines.size(), 0U);
    ASSERT_EQ(sums.lines.size(), series.lines.size());
    for (std::size_t i = 0; i < sums.lines.size(); ++i) {
      EXPECT_EQ(sums.lines[i].group.labels, series.lines[i].group.labels);
      for (std::size_t k = 0; k < sums.days.size(); ++k) {
        const auto& a = sums.lines[i].days[k];
        const auto& b = series.lines[i].days[k];
        ASSERT_EQ(a.has_value(), b.has_value());
        if (!a) continue;
        EXPECT_EQ(a->tag, b->tag);
        EXPECT_NEAR(a->low, b->low, 1e-7);
        expect_near(a->high, b->high);
        expect_near(a->estimate, b->estimate);
      }
    }
    const auto month_sums = months(reader, question, 4, 100, end_);
    const auto month_series = months(reader, slow, 4, 100, end_);
    ASSERT_EQ(month_sums.lines.size(), month_series.lines.size());
    for (std::size_t i = 0; i < month_sums.lines.size(); ++i) {
      for (std::size_t k = 0; k < 4; ++k) {
        const MonthRow& a = month_sums.lines[i].months[k];
        const MonthRow& b = month_series.lines[i].months[k];
        EXPECT_EQ(a.sum.days, b.sum.days);
        EXPECT_NEAR(a.sum.low, b.sum.low, 1e-7);
        expect_near(a.sum.high, b.sum.high);
        expect_near(a.sum.estimate, b.sum.estimate);
        EXPECT_EQ(a.projected.has_value(), b.projected.has_value());
        EXPECT_EQ(a.budget_passed, b.budget_passed);
      }
    }
  }
}

TEST_F(TotalsTest, NothingIsLeftToSumAndNothingIsWrittenTwice) {
  Reader reader(path_);
  const auto written = [&] {
    return reader.db().integer("SELECT CAST(sum(transactions) AS BIGINT) FROM written");
  };
  EXPECT_EQ(reader.db().integer("SELECT count(*) FROM unsummed"), 0);
  const auto before = written();
  store_.sum_days();
  EXPECT_EQ(written(), before);
}

TEST_F(TotalsTest, PagesOfGroupsAreAllOfThemOnce) {
  Reader reader(path_);
  Question question{{}, {"account", "region", "type"}, core::Metric::kCost};
  const auto whole = History(reader).history(question, kTotalsStart, end_, kDay, end_);
  ASSERT_GT(whole.lines.size(), 10U);
  std::vector<core::Labels> all;
  for (const HistoryLine& line : whole.lines) all.push_back(line.group.labels);
  std::vector<core::Labels> paged;
  question.page.limit = 4;
  for (int page = 0; page < 10; ++page) {
    const auto answer = History(reader).history(question, kTotalsStart, end_, kDay, end_);
    EXPECT_LE(answer.lines.size(), 4U);
    for (const HistoryLine& line : answer.lines) paged.push_back(line.group.labels);
    question.page.after = answer.next_page;
    if (answer.next_page.empty()) break;
  }
  EXPECT_EQ(paged, all);
}

}  // namespace
}  // namespace usaged::store
