#include "core/step.h"

#include <charconv>

#include "core/error.h"

namespace usaged::core {
namespace {

constexpr int kMostMonths = 120;
constexpr Seconds kWeek = 7 * kDay;
constexpr std::int64_t kFirstMonday = std::int64_t{4} * 86400;  // 1970-01-05

Error too_many(std::size_t most) {
  return {ErrorCode::kInvalid,
          "the range holds more than {} steps; choose a larger step or a shorter range", most};
}

}  // namespace

Step parse_step(std::string_view text) {
  Step step;
  if (text == "raw") {
    step.raw = true;
    return step;
  }
  if (text.ends_with("mo")) {
    const std::string_view number = text.substr(0, text.size() - 2);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), step.months);
    if (error == std::errc{} && end == number.data() + number.size() && step.months > 0 &&
        step.months <= kMostMonths) {
      return step;
    }
    throw Error(ErrorCode::kInvalid, "'{}' is not a number of months from 1mo to {}mo", text,
                kMostMonths);
  }
  try {
    step.seconds = parse_duration(text);
  } catch (const Error&) {
    throw Error(ErrorCode::kInvalid,
                "'{}' is not a step: write raw, a duration like 1h, 1d or 1w, or months like 1mo",
                text);
  }
  if (step.seconds <= Seconds{0}) throw Error(ErrorCode::kInvalid, "must be longer than 0s");
  return step;
}

std::vector<Time> step_times(const Step& step, Time start, Time end, std::size_t most) {
  std::vector<Time> times;
  if (step.months > 0) {
    using std::chrono::year_month;
    const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(start)};
    year_month month = day.year() / std::chrono::January;
    for (;; month += std::chrono::months{step.months}) {
      const Time t{std::chrono::sys_days{month / 1}};
      if (t > end) return times;
      if (t < start) continue;
      if (times.size() == most) throw too_many(most);
      times.push_back(t);
    }
  }
  const std::int64_t length = step.seconds.count();
  const std::int64_t shift = step.seconds % kWeek == Seconds{0} ? kFirstMonday : 0;
  const std::int64_t from = unix_seconds(start) - shift;
  std::int64_t t = from / length * length;
  if (t < from) t += length;
  for (t += shift; t <= unix_seconds(end); t += length) {
    if (times.size() == most) throw too_many(most);
    times.push_back(from_unix(t));
  }
  return times;
}

}  // namespace usaged::core
