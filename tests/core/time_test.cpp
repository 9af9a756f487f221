#include "core/time.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace usaged::core {
namespace {

const Time kTimeNow = from_unix(1772366400);  // 2026-03-01T12:00:00Z

TEST(Time, FormatsAndReadsBack) {
  EXPECT_EQ(format_time(kTimeNow), "2026-03-01T12:00:00Z");
  EXPECT_EQ(format_basic(kTimeNow), "20260301T120000Z");
  EXPECT_EQ(format_http_date(kTimeNow), "Sun, 01 Mar 2026 12:00:00 GMT");
  EXPECT_EQ(parse_http_date("Sun, 01 Mar 2026 12:00:00 GMT"), kTimeNow);
}

TEST(Time, ReadsEveryDocumentedForm) {
  for (const char* text :
       {"2026-03-01T12:00:00Z", "2026-03-01t12:00:00z", "2026-03-01T13:30:00+01:30",
        "2026-03-01T12:00:00.999Z", "1772366400", "now"}) {
    EXPECT_EQ(parse_time(text, kTimeNow), kTimeNow) << text;
  }
  EXPECT_EQ(parse_time("now-30d", kTimeNow), kTimeNow - 30 * kDay);
  EXPECT_EQ(parse_time("2026-03-01", kTimeNow), kTimeNow - 12 * kHour);
  EXPECT_EQ(parse_time("2024-02-29", kTimeNow), from_unix(1709164800));
}

TEST(Time, RefusesWhatIsNone) {
  for (const char* text :
       {"", "yesterday", "2026-02-29", "2026-13-01", "2026-03-01T24:00:00Z", "2026-03-01T12:00:00",
        "2026-03-01T12:60:00Z", "now-", "now-3", "99999999999999999999", "-1", "1969-12-31",
        "2026-03-01T12:00:00Z ", "2026-3-1", "12:00"}) {
    EXPECT_THROW(parse_time(text, kTimeNow), Error) << text;
  }
}

TEST(Duration, ReadsAndFormats) {
  EXPECT_EQ(parse_duration("90s"), Seconds{90});
  EXPECT_EQ(parse_duration("1h30m"), Seconds{5400});
  EXPECT_EQ(parse_duration("2w"), 14 * kDay);
  EXPECT_EQ(format_duration(Seconds{5400}), "1h30m");
  EXPECT_EQ(format_duration(30 * kDay), "30d");
  EXPECT_EQ(format_duration(Seconds{0}), "0s");
  for (const char* text :
       {"", "5", "h", "1.5h", "-1h", "1x", "1h 30m", "99999999999d", "101000w"}) {
    EXPECT_THROW(parse_duration(text), Error) << text;
  }
}

}  // namespace
}  // namespace usaged::core
