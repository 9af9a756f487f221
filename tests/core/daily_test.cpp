#include "core/daily.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

namespace usaged::core {
namespace {

// Usage by day since the epoch, of the first thousand; nothing elsewhere.
struct Truth {
  std::array<double, 1000> usage{};
  double& operator[](std::int64_t day) { return usage.at(static_cast<std::size_t>(day)); }
};

double used(const Truth& truth, std::int64_t day) {
  const auto place = static_cast<std::size_t>(day);
  return place < truth.usage.size() ? truth.usage[place] : 0;
}

// The sum of 30 days as AWS tells it at a moment.
double rolled(const Truth& truth, Time at) {
  const std::int64_t day = day_of(at);
  const double f = static_cast<double>((at - midnight(day)).count()) / 86400;
  double sum = (1 - f) * used(truth, day - 30) + f * used(truth, day);
  for (std::int64_t i = day - 29; i < day; ++i) sum += used(truth, i);
  return sum;
}

Time moment(std::int64_t day, double fraction) {
  return midnight(day) + Seconds{static_cast<std::int64_t>(fraction * 86400)};
}

void add(std::vector<DaySums>& sums, Time at, double value) {
  const std::int64_t day = day_of(at);
  if (sums.empty() || sums.back().day != day) {
    sums.push_back({day, at, value, at, value});
  } else {
    sums.back().last_at = at;
    sums.back().last = value;
  }
}

// What polls at these hours of each day see.
std::vector<DaySums> polled(const Truth& truth, std::int64_t first, std::int64_t last,
                            const std::vector<double>& hours) {
  std::vector<DaySums> sums;
  for (std::int64_t day = first; day < last; ++day) {
    for (const double hour : hours)
      add(sums, moment(day, hour / 24), rolled(truth, moment(day, hour / 24)));
  }
  return sums;
}

const std::vector<double> kHourly{0.05, 6.05, 12.05, 18.05, 23.05};

void expect_sound(const std::vector<Day>& days, const Truth& truth, double tolerance) {
  for (const Day& day : days) {
    const double true_usage = used(truth, day.day);
    EXPECT_GE(true_usage, day.low - tolerance) << day.day;
    EXPECT_LE(true_usage, day.high + tolerance) << day.day;
    EXPECT_TRUE(day.tag != DayTag::kExact || day.low == day.high) << day.day;
    if (day.estimate) {
      EXPECT_GE(*day.estimate, day.low - tolerance);
      EXPECT_LE(*day.estimate, day.high + tolerance);
    }
  }
}

TEST(Daily, ASeriesSeenFromItsFirstDayIsExact) {
  Truth truth;
  for (int day = 100; day < 200; ++day) truth[day] = 10 + day % 7 + (day == 150 ? 500 : 0);
  auto sums = polled(truth, 100, 200, kHourly);
  sums.front().begins = true;
  sums.front().nothing_before = sums.front().day;
  const auto days = rebuild_days(sums);
  ASSERT_EQ(days.size(), 100U);
  for (const Day& day : days) EXPECT_EQ(day.tag, DayTag::kExact) << day.day;
  expect_sound(days, truth, 1e-6);
}

TEST(Daily, WithoutTheDaysBeforeAllShareOneSlackThatShrinks) {
  Truth truth;
  for (int day = 0; day < 200; ++day) truth[day] = day % 7 >= 5 ? 0 : 24;  // nothing on weekends
  auto sums = polled(truth, 100, 190, kHourly);
  const auto few = rebuild_days({sums.begin(), sums.begin() + 20});
  const auto many = rebuild_days(sums);
  expect_sound(few, truth, 1e-6);
  expect_sound(many, truth, 1e-6);
  EXPECT_EQ(few.at(3).tag, DayTag::kBounded);
  EXPECT_LT(many.at(3).high - many.at(3).low, few.at(3).high - few.at(3).low + 1e-9);
  // 30 and 7 share no divisor: each chain meets a weekend, so in the end all is known.
  EXPECT_EQ(rebuild_days(polled(truth, 60, 200, kHourly)).at(20).tag, DayTag::kExact);
}

TEST(Daily, AnImportOfOlderDaysMakesLaterOnesExact) {
  Truth truth;
  for (int day = 50; day < 200; ++day) truth[day] = 20 + day % 5;
  const auto sums = polled(truth, 100, 150, kHourly);
  EXPECT_EQ(rebuild_days(sums).at(5).tag, DayTag::kBounded);
  DailyOptions options;
  for (int day = 70; day < 100; ++day) options.known[day] = truth[day];
  const auto days = rebuild_days(sums, options);
  for (const Day& day : days) EXPECT_EQ(day.tag, DayTag::kExact) << day.day;
  expect_sound(days, truth, 1e-6);
  // One of them makes its own chain exact.
  options.known = {{75, truth[75]}};
  const auto one = rebuild_days(sums, options);
  EXPECT_EQ(one.at(5).tag, DayTag::kExact);
  EXPECT_EQ(one.at(35).tag, DayTag::kExact);
  EXPECT_EQ(one.at(6).tag, DayTag::kBounded);
}

TEST(Daily, ADayThatWasMissedIsExactAndSeveralAreBoundedByTheirSum) {
  Truth truth;
  for (int day = 100; day < 200; ++day) truth[day] = 30 + day % 11;
  auto sums = polled(truth, 100, 180, kHourly);
  sums.front().begins = true;
  sums.front().nothing_before = sums.front().day;
  const auto without = [&](std::int64_t first, std::int64_t last) {
    std::vector<DaySums> rest;
    for (const DaySums& day : sums) {
      if (day.day < first || day.day >= last) rest.push_back(day);
    }
    return rest;
  };
  const auto one = rebuild_days(without(120, 121));
  EXPECT_EQ(one.size(), 80U);
  EXPECT_EQ(one.at(20).tag, DayTag::kExact);
  const auto three = rebuild_days(without(120, 123));
  expect_sound(three, truth, 1e-6);
  EXPECT_EQ(three.at(19).tag, DayTag::kExact);
  EXPECT_EQ(three.at(21).tag, DayTag::kGap);
  EXPECT_LE(three.at(21).high, truth[120] + truth[121] + truth[122] + 1e-6);
  EXPECT_EQ(three.at(23).tag, DayTag::kExact);
  EXPECT_EQ(three.at(51).tag, DayTag::kBounded);  // a day that leaves is not known
  double sum = 0;
  for (int i = 20; i < 23; ++i) sum += *three.at(static_cast<std::size_t>(i)).estimate;
  EXPECT_NEAR(sum, truth[120] + truth[121] + truth[122], 1e-6);
}

TEST(Daily, AFallThatCanNotBeIsARestatement) {
  Truth truth;
  for (int day = 0; day < 200; ++day) truth[day] = 24;
  auto sums = polled(truth, 100, 160, kHourly);
  for (DaySums& day : sums) {
    if (day.day < 130) continue;
    day.first -= 400;
    day.last -= 400;
  }
  const auto days = rebuild_days(sums);
  ASSERT_EQ(days.size(), 60U);
  for (const Day& day : days) {
    EXPECT_GE(day.low, 0);
    EXPECT_GE(day.high, day.low);
  }
  EXPECT_EQ(days.at(10).tag, DayTag::kBounded);
  expect_sound({days.begin(), days.begin() + 28}, truth, 1e-6);
}

TEST(Daily, APeriodThatBeginsAnewIsCutThere) {
  std::vector<DaySums> sums;
  for (int day = 100; day < 160; ++day) {
    const double before = 24.0 * ((day - 100) % 30);
    add(sums, moment(day, 0.01), before + 0.24);
    add(sums, moment(day, 0.99), before + 23.76);
  }
  const auto days = rebuild_days(sums);
  ASSERT_EQ(days.size(), 60U);
  for (const Day& day : days) EXPECT_GE(day.low, 0) << day.day;
  EXPECT_NE(days.at(45).tag, DayTag::kGap);
}

TEST(Daily, SeriesThatEndAndBeginAgainAreApart) {
  Truth truth;
  for (int day = 0; day < 120; ++day) truth[day] = 24;
  for (int day = 150; day < 200; ++day) truth[day] = 12;
  auto sums = polled(truth, 100, 120, kHourly);
  auto later = polled(truth, 150, 180, kHourly);
  later.front().begins = true;
  later.front().nothing_before = later.front().day;
  sums.insert(sums.end(), later.begin(), later.end());
  const auto days = rebuild_days(sums);
  ASSERT_EQ(days.size(), 80U);
  expect_sound(days, truth, 1e-6);
  EXPECT_EQ(days.at(30).tag, DayTag::kGap);
  EXPECT_FALSE(days.at(30).estimate);
  EXPECT_EQ(days.at(55).tag, DayTag::kExact);
}

TEST(Daily, OnceADayIsBoundedByWhatTheHourMayMake) {
  Truth truth;
  for (int day = 0; day < 200; ++day) truth[day] = 20 + day % 3;
  const auto days = rebuild_days(polled(truth, 100, 180, {0.05}));
  expect_sound(days, truth, 1e-6);
  EXPECT_EQ(days.at(40).tag, DayTag::kBounded);
}

TEST(Daily, AMonthIsKnownBetterThanItsDays) {
  Truth truth;
  for (int day = 0; day < 200; ++day) truth[day] = 20 + day % 13;
  const auto days = rebuild_days(polled(truth, 60, 180, kHourly));
  const auto true_sum = [&](std::int64_t first, std::int64_t last) {
    double sum = 0;
    for (std::int64_t day = first; day < last; ++day) sum += used(truth, day);
    return sum;
  };
  // Thirty days are told as they are; 31 leave one day open, 28 two.
  const DaySum thirty = sum_days(days, 100, 130);
  EXPECT_NEAR(thirty.bounds.low, true_sum(100, 130), 1e-6);
  EXPECT_NEAR(thirty.bounds.high, true_sum(100, 130), 1e-6);
  EXPECT_NEAR(*thirty.estimate, true_sum(100, 130), 1e-6);
  EXPECT_EQ(thirty.known, 30);
  for (const auto& [first, last] : {std::pair(100, 131), std::pair(100, 128), std::pair(95, 160),
                                    std::pair(60, 75), std::pair(170, 200), std::pair(0, 50)}) {
    const DaySum sum = sum_days(days, first, last);
    const double truly = true_sum(std::max(first, 60), std::min(last, 180));
    EXPECT_LE(sum.bounds.low, truly + 1e-6) << first;
    EXPECT_GE(sum.bounds.high, truly - 1e-6) << first;
  }
  const DaySum month = sum_days(days, 100, 131);
  EXPECT_LE(month.bounds.high - month.bounds.low, days.at(40).high - days.at(40).low + 1e-6);
}

TEST(Daily, NothingComesOfNothing) {
  EXPECT_TRUE(rebuild_days({}).empty());
  const auto one = rebuild_days({{100, moment(100, 0.5), 24, moment(100, 0.5), 24}});
  ASSERT_EQ(one.size(), 1U);
  EXPECT_NE(one[0].tag, DayTag::kExact);
}

// From any usage: roll it, poll it with jitter and gaps, rebuild it.
struct Shares {
  int days = 0;
  int exact = 0;
};

Shares check_random(std::uint64_t seed, int polled_days, double missed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&random](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  const std::int64_t begins =
      uniform(0, 1) < 0.3 ? 100 + static_cast<std::int64_t>(uniform(0, 20)) : 0;
  const double size = std::exp(uniform(-3, 8));
  const bool weekends = uniform(0, 1) < 0.5;
  const bool idles = uniform(0, 1) < 0.3;
  const bool whole = uniform(0, 1) < 0.3;
  Truth truth;
  for (std::int64_t day = begins; day < 100 + polled_days; ++day) {
    double value = size * uniform(0.8, 1.2);
    if (weekends && day % 7 >= 5) value *= idles ? 0 : 0.4;
    if (uniform(0, 1) < 0.02) value *= uniform(3, 12);
    truth[day] = whole ? std::floor(value) : value;
  }
  std::vector<DaySums> sums;
  const double jitter = uniform(0, 300);
  std::optional<std::int64_t> nothing_before;
  for (std::int64_t hour = 0; hour < polled_days * 24; ++hour) {
    const bool outage = uniform(0, 1) < missed / 24;  // now and then for days
    if (outage) hour += static_cast<std::int64_t>(uniform(1, 72));
    if (hour >= polled_days * 24 || uniform(0, 1) < missed) continue;
    const Time at =
        midnight(100) + hour * kHour + Seconds{static_cast<std::int64_t>(jitter + uniform(0, 5))};
    const std::int64_t day = day_of(at);
    if (day < begins) {
      nothing_before = day;  // the account was there, without this series
      continue;
    }
    const double sum = rolled(truth, at);
    if (sum == 0) continue;
    const bool first = sums.empty();
    add(sums, at, whole ? std::floor(sum) : sum);
    if (first) sums.back().begins = true;
    if (first) sums.back().nothing_before = nothing_before;
  }
  if (sums.empty()) return {};
  DailyOptions options;
  options.rounding = whole ? 1 : 0;
  const auto days = rebuild_days(sums, options);
  const double tolerance = whole ? 8 : 1e-6 * size * 30;
  Shares shares;
  for (const Day& day : days) {
    const double usage = used(truth, day.day);
    ++shares.days;
    shares.exact += day.tag == DayTag::kExact ? 1 : 0;
    const auto month = sum_days(days, day.day, day.day + 31);
    double used_in_month = 0;
    for (std::int64_t i = day.day; i < std::min(day.day + 31, days.back().day + 1); ++i) {
      used_in_month += used(truth, i);
    }
    // What rounding leaves of each exact day adds up.
    const double many = 31 * (whole ? 4 : tolerance);
    if (used_in_month < month.bounds.low - many || used_in_month > month.bounds.high + many) {
      ADD_FAILURE() << "seed " << seed << ", 31 days from " << day.day << ": " << used_in_month
                    << " is not in [" << month.bounds.low << ", " << month.bounds.high << "]";
      return shares;
    }
    if (usage < day.low - tolerance || usage > day.high + tolerance) {
      ADD_FAILURE() << "seed " << seed << ", day " << day.day << ": " << usage << " is not in ["
                    << day.low << ", " << day.high << "], " << day_tag_name(day.tag);
      return shares;
    }
  }
  return shares;
}

// USAGED_SEEDS asks for more than a test run has time for.
std::uint64_t seeds() {
  const char* text = std::getenv("USAGED_SEEDS");  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? 1500 : std::stoul(text);
}

TEST(Daily, BoundsHoldTheTruthAndExactDaysAreIt) {
  std::map<int, Shares> by_days;
  for (std::uint64_t seed = 0; seed < seeds(); ++seed) {
    const int polled_days = 30 + static_cast<int>(seed % 5) * 30;
    const Shares shares = check_random(seed, polled_days, seed % 3 == 0 ? 0 : 0.02);
    if (HasFailure()) return;
    by_days[polled_days].days += shares.days;
    by_days[polled_days].exact += shares.exact;
  }
  for (const auto& [days, shares] : by_days) {
    RecordProperty("exact_percent_after_" + std::to_string(days), 100 * shares.exact / shares.days);
  }
}

}  // namespace
}  // namespace usaged::core
