#include "core/step.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace usaged::core {
namespace {

std::vector<std::string> times(const char* step, const char* start, const char* end,
                               std::size_t most = 100) {
  std::vector<std::string> texts;
  const Time now;
  for (const Time t :
       step_times(parse_step(step), parse_time(start, now), parse_time(end, now), most)) {
    texts.push_back(format_time(t));
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST(Step, HoursAndDaysAreWhole) {
  EXPECT_EQ(times("1h", "2026-03-01T10:00:01Z", "2026-03-01T12:00:00Z"),
            (Texts{"2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z"}));
  EXPECT_EQ(times("1d", "2026-03-01", "2026-03-02T23:59:59Z"),
            (Texts{"2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"}));
  EXPECT_EQ(times("1d", "1970-01-01", "1970-01-01"), (Texts{"1970-01-01T00:00:00Z"}));
}

TEST(Step, WeeksBeginOnMondays) {
  EXPECT_EQ(times("1w", "2026-03-01", "2026-03-16"),
            (Texts{"2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z", "2026-03-16T00:00:00Z"}));
  EXPECT_EQ(times("7d", "2026-03-02T00:00:01Z", "2026-03-09"), (Texts{"2026-03-09T00:00:00Z"}));
  EXPECT_EQ(times("1w", "1970-01-01", "1970-01-05"), (Texts{"1970-01-05T00:00:00Z"}));
}

TEST(Step, MonthsBeginOnTheFirst) {
  EXPECT_EQ(times("1mo", "2025-12-02", "2026-02-01"),
            (Texts{"2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"}));
  EXPECT_EQ(times("3mo", "2026-01-31", "2026-12-31"),
            (Texts{"2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z", "2026-10-01T00:00:00Z"}));
}

TEST(Step, OneTooManyIsAnError) {
  EXPECT_EQ(times("1d", "2026-03-01", "2026-03-03", 3).size(), 3U);
  EXPECT_THROW(times("1d", "2026-03-01", "2026-03-04", 3), Error);
  EXPECT_EQ(times("1mo", "2026-01-01", "2026-03-01", 3).size(), 3U);
  EXPECT_THROW(times("1mo", "2026-01-01", "2026-04-01", 3), Error);
}

TEST(Step, WhatIsNoneIsAnError) {
  EXPECT_TRUE(parse_step("raw").raw);
  EXPECT_EQ(parse_step("120mo").months, 120);
  for (const char* text : {"", "0s", "0mo", "121mo", "-1mo", "mo", "1m2mo", "month", "rawr"}) {
    EXPECT_THROW(parse_step(text), Error) << text;
  }
}

}  // namespace
}  // namespace usaged::core
