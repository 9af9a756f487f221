#include "core/daily.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace usaged::core {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kWindow = 30;
// Two sums of a day are so far apart at least for their slope to count, in days.
constexpr double kLeastSpread = 0.25;
// A lone sum is so near a midnight at most to stand for it, in days.
constexpr double kNear = 0.25;
constexpr int kMostRounds = 12;
constexpr int kWeekdayRounds = 4;
// What computing with doubles leaves of a sum, and how much of that may add up in an exact day.
constexpr double kNoise = 1e-12;
constexpr double kExact = 1e3;
// How many steps of rounding a day that is exact but for it may be wide, for each day of its chain:
// one to either side, and what the part of the day that is told adds.
constexpr double kSteps = 2.5;
constexpr double kLittle = 0.01;  // and of the usage itself

struct Range {
  double low = 0;
  double high = kInfinity;

  // Keeps what both allow; true if that is less. Ranges that just miss each other meet in between.
  bool narrow(double new_low, double new_high) {
    const double before_low = low;
    const double before_high = high;
    low = std::max(low, new_low);
    high = std::min(high, new_high);
    if (low > high) low = high = (low + high) / 2;
    const double least = 1e-12 * std::max(1.0, std::abs(low));
    return low > before_low + least || high < before_high - least;
  }
};

// What the sums tell of a number, and the likeliest one.
struct Told {
  double low = 0;
  double high = 0;
  double best = 0;
};

double fraction(const DaySums& sums, Time at) {
  return static_cast<double>((at - midnight(sums.day)).count()) / 86400.0;
}

// One run of days in which the sums follow from each other.
class Segment {
 public:
  // `first` to `last` (one past the end) are its days, in order.
  Segment(std::vector<DaySums>::const_iterator first, std::vector<DaySums>::const_iterator last,
          const DailyOptions& options)
      : options_(options),
        from_(first->day - kWindow),
        to_((last - 1)->day + 1),
        days_(static_cast<std::size_t>(to_ - from_)),
        slopes_(days_.size()),
        midnights_(days_.size() + 1) {
    if (first->nothing_before) {
      const std::int64_t end = std::min(*first->nothing_before, first->day);
      for (std::int64_t day = from_; day < end; ++day) at(days_, day) = {0, 0};
      if (end == first->day) at(midnights_, first->day) = Told{0, 0, 0};
    }
    for (auto sums = first; sums != last; ++sums) {
      noise_ = std::max({noise_, kNoise * sums->first, kNoise * sums->last});
    }
    for (const auto& [day, usage] : options.known) {
      if (day >= from_ && day < to_) at(days_, day) = {usage, usage};
    }
    find_midnights(first, last);
  }

  // Narrows every day as far as the facts allow. The day at which they contradict each other: the
  // sums fell there by more than could leave.
  std::optional<std::int64_t> solve() {
    for (std::int64_t day = from_ + kWindow; day < to_; ++day) {
      if (!forward(day)) return day;
      window(day + 1);
    }
    for (int round = 0; round < kMostRounds; ++round) {
      bool changed = false;
      for (std::int64_t day = to_ - 1; day >= from_ + kWindow; --day) changed |= pair(day);
      for (std::int64_t day = from_ + kWindow; day <= to_; ++day) changed |= window(day);
      changed |= stretches();
      for (std::int64_t day = from_ + kWindow; day < to_; ++day) changed |= pair(day);
      if (!changed) break;
    }
    return std::nullopt;
  }

  std::vector<Day> days() {
    const std::vector<double> guess = guesses();
    std::vector<Day> result;
    for (std::int64_t day = from_ + kWindow; day < to_; ++day) {
      const Range& range = at(days_, day);
      Day out;
      out.day = day;
      out.low = range.low;
      out.high = range.high;
      // What rounding leaves open adds up from one day of a chain to the next.
      const double chained = static_cast<double>(day - from_) / static_cast<double>(kWindow);
      const double width = range.high - range.low;
      const bool rounded = width <= kSteps * options_.rounding * chained &&
                           width <= kLittle * (range.low + range.high);
      if (rounded || width <= kExact * noise_) {
        out.tag = DayTag::kExact;
        out.low = out.high = (range.low + range.high) / 2;
        out.slack = (range.high - range.low) / 2;
        out.estimate = out.low;
      } else {
        out.tag = at(slopes_, day) ? DayTag::kBounded : DayTag::kGap;
        const double value = guess[static_cast<std::size_t>(day - from_)];
        if (std::isfinite(value)) out.estimate = value;
      }
      if (const auto& end = at(midnights_, day + 1)) {
        out.window = Bounds{std::max(0.0, end->low), std::max(0.0, end->high)};
      }
      result.push_back(out);
    }
    return result;
  }

 private:
  template <typename T>
  T& at(std::vector<T>& values, std::int64_t day) {
    return values[static_cast<std::size_t>(day - from_)];
  }

  // What one day by itself says of the sums at its two midnights.
  struct Line {
    Told begin;
    Told end;
  };
  std::optional<Line> line(const DaySums& sums) const {
    const double a = fraction(sums, sums.first_at);
    const double b = fraction(sums, sums.last_at);
    if (b - a < kLeastSpread) return std::nullopt;
    const double slope = (sums.last - sums.first) / (b - a);
    const double slack = (options_.rounding + noise_) / (b - a);
    return Line{around(sums.first - a * slope, slack), around(sums.last + (1 - b) * slope, slack)};
  }
  static Told around(double value, double slack) { return {value - slack, value + slack, value}; }

  void find_midnights(std::vector<DaySums>::const_iterator first,
                      std::vector<DaySums>::const_iterator last) {
    for (auto sums = first; sums != last; ++sums) {
      const auto own = line(*sums);
      const auto next = sums + 1 != last && (sums + 1)->day == sums->day + 1 ? sums + 1 : last;
      const auto then = next == last ? std::nullopt : line(*next);
      auto& begin = at(midnights_, sums->day);
      auto& end = at(midnights_, sums->day + 1);
      if (own && !begin) begin = own->begin;
      if (own && then && (own->end.low > then->begin.high || then->begin.low > own->end.high)) {
        end = between(*sums, *next);
      } else if (own) {
        end = own->end;
      } else {
        lone(sums, first, last, begin, then ? nullptr : &end);
      }
    }
    // Between midnights that are known: the slope of a day, or the sum of those of several.
    std::int64_t known = to_;
    for (std::int64_t day = from_ + kWindow; day <= to_; ++day) {
      const auto& right = at(midnights_, day);
      if (!right) continue;
      if (known < day) {
        const auto& left = at(midnights_, known);
        const Told sum{right->low - left->high, right->high - left->low, right->best - left->best};
        if (day - known > 1) {
          stretches_.push_back({known, day, sum});
        } else {
          at(slopes_, known) = sum;
        }
      }
      known = day;
    }
  }

  // Sums of one day that are too near each other stand for the midnight that they are near to, by
  // as much as may have come and gone between: what came is in the next day's sums, what went was
  // in the day's before, and a part of both is in these.
  void lone(std::vector<DaySums>::const_iterator sums, std::vector<DaySums>::const_iterator first,
            std::vector<DaySums>::const_iterator last, std::optional<Told>& begin,
            std::optional<Told>* end) const {
    const double slack = options_.rounding + noise_;
    const bool has_next = sums + 1 != last && (sums + 1)->day == sums->day + 1;
    const bool has_before = sums != first && (sums - 1)->day == sums->day - 1;
    if (const double a = fraction(*sums, sums->first_at); !begin && a <= kNear) {
      const double came = has_next ? a * (sums + 1)->first : sums->first;
      const double went = has_before ? a * (sums - 1)->last : a / (1 - a) * sums->first;
      begin = Told{sums->first - came - slack, sums->first + went + slack, sums->first};
    }
    if (const double b = fraction(*sums, sums->last_at); end != nullptr && 1 - b <= kNear) {
      const double came = has_next ? (1 - b) * (sums + 1)->first : (1 - b) / b * sums->last;
      const double went = has_before ? (1 - b) * (sums - 1)->last : sums->last;
      *end = Told{sums->last - went - slack, sums->last + came + slack, sums->last};
    }
  }

  // The sum at the midnight between two days, if it changed evenly from the last one told before to
  // the first one after.
  Told between(const DaySums& before, const DaySums& after) const {
    const double left = 1 - fraction(before, before.last_at);
    const double right = fraction(after, after.first_at);
    const double share = left + right > 0 ? left / (left + right) : 0.5;
    return around(before.last + share * (after.first - before.last), options_.rounding + noise_);
  }

  // False if the day would have to be negative.
  bool forward(std::int64_t day) {
    const auto& slope = at(slopes_, day);
    if (!slope) return true;
    const Range& leaves = at(days_, day - kWindow);
    const double tolerance = 8 * (options_.rounding + noise_);
    if (slope->high + leaves.high < -tolerance) return false;
    pair(day);
    return true;
  }

  // d(t) = D(t) + d(t-30), both ways.
  bool pair(std::int64_t day) {
    const auto& slope = at(slopes_, day);
    if (!slope) return false;
    Range& now = at(days_, day);
    Range& then = at(days_, day - kWindow);
    bool changed =
        now.narrow(std::max(0.0, then.low + slope->low), std::max(0.0, then.high + slope->high));
    changed |=
        then.narrow(std::max(0.0, now.low - slope->high), std::max(0.0, now.high - slope->low));
    return changed;
  }

  // The 30 days before a midnight add up to its sum.
  bool window(std::int64_t day) {
    const auto& sum = at(midnights_, day);
    if (!sum) return false;
    return share(day - kWindow, day, *sum, 0, 0);
  }

  // The days of [first, last) add up to a sum, with what is added to both its ends.
  bool share(std::int64_t first, std::int64_t last, const Told& sum, double more_low,
             double more_high) {
    double low = 0;
    double high = 0;
    double widest = 0;
    int unbounded = 0;
    for (std::int64_t day = first; day < last; ++day) {
      const Range& range = at(days_, day);
      low += range.low;
      if (std::isinf(range.high)) {
        ++unbounded;
      } else {
        high += range.high;
      }
      widest = std::max(widest, range.high - range.low);
    }
    const double most = sum.high + more_high;
    const double least = sum.low + more_low;
    // No day is wider than what all of them leave open.
    const double open = std::min(most - low, high - least);
    if (unbounded == 0 && widest <= open + 1e-12 * std::max(1.0, open)) return false;
    bool changed = false;
    for (std::int64_t day = first; day < last; ++day) {
      Range& range = at(days_, day);
      const bool others_bounded = unbounded == 0 || (unbounded == 1 && std::isinf(range.high));
      const double others_high = high - (std::isinf(range.high) ? 0 : range.high);
      const double new_low = others_bounded ? least - others_high : 0;
      const double new_high = most - (low - range.low);
      changed |= range.narrow(std::max(0.0, new_low), std::max(0.0, new_high));
    }
    return changed;
  }

  // Where days were missed: the sum of their slopes.
  bool stretches() {
    bool changed = false;
    for (const Stretch& stretch : stretches_) {
      double low = 0;
      double high = 0;
      for (std::int64_t day = stretch.first; day < stretch.last; ++day) {
        low += at(days_, day - kWindow).low;
        high += at(days_, day - kWindow).high;
      }
      changed |= share(stretch.first, stretch.last, stretch.sum, low, high);
    }
    return changed;
  }

  // A point within the ranges that fits the first window and every slope. Begins with the slack
  // shared alike; then, since days of the week are like each other, moves each chain to where its
  // days are as near to what their weekdays have, keeping the sum of the window.
  std::vector<double> guesses() {
    std::vector<double> guess(days_.size());
    for (std::size_t i = 0; i < days_.size(); ++i) guess[i] = days_[i].low;
    const auto of = [&](std::int64_t day) -> double& {
      return guess[static_cast<std::size_t>(day - from_)];
    };
    // The earliest sum that is known tells how much the 30 days before have in all.
    std::int64_t anchor = from_ + kWindow;
    while (anchor <= to_ && !at(midnights_, anchor)) ++anchor;
    if (anchor > to_) {
      follow(of);
      return guess;
    }
    const double sum = at(midnights_, anchor)->best;
    spread(anchor - kWindow, anchor, sum, of);
    follow(of);
    for (int round = 0; round < kWeekdayRounds; ++round) {
      const auto usual = weekday_means(of);
      for (std::int64_t day = anchor - kWindow; day < anchor; ++day) {
        const Range& range = at(days_, day);
        of(day) = std::clamp(of(day) + median_miss(day, usual, of), range.low, range.high);
      }
      settle(anchor - kWindow, anchor, sum, of);
      follow(of);
    }
    return guess;
  }

  // The mean guess of each day of the week.
  template <typename Of>
  std::array<double, 7> weekday_means(Of of) const {
    std::array<double, 7> sums{};
    std::array<int, 7> counts{};
    for (std::int64_t day = from_; day < to_; ++day) {
      const auto weekday = static_cast<std::size_t>(day % 7);
      sums.at(weekday) += of(day);
      ++counts.at(weekday);
    }
    for (std::size_t i = 0; i < 7; ++i) sums.at(i) /= std::max(1, counts.at(i));
    return sums;
  }

  // By how much the days of a chain are below what their weekdays have, in the middle of them.
  template <typename Of>
  double median_miss(std::int64_t first, const std::array<double, 7>& usual, Of of) const {
    std::vector<double> misses;
    for (std::int64_t day = first; day < to_; day += kWindow) {
      if (day != first && !slopes_[static_cast<std::size_t>(day - from_)]) break;
      misses.push_back(usual.at(static_cast<std::size_t>(day % 7)) - of(day));
    }
    std::ranges::sort(misses);
    const std::size_t middle = misses.size() / 2;
    return misses.size() % 2 == 1 ? misses[middle] : (misses[middle - 1] + misses[middle]) / 2;
  }

  // Moves the guesses of [first, last) alike until they add up to `sum`, within their ranges.
  template <typename Of>
  void settle(std::int64_t first, std::int64_t last, double sum, Of of) {
    for (int round = 0; round < 3; ++round) {
      double now = 0;
      for (std::int64_t day = first; day < last; ++day) now += of(day);
      const double share = (sum - now) / static_cast<double>(last - first);
      for (std::int64_t day = first; day < last; ++day) {
        const Range& range = at(days_, day);
        of(day) = std::clamp(of(day) + share, range.low, range.high);
      }
    }
  }

  // Each day from the one that left at its end.
  template <typename Of>
  void follow(Of of) {
    for (std::int64_t day = from_ + kWindow; day < to_; ++day) {
      if (const auto& slope = at(slopes_, day)) {
        const Range& range = at(days_, day);
        of(day) = std::clamp(of(day - kWindow) + slope->best, range.low, range.high);
        continue;
      }
      const auto stretch = std::ranges::find(stretches_, day, &Stretch::first);
      if (stretch == stretches_.end()) continue;
      double sum = stretch->sum.best;
      for (std::int64_t i = stretch->first; i < stretch->last; ++i) sum += of(i - kWindow);
      spread(stretch->first, stretch->last, sum, of);
      day = stretch->last - 1;
    }
  }

  // Sets the guesses of [first, last) so that they add up to `sum`, each as far up its range.
  template <typename Of>
  void spread(std::int64_t first, std::int64_t last, double sum, Of of) {
    double low = 0;
    double room = 0;
    for (std::int64_t day = first; day < last; ++day) {
      low += at(days_, day).low;
      room += at(days_, day).high - at(days_, day).low;
    }
    for (std::int64_t day = first; day < last; ++day) {
      const Range& range = at(days_, day);
      if (std::isinf(room)) {
        of(day) = range.low + std::max(0.0, sum - low) / static_cast<double>(last - first);
      } else {
        const double share = room > 0 ? std::clamp((sum - low) / room, 0.0, 1.0) : 0;
        of(day) = range.low + share * (range.high - range.low);
      }
    }
  }

  struct Stretch {
    std::int64_t first;
    std::int64_t last;
    Told sum;  // of the slopes
  };

  const DailyOptions& options_;
  double noise_ = 0;
  std::int64_t from_;
  std::int64_t to_;
  std::vector<Range> days_;                     // from from_ on
  std::vector<std::optional<Told>> slopes_;     // D of each day
  std::vector<std::optional<Told>> midnights_;  // the sum at the start of each day
  std::vector<Stretch> stretches_;
};

}  // namespace

std::string_view day_tag_name(DayTag tag) {
  switch (tag) {
    case DayTag::kExact:
      return "exact";
    case DayTag::kBounded:
      return "bounded";
    case DayTag::kGap:
      break;
  }
  return "gap";
}

std::vector<Day> rebuild_days(const std::vector<DaySums>& sums, const DailyOptions& options) {
  std::vector<Day> result;
  // Days between two runs of which nothing is known.
  const auto fill_to = [&result](std::int64_t day) {
    while (!result.empty() && result.back().day + 1 < day) {
      Day gap;
      gap.day = result.back().day + 1;
      gap.high = kInfinity;
      result.push_back(gap);
    }
  };
  for (auto first = sums.begin(); first != sums.end();) {
    auto last = first + 1;
    while (last != sums.end() && !last->begins) ++last;
    Segment segment(first, last, options);
    const auto broken = segment.solve();
    if (!broken) {
      fill_to(first->day);
      for (const Day& day : segment.days()) result.push_back(day);
      first = last;
      continue;
    }
    // Up to the day before, the facts agree; the day itself has what it shows by itself.
    auto cut = first;
    while (cut != last && cut->day < *broken) ++cut;
    if (cut != first) {
      Segment before(first, cut, options);
      before.solve();
      fill_to(first->day);
      for (const Day& day : before.days()) result.push_back(day);
    }
    fill_to(*broken);
    Day day;
    day.day = *broken;
    day.tag = DayTag::kBounded;
    day.high = kInfinity;
    const auto after =
        std::ranges::find_if(cut, last, [&](const DaySums& told) { return told.day > *broken; });
    // The first sum told after it has the whole of it.
    if (after != last && after->day == *broken + 1) day.high = after->first;
    result.push_back(day);
    while (cut != last && cut->day <= *broken) ++cut;
    if (cut == last && cut == sums.end()) break;
    first = cut;
  }
  return result;
}

DaySum sum_days(const std::vector<Day>& days, std::int64_t first, std::int64_t last) {
  DaySum sum;
  // Of days that are there; [from, to).
  const auto of = [&days](std::int64_t from, std::int64_t to, double slack = 1) {
    Bounds bounds;
    if (days.empty()) return bounds;
    from = std::max(from, days.front().day);
    to = std::min(to, days.back().day + 1);
    for (std::int64_t day = from; day < to; ++day) {
      const Day& one = days[static_cast<std::size_t>(day - days.front().day)];
      bounds.low += one.low - slack * one.slack;
      bounds.high += one.high + slack * one.slack;
    }
    return bounds;
  };
  sum.bounds = of(first, last, 0);
  for (const Day& day : days) {
    if (day.day < first || day.day >= last) continue;
    sum.known += day.tag == DayTag::kGap ? 0 : 1;
    if (!day.estimate) sum.estimate.reset();
    if (sum.estimate) *sum.estimate += *day.estimate;
    // The window that ends here, without its days before `first`, and with the others.
    const std::int64_t begin = day.day + 1 - kWindow;
    if (!day.window || (begin < first && begin < days.front().day)) continue;
    const Bounds before = of(begin, first);
    const Bounds earlier = of(first, begin);
    const Bounds later = of(day.day + 1, last);
    const double low = day.window->low - before.high + earlier.low + later.low;
    const double high = day.window->high - before.low + earlier.high + later.high;
    if (!std::isnan(low)) sum.bounds.low = std::max(sum.bounds.low, low);
    if (!std::isnan(high)) sum.bounds.high = std::min(sum.bounds.high, high);
  }
  sum.bounds.high = std::max(sum.bounds.high, sum.bounds.low);
  return sum;
}

}  // namespace usaged::core
