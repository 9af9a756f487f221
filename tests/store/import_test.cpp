#include <gmock/gmock.h>

#include <sstream>

#include "core/error.h"
#include "store/days.h"
#include "store/export.h"
#include "store/history.h"
#include "store/store.h"
#include "support/database.h"
#include "support/usage.h"

namespace usaged::store {
namespace {

using core::BadRow;
using core::kDay;
using core::kHour;
using core::Record;
using core::Time;
using support::usage;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

const Time kImportStart = core::from_unix(1772323200);

class ImportTest : public ::testing::Test {
 protected:
  static std::vector<Record> read(const std::string& text, std::vector<BadRow>* bad = nullptr) {
    std::istringstream in(text);
    std::vector<Record> records;
    core::read_records(
        in, "f", [&](Record record) { records.push_back(std::move(record)); },
        [&](const BadRow& row) {
          if (bad == nullptr) {
            ADD_FAILURE() << row.reason;
          } else {
            bad->push_back(row);
          }
        });
    return records;
  }
  Store::ImportResult import_text(Store& store, const std::string& text, bool all = true) {
    return store.import_records(read(text), all,
                                [this](const BadRow& row) { bad_.push_back(row); });
  }
  static std::string exported(const std::string& path, bool ndjson = false) {
    std::string text = ndjson ? "" : core::record_header();
    Reader reader(path);
    each_record(reader, {}, core::from_unix(0), Time::max(), [&](const Record& record) {
      text += ndjson ? core::record_ndjson(record) : core::record_csv(record);
    });
    return text;
  }
  static void poll(Store& store, Time t, const std::vector<core::UsageTotal>& totals,
                   const std::string& target = "t") {
    const auto id = store.begin_poll(target, "eu-west-1", t, kHour, t);
    store.finish_poll(id, {totals, {}}, {t, core::Outcome::kOk, 1, 1, "", ""});
  }

  support::TempFolder folder_;
  std::vector<BadRow> bad_;
};

const std::string kHeader = "taken_at,account_id,region,usage_type,total,estimated_monthly_cost\n";

TEST_F(ImportTest, ReadsTheContractsColumnsInAnyOrder) {
  const auto records = read(
      "\xEF\xBB\xBFregion,usage_type,taken_at,account_id,estimated_monthly_cost,total,note\r\n"
      "eu-west-1,EC2,2026-03-01T12:00:00+01:00,012345678901,,1.5,x\r\n\r\n"
      "eu-west-1,EC2,1772366400,012345678901,0.1,,\"a,\"\"b\"\r\n");
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].taken_at, core::from_unix(1772362800));
  EXPECT_EQ(records[0].usage.total, 1.5);
  EXPECT_FALSE(records[0].usage.cost);
  EXPECT_EQ(records[0].usage.currency, "USD");
  EXPECT_EQ(records[0].usage.provider, "AWS");
  EXPECT_EQ(records[1].usage.cost, 0.1);
  EXPECT_EQ(records[1].line, 4);
  EXPECT_THROW(read("taken_at,account_id\n"), core::Error);
  EXPECT_TRUE(read("").empty());
}

TEST_F(ImportTest, EveryBadRowIsReportedWithLineAndReason) {
  std::vector<BadRow> bad;
  const std::string good = "2026-03-01T00:00:00Z,123456789012,eu-west-1,EC2,1,2\n";
  const auto records = read(kHeader + good +
                                "yesterday,123456789012,eu-west-1,EC2,1,2\n"
                                "now,123456789012,eu-west-1,EC2,1,2\n"
                                "2026-03-01T00:00:00Z,12345678901,eu-west-1,EC2,1,2\n"
                                "2026-03-01T00:00:00Z,123456789012,Europe,EC2,1,2\n"
                                "2026-03-01T00:00:00Z,123456789012,eu-west-1,EC2,1e999,2\n"
                                "2026-03-01T00:00:00Z,123456789012,eu-west-1,EC2,1,nan\n"
                                "2026-03-01T00:00:00Z,123456789012,eu-west-1,EC2,-1,2\n"
                                "2026-03-01T00:00:00Z,123456789012,eu-west-1,EC2,1\n"
                                "2026-03-01T00:00:00Z,123456789012,eu-west-1,\"EC2,1,2\n"
                                "2026-03-01T00:00:00Z,123456789012,eu-west-1,EC\xB2,1,2\n",
                            &bad);
  EXPECT_EQ(records.size(), 1U);
  ASSERT_EQ(bad.size(), 10U);
  EXPECT_EQ(bad[0].line, 3);
  EXPECT_THAT(bad[0].reason, HasSubstr("taken_at: 'yesterday'"));
  EXPECT_THAT(bad[2].reason, HasSubstr("account_id: '12345678901'"));
  EXPECT_THAT(bad[4].reason, HasSubstr("total: '1e999' is not a number"));
  EXPECT_THAT(bad[7].reason, HasSubstr("has 5 cells, but the header has 6"));
  EXPECT_EQ(bad[8].line, 11);
  EXPECT_EQ(bad[9].reason, "is not UTF-8");
}

TEST_F(ImportTest, WhatItWritesComesBackAsItWas) {
  for (const std::string& text :
       {std::string("=1+1"), std::string("'=1+1"), std::string("'quoted'"), std::string("a,\"b"),
        "-" + std::string(255, 'x'), std::string("M\u00fcnchen")}) {
    Record record = read(kHeader + "2026-03-01T00:00:00Z,123456789012,eu-west-1,EC2,1,2\n").at(0);
    record.target = text;
    for (const std::string& file :
         {core::record_header() + core::record_csv(record), core::record_ndjson(record)}) {
      EXPECT_THAT(read(file), ElementsAre(Field(&Record::target, text))) << file;
    }
  }
}

TEST_F(ImportTest, TheSameFileTwiceChangesNothing) {
  Store store(support::database_in(folder_));
  const std::string text = kHeader +
                           "2026-03-01T00:00:00Z,123456789012,eu-west-1,EC2,1,2\n"
                           "2026-03-01T01:00:00Z,123456789012,eu-west-1,EC2,2,3\n"
                           "2026-03-01T01:00:00Z,123456789013,eu-west-1,EC2,5,\n";
  EXPECT_EQ(import_text(store, text).added, 3);
  const std::string once = exported(store.path());
  const auto again = import_text(store, text);
  EXPECT_EQ(again.added, 0);
  EXPECT_EQ(again.known, 3);
  EXPECT_EQ(exported(store.path()), once);
}

TEST_F(ImportTest, ARowThatDiffersIsBadAndAllOrNothing) {
  Store store(support::database_in(folder_));
  import_text(store, kHeader + "2026-03-01T00:00:00Z,123456789012,eu-west-1,EC2,1,2\n");
  const std::string once = exported(store.path());
  const std::string text = kHeader +
                           "2026-03-01T02:00:00Z,123456789012,eu-west-1,EC2,7,8\n"
                           "2026-03-01T00:00:00Z,123456789012,eu-west-1,EC2,1,9\n";
  EXPECT_EQ(import_text(store, text).bad, 1);
  ASSERT_EQ(bad_.size(), 1U);
  EXPECT_EQ(bad_[0].line, 3);
  EXPECT_THAT(bad_[0].reason, HasSubstr("is there already with other numbers"));
  EXPECT_EQ(exported(store.path()), once);
  EXPECT_EQ(import_text(store, text, false).added, 1);
  EXPECT_NE(exported(store.path()), once);
}

TEST_F(ImportTest, AnotherInstanceAnswersAlike) {
  Store first(support::database_in(folder_, "a.db"));
  for (int hour = 0; hour < 80; ++hour) {
    std::vector<core::UsageTotal> totals{
        usage("111111111111", "EC2_INSTANCE_HOURS", 0.1 * hour, 0.3 * hour),
        {"333333333333", "NEW", "", "", std::nullopt, 1}};
    if (hour < 40 || hour > 60) totals.push_back(usage("222222222222", "ECR_RESCAN", hour, 1));
    poll(first, kImportStart + hour * kHour, totals);
  }
  first.settle("t", "eu-west-1", kImportStart + 4 * kDay);
  first.sum_days();
  const Time now = kImportStart + 80 * kHour;
  for (const bool ndjson : {false, true}) {
    Store second(folder_.path(ndjson ? "c.db" : "b.db"));
    EXPECT_EQ(import_text(second, exported(first.path(), ndjson)).bad, 0);
    Reader a(first.path());
    Reader b(second.path());
    const Question question{{}, {"account"}, core::Metric::kCost};
    const auto x = History(a).history(question, kImportStart, now, kHour, now);
    const auto y = History(b).history(question, kImportStart, now, kHour, now);
    ASSERT_EQ(x.lines.size(), y.lines.size());
    for (std::size_t i = 0; i < x.lines.size(); ++i) {
      EXPECT_EQ(x.lines[i].group.labels, y.lines[i].group.labels);
      EXPECT_EQ(x.lines[i].values, y.lines[i].values);
    }
    EXPECT_EQ(x.completeness.gaps.size(), y.completeness.gaps.size());
    EXPECT_EQ(History(a).latest({}, now).rows.size(), History(b).latest({}, now).rows.size());
    const auto days_a = daily(a, question, kImportStart, now, now);
    const auto days_b = daily(b, question, kImportStart, now, now);
    ASSERT_EQ(days_a.lines.size(), days_b.lines.size());
    for (std::size_t i = 0; i < days_a.lines.size(); ++i) {
      for (std::size_t k = 0; k < days_a.days.size(); ++k) {
        const auto& p = days_a.lines[i].days[k];
        const auto& q = days_b.lines[i].days[k];
        ASSERT_EQ(p.has_value(), q.has_value()) << i << " " << k;
        if (!p) continue;
        EXPECT_EQ(p->tag, q->tag) << i << " " << k;
        EXPECT_EQ(p->low, q->low);
        EXPECT_EQ(p->estimate, q->estimate);
      }
    }
  }
}

TEST_F(ImportTest, AnIntervalThatIsNotKnownIsNotWrittenAs0) {
  core::Record record;
  record.usage = usage("111111111111", "ECR_RESCAN", 1, 2);
  record.region = "eu-west-1";
  const std::string csv = core::record_csv(record);
  EXPECT_TRUE(csv.ends_with(",\r\n")) << csv;
  EXPECT_THAT(core::record_ndjson(record), ::testing::HasSubstr(R"("interval_seconds":null)"));
  std::istringstream in(core::record_header() + csv);
  int read = 0;
  core::read_records(
      in, "x", [&](const core::Record&) { ++read; },
      [](const core::BadRow& row) { ADD_FAILURE() << row.reason; });
  EXPECT_EQ(read, 1);
}

TEST_F(ImportTest, OlderHistoryMakesLaterDaysExact) {
  Store store(support::database_in(folder_));
  const auto sum = [](Time t) {  // 24 a day since long before, but from a day on that is known
    return 24.0 * std::min(30.0, static_cast<double>((t - kImportStart).count()) / 86400);
  };
  for (Time t = kImportStart + 40 * kDay; t < kImportStart + 50 * kDay; t += 6 * kHour) {
    poll(store, t, {usage("111111111111", "EC2_INSTANCE_HOURS", sum(t), 1)});
  }
  store.settle("t", "eu-west-1", kImportStart + 50 * kDay);
  store.sum_days();
  const auto tag = [&] {
    Reader reader(store.path());
    Question question;
    question.metric = core::Metric::kTotal;
    question.filter.types = {"EC2_INSTANCE_HOURS"};
    const auto answer = daily(reader, question, kImportStart + 42 * kDay, kImportStart + 44 * kDay,
                              kImportStart + 50 * kDay);
    return answer.lines.at(0).days.at(0)->tag;
  };
  EXPECT_EQ(tag(), core::DayTag::kBounded);
  // From elsewhere: an account that was there without the series, and then with it.
  std::string text =
      kHeader + core::format_time(kImportStart) + ",111111111111,eu-west-1,OTHER,1,1\n";
  for (Time t = kImportStart + 6 * kHour; t < kImportStart + 40 * kDay; t += 6 * kHour) {
    text += fmt::format("{},111111111111,eu-west-1,EC2_INSTANCE_HOURS,{},1\n", core::format_time(t),
                        sum(t));
    text += core::format_time(t) + ",111111111111,eu-west-1,OTHER,1,1\n";
  }
  EXPECT_EQ(import_text(store, text).bad, 0);
  EXPECT_EQ(tag(), core::DayTag::kExact);
}

TEST_F(ImportTest, WhatIsImportedIsNoTargetThatIsAsked) {
  Store store(support::database_in(folder_));
  core::Target target;
  target.name = "t";
  target.regions = {"eu-west-1"};
  store.set_targets({target}, kImportStart);
  poll(store, kImportStart, {usage("111111111111", "EC2", 1, 1)});
  import_text(store, kHeader + "2026-02-20T00:00:00Z,222222222222,eu-west-1,EC2,1,2\n");
  Reader reader(store.path());
  EXPECT_EQ(History(reader).latest({}, kImportStart).rows.size(), 1U);
  EXPECT_TRUE(History(reader).latest({}, kImportStart).completeness.gaps.empty());
  Question question;
  const Time then = core::from_unix(1771545600);  // 2026-02-20
  EXPECT_EQ(History(reader).history(question, then, then + kHour, kHour, kImportStart).lines.size(),
            1U);
}

}  // namespace
}  // namespace usaged::store
