#include "core/silence.h"

#include <re2/re2.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace usaged::core {
namespace {

constexpr std::size_t kMostMatchers = 20;
constexpr std::size_t kMostText = 1000;
constexpr std::int64_t kMostRegexMemory = 1 << 20;

RE2::Options regex_options() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(kMostRegexMemory);
  return options;
}

bool meets(const Matcher& matcher, const std::string& value) {
  const bool same = matcher.regex ? RE2::FullMatch(value, RE2(matcher.value, regex_options()))
                                  : value == matcher.value;
  return same == matcher.equal;
}

}  // namespace

Matcher parse_matcher(std::string_view text) {
  const std::size_t sign = text.find_first_of("=!");
  const std::string_view rest = sign == std::string_view::npos ? "" : text.substr(sign);
  const std::string_view name = trim(text.substr(0, sign));
  Matcher matcher;
  std::size_t length = 2;
  if (rest.starts_with("!=")) {
    matcher.equal = false;
  } else if (rest.starts_with("=~")) {
    matcher.regex = true;
  } else if (rest.starts_with("!~")) {
    matcher.equal = false;
    matcher.regex = true;
  } else if (rest.starts_with("=")) {
    length = 1;
  } else {
    length = 0;
  }
  if (length == 0 || name.empty() || text.size() > kMostText) {
    throw Error(ErrorCode::kInvalid,
                "'{}' is not a matcher: write name=value, name!=value, name=~regex or name!~regex",
                text.substr(0, 100));
  }
  std::string_view value = trim(rest.substr(length));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  matcher.name = name;
  matcher.value = value;
  if (matcher.regex) {
    const RE2 regex(matcher.value, regex_options());
    if (!regex.ok()) {
      throw Error(ErrorCode::kInvalid, "'{}' is not a regular expression: {}", matcher.value,
                  regex.error());
    }
  }
  return matcher;
}

std::string format_matcher(const Matcher& matcher) {
  const char* sign = matcher.regex ? (matcher.equal ? "=~" : "!~") : (matcher.equal ? "=" : "!=");
  return matcher.name + sign + matcher.value;
}

bool matches(const std::vector<Matcher>& matchers,
             const std::map<std::string, std::string>& labels) {
  return std::ranges::all_of(matchers, [&labels](const Matcher& matcher) {
    const auto found = labels.find(matcher.name);
    return meets(matcher, found == labels.end() ? "" : found->second);
  });
}

std::optional<Time> silenced_until(const std::vector<Silence>& silences,
                                   const std::map<std::string, std::string>& labels, Time now) {
  std::optional<Time> until;
  for (const Silence& silence : silences) {
    if (!silence.active(now) || !matches(silence.matchers, labels)) continue;
    until = std::max(until.value_or(silence.ends_at), silence.ends_at);
  }
  return until;
}

void check_silence(const Silence& silence, Time now) {
  if (silence.matchers.empty() || silence.matchers.size() > kMostMatchers) {
    throw Error(ErrorCode::kInvalid,
                "matchers: write 1 to {} of them, like account_id=123456789012", kMostMatchers);
  }
  if (std::ranges::all_of(silence.matchers,
                          [](const Matcher& matcher) { return meets(matcher, ""); })) {
    throw Error(ErrorCode::kInvalid,
                "matchers: one of them at least must ask for a label that not every alert has");
  }
  if (silence.ends_at <= silence.starts_at) {
    throw Error(ErrorCode::kInvalid, "ends_at: must be after starts_at");
  }
  if (silence.ends_at <= now) throw Error(ErrorCode::kInvalid, "ends_at: has passed already");
  if (silence.created_by.empty() || silence.created_by.size() > kMostText) {
    throw Error(ErrorCode::kInvalid, "created_by: say who silences");
  }
  if (silence.comment.empty() || silence.comment.size() > kMostText) {
    throw Error(ErrorCode::kInvalid, "comment: say why");
  }
}

bool muted(const std::vector<MuteWindow>& windows, Time now) {
  const Time midnight = std::chrono::floor<std::chrono::days>(now);
  return std::ranges::any_of(windows, [&](const MuteWindow& window) {
    const Seconds length =
        window.to > window.from ? window.to - window.from : window.to + kDay - window.from;
    // It may have begun today or yesterday.
    return std::ranges::any_of(
        std::initializer_list<Time>{midnight, midnight - kDay}, [&](Time day) {
          const auto weekday = static_cast<int>(
              std::chrono::weekday(std::chrono::floor<std::chrono::days>(day)).c_encoding());
          const bool chosen = window.days.empty() || window.days.contains(weekday);
          return chosen && now >= day + window.from && now < day + window.from + length;
        });
  });
}

}  // namespace usaged::core
