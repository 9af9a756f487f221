#include "core/spike.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace usaged::core {
namespace {

constexpr std::size_t kLeastDays = 2;
constexpr std::size_t kDaysBefore = 4;  // a day whose deviation counts
constexpr std::size_t kShareDays = 56;
constexpr std::size_t kLevelDays = 9;
constexpr std::size_t kLongLevelDays = 28;
constexpr std::size_t kDeviationDays = 42;
constexpr double kPriorDeviation = 0.25;
constexpr double kPriorWeight = 3;  // days that the prior deviation counts for
constexpr double kLeastDeviation = 0.04;
constexpr double kSharePrior = 1.5;  // weeks that a share of 1 counts for
constexpr double kHabitQuantile = 0.9;
constexpr double kBeyondHabit = 1.25;
constexpr double kBeyondPeak = 1.5;
constexpr double kBesideTheJump = 0.25;
constexpr double kEchoDoubt = 0.3;  // of an unusual day: when in it what leaves was used
constexpr double kAtFirst = 2;      // times the expected, while maybe only a weekend is known
constexpr int kFewDays = 36;
constexpr int kVeryFewDays = 10;
constexpr double kUneven = 0.75;  // of the mean of the sum: days below it leave the rest to bursts
constexpr double kOfTheSum = 0.25;  // that a day has to be of where usage comes in bursts
constexpr double kOfTheSumAtFirst = 0.15;
constexpr double kBurst = 0.5;    // of the mean: a day that surely had more came in a burst
constexpr double kBursty = 0.12;  // of the days

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::size_t weekday(std::int64_t day) { return static_cast<std::size_t>((day + 4) % 7); }

struct Known {
  std::int64_t day;
  double usage;
  double low;
};

// Each weekday against the median of the seven days around it.
std::array<double, 7> shares(const std::vector<Known>& days) {
  std::array<std::vector<double>, 7> ratios;
  const std::size_t first = days.size() > kShareDays ? days.size() - kShareDays : 0;
  for (std::size_t i = first; i < days.size(); ++i) {
    const std::size_t from = i >= 3 ? i - 3 : 0;
    const std::size_t to = std::min(days.size(), from + 7);
    std::vector<double> week;
    for (std::size_t k = to >= 7 ? to - 7 : 0; k < to; ++k) week.push_back(days[k].usage);
    const double usual = median(std::move(week));
    if (usual > 0) ratios[weekday(days[i].day)].push_back(days[i].usage / usual);
  }
  std::array<double, 7> result{};
  for (std::size_t i = 0; i < 7; ++i) {
    const auto n = static_cast<double>(ratios[i].size());
    const double share = ratios[i].size() < 2 ? 1 : median(ratios[i]);
    result[i] = std::clamp((n * share + kSharePrior) / (n + kSharePrior), 0.1, 4.0);
  }
  return result;
}

// The median of the last so many of the first `end` values.
double recent(const std::vector<double>& values, std::size_t end, std::size_t most) {
  const std::size_t begin = end > most ? end - most : 0;
  return median({values.begin() + static_cast<std::ptrdiff_t>(begin),
                 values.begin() + static_cast<std::ptrdiff_t>(end)});
}

double level_before(const std::vector<double>& values, std::size_t end) {
  return std::max(recent(values, end, kLevelDays), recent(values, end, kLongLevelDays));
}

}  // namespace

std::string_view confidence_name(Confidence confidence) {
  switch (confidence) {
    case Confidence::kLow:
      return "low";
    case Confidence::kMedium:
      return "medium";
    case Confidence::kHigh:
      break;
  }
  return "high";
}

double Baseline::expected(Time from, Time to) const {
  double sum = 0;
  for (std::int64_t day = day_of(from); midnight(day) < to; ++day) {
    const Seconds part = std::min(to, midnight(day + 1)) - std::max(from, midnight(day));
    sum += level * share[weekday(day)] * static_cast<double>(part.count()) / 86400;
  }
  return sum;
}

std::optional<Baseline> make_baseline(const std::vector<UsageDay>& history, double nothing) {
  std::vector<Known> days;
  bool begun = false;
  for (const UsageDay& day : history) {
    if (!day.usage.estimate || (!begun && *day.usage.estimate <= nothing)) continue;
    // The first day is a part of one.
    if (std::exchange(begun, true)) days.push_back({day.day, *day.usage.estimate, day.usage.low});
  }
  if (days.size() < kLeastDays) return std::nullopt;
  Baseline result;
  result.days = static_cast<int>(days.size());
  result.share = shares(days);
  std::vector<double> values;  // without the weekdays' shares
  for (const Known& day : days) values.push_back(day.usage / result.share[weekday(day.day)]);
  result.level = level_before(values, values.size());

  const std::size_t first =
      std::max(kDaysBefore,
               values.size() > kDeviationDays ? values.size() - kDeviationDays : std::size_t{0});
  std::vector<double> off;    // relative, either way
  std::vector<double> above;  // relative
  for (std::size_t i = first; i < values.size(); ++i) {
    const double level = level_before(values, i);
    if (level <= 0) continue;
    off.push_back(std::abs(values[i] / level - 1));
    above.push_back(values[i] / level - 1);
  }
  const auto n = static_cast<double>(off.size());
  const double seen = 1.4826 * median(off);
  result.deviation =
      std::max(kLeastDeviation,
               std::sqrt((n * seen * seen + kPriorWeight * kPriorDeviation * kPriorDeviation) /
                         (n + kPriorWeight)));
  if (!above.empty()) {
    const auto at = static_cast<std::size_t>(kHabitQuantile * static_cast<double>(above.size()));
    std::ranges::nth_element(above, above.begin() + static_cast<std::ptrdiff_t>(at));
    result.habit = std::max(0.0, above[at]);
  }
  double mean = 0;
  for (const Known& day : days) mean += day.usage / static_cast<double>(days.size());
  const auto bursts = std::ranges::count_if(days, [mean](const Known& day) {
    return day.low > kBurst * mean && day.low < 0.98 * day.usage;
  });
  result.bursty =
      bursts >= 2 && static_cast<double>(bursts) >= kBursty * static_cast<double>(days.size());
  std::vector<double> lately(
      values.end() - static_cast<std::ptrdiff_t>(std::min(values.size(), kDeviationDays)),
      values.end());
  std::ranges::sort(lately, std::ranges::greater{});
  result.peak = lately[1];
  const double small = 0.25 * lately[lately.size() / 8];
  result.intermittent = static_cast<std::size_t>(std::ranges::count_if(
                            lately, [small](double value) { return value <= small; })) *
                            2 >
                        lately.size();
  return result;
}

std::optional<std::int64_t> first_used_day(const std::vector<UsageDay>& history, double nothing) {
  const auto first = std::ranges::find_if(history, [nothing](const UsageDay& day) {
    return day.usage.estimate && *day.usage.estimate > nothing;
  });
  return first == history.end() ? std::nullopt : std::optional(first->day);
}

UsageByHours usage_by_hours(const Baseline& baseline, const std::vector<UsageDay>& days, Time from,
                            Time to, std::optional<double> bend_from,
                            std::optional<double> bend_to) {
  const auto usage_of = [&](std::int64_t day) {
    const auto found = std::ranges::lower_bound(days, day, {}, &UsageDay::day);
    if (found == days.end() || found->day != day) return std::optional<double>{};
    return found->usage.estimate;
  };
  const auto unusual = [&](std::int64_t day) {
    const auto usage = usage_of(day);
    return usage ? std::abs(*usage - baseline.level * baseline.share[weekday(day)]) : 0.0;
  };
  Part part = usage_between(days, from, to);
  double bent = 0;
  double open = 0;
  for (const auto& [moment, bend, sign] :
       {std::tuple(from, bend_from, -1.0), std::tuple(to, bend_to, 1.0)}) {
    const std::int64_t day = day_of(moment);
    const double here = unusual(day);
    const double before = unusual(day - 30);
    const double little = 0.5 * baseline.level;
    if (bend && (before <= 0.5 * here || (here < little && before < little))) {
      bent += sign * *bend;
      continue;
    }
    if (bend && here < little) continue;
    const double gone =
        static_cast<double>((moment - midnight(day)).count()) / 86400;  // of the day, by then
    const double counted = sign > 0 ? gone : 1 - gone;
    part.low -= counted * usage_of(day).value_or(0);
    open += counted * here;
  }
  part.low = std::max(0.0, part.low + bent);
  if (part.high) part.high = std::max(0.0, *part.high + bent);
  if (part.estimate) part.estimate = std::max(0.0, *part.estimate + bent);
  double largest = 0;
  for (std::int64_t day = day_of(from) - 1; day <= day_of(to) + 1; ++day) {
    const double usual = baseline.level * baseline.share[weekday(day)];
    largest = std::max(largest, usage_of(day).value_or(0) - usual);
  }
  return {part, kEchoDoubt * largest + open};
}

SpikeJudgement judge_spike(const Baseline& baseline, const SpikeOptions& options, Time from,
                           Time to, double before, double after, const Part& left, double doubt,
                           double largest_step) {
  const double change = after - before;
  SpikeJudgement result;
  const double days = static_cast<double>((to - from).count()) / 86400;
  result.expected = baseline.expected(from, to);
  const double guess = left.estimate.value_or(left.low);
  // What leaves beyond the usual is an echo; where it is a guess, it may be too high a guess.
  const double unusual = std::max(0.0, guess - result.expected);
  const double open = std::max(0.0, guess - left.low);
  // Usage that comes and goes may have left at any hour of its day, so none of it counts.
  const double taken =
      baseline.intermittent ? guess : std::max(std::min(unusual, open), std::min(doubt, guess));
  result.value = std::max(0.0, change + guess - taken);

  double relative = std::max({options.min_percent / 100, options.deviations * baseline.deviation,
                              kBeyondHabit * baseline.habit});
  if (baseline.days < static_cast<int>(kDaysBefore)) relative = std::max(relative, kAtFirst);
  double over = std::max(options.min_amount * days, relative * result.expected);
  if (baseline.intermittent) {
    over = std::max(over, kBeyondPeak * baseline.peak * days - result.expected);
  }
  // Few days tell little of what is usual; how much is usual in 30 of them is known from the first.
  if (baseline.days < kVeryFewDays) {
    over = std::max(over, kOfTheSumAtFirst * before - result.expected);
  }
  const bool uneven = baseline.bursty || baseline.level < kUneven * before / 30;
  if (baseline.days < kFewDays && uneven) {
    over = std::max(over, kOfTheSum * before - result.expected);
  }
  result.threshold = result.expected + over;
  const double excess = result.value - result.expected;
  const double scale = baseline.deviation * std::max(result.expected, baseline.peak * 0.1 * days);
  result.score = scale > 0 ? excess / scale : 0;
  result.firing = excess >= over && excess - largest_step >= kBesideTheJump * over;
  result.calm = excess < options.recovery * over;
  const bool certain = left.high && *left.high - left.low <= 0.2 * std::max(result.expected, 1e-9);
  result.confidence = baseline.days < 10               ? Confidence::kLow
                      : baseline.days < 28 || !certain ? Confidence::kMedium
                                                       : Confidence::kHigh;
  return result;
}

}  // namespace usaged::core
