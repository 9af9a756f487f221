#include "core/time.h"

#include <fmt/compile.h>

#include <array>
#include <charconv>
#include <optional>

#include "core/error.h"

namespace usaged::core {
namespace {

using std::chrono::year_month_day;

struct Civil {
  int year;
  unsigned month;
  unsigned day;
  std::int64_t hour;
  std::int64_t minute;
  std::int64_t second;
  unsigned weekday;
};

Civil to_civil(Time t) {
  const auto midnight = std::chrono::floor<std::chrono::days>(t);
  const year_month_day date{midnight};
  const std::int64_t rest = (t - midnight).count();
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          rest / 3600,
          rest / 60 % 60,
          rest % 60,
          std::chrono::weekday{midnight}.c_encoding()};
}

constexpr std::array<std::string_view, 7> kWeekdays{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::optional<std::int64_t> digits(std::string_view text) {
  std::int64_t value = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Eats `count` digits from the front, or fails.
std::optional<int> take(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  const auto value = digits(text.substr(0, count));
  if (!value) return std::nullopt;
  text.remove_prefix(count);
  return static_cast<int>(*value);
}

bool eat(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Time> make_time(int year, int month, int day, int hour, int minute, int second) {
  const year_month_day date{std::chrono::year{year},
                            std::chrono::month{static_cast<unsigned>(month)},
                            std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok() || year < 1970 || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
         Seconds{second};
}

std::optional<Time> parse_rfc3339(std::string_view text) {
  const auto year = take(text, 4);
  if (!year || !eat(text, '-')) return std::nullopt;
  const auto month = take(text, 2);
  if (!month || !eat(text, '-')) return std::nullopt;
  const auto day = take(text, 2);
  if (!day) return std::nullopt;
  if (text.empty()) return make_time(*year, *month, *day, 0, 0, 0);
  if (!eat(text, 'T') && !eat(text, 't') && !eat(text, ' ')) return std::nullopt;
  const auto hour = take(text, 2);
  if (!hour || !eat(text, ':')) return std::nullopt;
  const auto minute = take(text, 2);
  if (!minute || !eat(text, ':')) return std::nullopt;
  const auto second = take(text, 2);
  if (!second) return std::nullopt;
  if (eat(text, '.')) {
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') text.remove_prefix(1);
  }
  auto time = make_time(*year, *month, *day, *hour, *minute, *second);
  if (!time) return std::nullopt;
  if (text == "Z" || text == "z") return time;
  const int sign = eat(text, '+') ? 1 : eat(text, '-') ? -1 : 0;
  if (sign == 0) return std::nullopt;
  const auto offset_hours = take(text, 2);
  if (!offset_hours || !eat(text, ':')) return std::nullopt;
  const auto offset_minutes = take(text, 2);
  if (!offset_minutes || !text.empty() || *offset_hours > 23 || *offset_minutes > 59) {
    return std::nullopt;
  }
  return *time - sign * (std::chrono::hours{*offset_hours} + std::chrono::minutes{*offset_minutes});
}

constexpr std::int64_t kLastUnixSecond = 253402300799;  // 9999-12-31T23:59:59Z

}  // namespace

std::string format_time(Time t) {
  const Civil c = to_civil(t);
  return fmt::format(FMT_COMPILE("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z"), c.year, c.month, c.day,
                     c.hour, c.minute, c.second);
}

std::string format_day(std::int64_t day) { return format_time(midnight(day)).substr(0, 10); }

std::string format_basic(Time t) {
  const Civil c = to_civil(t);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute,
                     c.second);
}

std::string format_http_date(Time t) {
  const Civil c = to_civil(t);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kWeekdays.at(c.weekday), c.day,
                     kMonths.at(c.month - 1), c.year, c.hour, c.minute, c.second);
}

Time parse_http_date(std::string_view text) {
  std::string_view rest = text;
  const auto parse = [&]() -> std::optional<Time> {
    if (rest.size() != 29) return std::nullopt;
    rest.remove_prefix(5);
    const auto day = take(rest, 2);
    if (!day || !eat(rest, ' ')) return std::nullopt;
    int month = 0;
    for (std::size_t i = 0; i < kMonths.size(); ++i) {
      if (rest.substr(0, 3) == kMonths.at(i)) month = static_cast<int>(i) + 1;
    }
    rest.remove_prefix(3);
    if (month == 0 || !eat(rest, ' ')) return std::nullopt;
    const auto year = take(rest, 4);
    if (!year || !eat(rest, ' ')) return std::nullopt;
    const auto hour = take(rest, 2);
    if (!hour || !eat(rest, ':')) return std::nullopt;
    const auto minute = take(rest, 2);
    if (!minute || !eat(rest, ':')) return std::nullopt;
    const auto second = take(rest, 2);
    if (!second || rest != " GMT") return std::nullopt;
    return make_time(*year, month, *day, *hour, *minute, *second);
  };
  if (const auto time = parse()) return *time;
  throw Error(ErrorCode::kInvalid, "'{}' is not an HTTP date", text);
}

Time parse_time(std::string_view text, Time now) {
  if (text == "now") return now;
  if (text.starts_with("now-") || text.starts_with("now+")) {
    const Seconds offset = parse_duration(text.substr(4));
    const Time result = text[3] == '-' ? now - offset : now + offset;
    if (unix_seconds(result) >= 0 && unix_seconds(result) <= kLastUnixSecond) return result;
  } else if (const auto number = digits(text)) {
    if (*number <= kLastUnixSecond) return from_unix(*number);
  } else if (const auto time = parse_rfc3339(text)) {
    if (unix_seconds(*time) >= 0 && unix_seconds(*time) <= kLastUnixSecond) return *time;
  }
  throw Error(ErrorCode::kInvalid,
              "'{}' is not a time: write 2026-03-01T12:00:00Z, 2026-03-01, Unix seconds, now or "
              "now-30d",
              text);
}

Seconds parse_duration(std::string_view text) {
  const auto fail = [text]() {
    return Error(ErrorCode::kInvalid,
                 "'{}' is not a duration: write a whole number and a unit (w, d, h, m, s), like "
                 "90s, 15m, 1h30m or 30d",
                 text);
  };
  constexpr std::int64_t kMost = std::int64_t{36525} * 86400;
  std::string_view rest = text;
  std::int64_t total = 0;
  std::int64_t last_unit = INT64_MAX;
  if (rest.empty()) throw fail();
  while (!rest.empty()) {
    std::size_t count = 0;
    while (count < rest.size() && rest[count] >= '0' && rest[count] <= '9') ++count;
    const auto number = digits(rest.substr(0, count));
    if (!number || count == rest.size()) throw fail();
    std::int64_t unit = 0;
    switch (rest[count]) {
      case 'w':
        unit = std::int64_t{7} * 86400;
        break;
      case 'd':
        unit = 86400;
        break;
      case 'h':
        unit = 3600;
        break;
      case 'm':
        unit = 60;
        break;
      case 's':
        unit = 1;
        break;
      default:
        throw fail();
    }
    if (unit >= last_unit || *number > kMost / unit) throw fail();
    last_unit = unit;
    total += *number * unit;
    if (total > kMost) throw fail();
    rest.remove_prefix(count + 1);
  }
  return Seconds{total};
}

std::string format_duration(Seconds duration) {
  std::int64_t rest = duration.count();
  if (rest == 0) return "0s";
  std::string text;
  if (rest < 0) {
    text = "-";
    rest = -rest;
  }
  constexpr std::array<std::pair<char, std::int64_t>, 4> kUnits{
      {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}};
  for (const auto& [name, unit] : kUnits) {
    if (rest >= unit) {
      text += fmt::format("{}{}", rest / unit, name);
      rest %= unit;
    }
  }
  return text;
}

}  // namespace usaged::core
