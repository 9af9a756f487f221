#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace usaged::core {

// A moment in UTC, to the second: what is stored, compared and shown.
using Time = std::chrono::sys_seconds;
using Seconds = std::chrono::seconds;

inline constexpr Seconds kMinute{60};
inline constexpr Seconds kHour{3600};
inline constexpr Seconds kDay{86400};

constexpr std::int64_t unix_seconds(Time t) { return t.time_since_epoch().count(); }
// The UTC day of a moment, counted since the epoch.
constexpr std::int64_t day_of(Time t) {
  return std::chrono::floor<std::chrono::days>(t).time_since_epoch().count();
}
// Months, counted since January of year 0.
constexpr std::int64_t month_number(std::chrono::year_month month) {
  return std::int64_t{12} * static_cast<int>(month.year()) +
         static_cast<std::int64_t>(static_cast<unsigned>(month.month())) - 1;
}
constexpr std::chrono::year_month month_from(std::int64_t number) {
  return std::chrono::year{static_cast<int>(number / 12)} /
         std::chrono::month{static_cast<unsigned>(number % 12 + 1)};
}
// The month of a day, and the first day of a month, counted since the epoch.
constexpr std::chrono::year_month month_of(std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  return date.year() / date.month();
}
constexpr std::int64_t first_day(std::chrono::year_month month) {
  return std::chrono::sys_days{month / 1}.time_since_epoch().count();
}
constexpr Time from_unix(std::int64_t seconds) { return Time{Seconds{seconds}}; }
// When a UTC day, counted since the epoch, begins.
constexpr Time midnight(std::int64_t day) { return std::chrono::sys_days{std::chrono::days{day}}; }

// "2026-03-01T12:00:00Z" (RFC 3339).
std::string format_time(Time t);

// "2026-03-01", of days since the epoch.
std::string format_day(std::int64_t day);

// "20260301T120000Z" (ISO 8601 basic, as SigV4 wants it).
std::string format_basic(Time t);

// "Sun, 01 Mar 2026 12:00:00 GMT" (RFC 9110, IMF-fixdate).
std::string format_http_date(Time t);

// Reads an IMF-fixdate; throws Error(kInvalid) for anything else.
Time parse_http_date(std::string_view text);

// Reads RFC 3339 ("2026-03-01T12:00:00Z", an offset, a fraction that is cut off, or a bare date for
// its midnight), Unix seconds ("1772366400"), "now", "now-30d" and "now+1h". Years 1970 to 9999.
// Throws Error(kInvalid) naming what is allowed.
Time parse_time(std::string_view text, Time now);

// Reads "90s", "15m", "1h30m", "30d", "2w": whole numbers, units w d h m s.
// Throws Error(kInvalid); more than 100 years is an error too.
Seconds parse_duration(std::string_view text);

// The shortest text that parse_duration() reads back: "1h30m", "30d", "0s".
std::string format_duration(Seconds duration);

}  // namespace usaged::core
