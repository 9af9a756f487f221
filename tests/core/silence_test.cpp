#include "core/silence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace usaged::core {
namespace {

using ::testing::HasSubstr;
using Labels = std::map<std::string, std::string>;

// 2026-03-01T12:00:00Z, a Sunday.
const Time kNoon = from_unix(1772366400);

bool match(const char* matcher, const Labels& labels) {
  return matches({parse_matcher(matcher)}, labels);
}

TEST(Matcher, HasTheFourOfAmtool) {
  const Labels labels{{"region", "eu-central-1"}, {"account_id", "111111111111"}};
  EXPECT_TRUE(match("region=eu-central-1", labels));
  EXPECT_TRUE(match("region = \"eu-central-1\"", labels));
  EXPECT_FALSE(match("region=eu", labels));
  EXPECT_TRUE(match("region!=us-east-1", labels));
  EXPECT_FALSE(match("region!=eu-central-1", labels));
  EXPECT_TRUE(match("region=~eu-.*", labels));
  EXPECT_FALSE(match("region=~eu", labels));  // the whole has to match
  EXPECT_FALSE(match("region!~eu-.*", labels));
  EXPECT_TRUE(match("region!~us-.*", labels));
  EXPECT_TRUE(match("team=", labels));  // not there is empty
  EXPECT_FALSE(match("team!=", labels));
  EXPECT_FALSE(matches({parse_matcher("region=~eu-.*"), parse_matcher("account_id=2")}, labels));
  for (const char* text : {"a=b", "a!=b", "a=~b.*", "a!~b|c", "a="}) {
    EXPECT_EQ(format_matcher(parse_matcher(text)), text);
  }
}

TEST(Matcher, BadOnesSayWhatIsAllowed) {
  for (const char* text : {"", "region", "=x", "!", "a!b", "a=~(", "a=~[", "a!~*"}) {
    EXPECT_THROW(parse_matcher(text), Error) << text;
  }
}

TEST(Matcher, NoRegexTakesLong) {
  // Exponential in a matcher that goes back.
  EXPECT_FALSE(match("a=~(a+)+$b", {{"a", std::string(200, 'a')}}));
  // RE2 refuses what would take too much memory.
  EXPECT_THROW(parse_matcher("a=~((a{100}){100}){100}"), Error);
}

std::string problem_of(Silence silence) {
  try {
    check_silence(silence, kNoon);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Silence, NeedsMatchersTimesAuthorAndComment) {
  Silence good;
  good.matchers = {parse_matcher("account_id=111111111111")};
  good.starts_at = kNoon;
  good.ends_at = kNoon + kHour;
  good.created_by = "ann";
  good.comment = "migration";
  EXPECT_EQ(problem_of(good), "");
  EXPECT_FALSE(good.active(kNoon - Seconds{1}));
  EXPECT_TRUE(good.active(kNoon));
  EXPECT_FALSE(good.active(kNoon + kHour));

  Silence bad = good;
  bad.matchers.clear();
  EXPECT_THAT(problem_of(bad), HasSubstr("matchers: "));
  bad.matchers = {parse_matcher("account_id=~.*")};  // every alert
  EXPECT_THAT(problem_of(bad), HasSubstr("matchers: "));
  bad = good;
  bad.ends_at = bad.starts_at;
  EXPECT_THAT(problem_of(bad), HasSubstr("ends_at: "));
  bad.starts_at = kNoon - 2 * kHour;
  bad.ends_at = kNoon;
  EXPECT_THAT(problem_of(bad), HasSubstr("has passed"));
  bad = good;
  bad.comment.clear();
  EXPECT_THAT(problem_of(bad), HasSubstr("comment: "));
  bad = good;
  bad.created_by.clear();
  EXPECT_THAT(problem_of(bad), HasSubstr("created_by: "));
}

TEST(Mute, WindowsMayPassMidnightAndKeepToTheirDays) {
  const Time midnight = kNoon - 12 * kHour;
  const std::vector<MuteWindow> night{{{}, 22 * kHour, 6 * kHour}};
  EXPECT_TRUE(muted(night, midnight));
  EXPECT_TRUE(muted(night, midnight + 6 * kHour - Seconds{1}));
  EXPECT_FALSE(muted(night, midnight + 6 * kHour));
  EXPECT_FALSE(muted(night, midnight + 22 * kHour - Seconds{1}));
  EXPECT_TRUE(muted(night, midnight + 22 * kHour));
  // Sunday's night goes on into Monday; Saturday's is over by Sunday's morning.
  const std::vector<MuteWindow> sunday{{{0}, 22 * kHour, 6 * kHour}};
  EXPECT_FALSE(muted(sunday, midnight + kHour));
  EXPECT_TRUE(muted(sunday, midnight + 23 * kHour));
  EXPECT_TRUE(muted(sunday, midnight + 29 * kHour));
  EXPECT_FALSE(muted(sunday, midnight + 30 * kHour));
  const std::vector<MuteWindow> weekend{{{0, 6}, Seconds{0}, kDay}};
  EXPECT_TRUE(muted(weekend, kNoon));
  EXPECT_TRUE(muted(weekend, midnight - Seconds{1}));
  EXPECT_FALSE(muted(weekend, midnight + kDay));
  EXPECT_FALSE(muted({}, kNoon));
}

}  // namespace
}  // namespace usaged::core
