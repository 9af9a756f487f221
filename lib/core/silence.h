#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/time.h"

namespace usaged::core {

// One condition on a label, as Alertmanager's amtool writes them: name=value, name!=value,
// name=~regex, name!~regex. A label that is not there is empty; a regex (RE2) matches the whole.
struct Matcher {
  std::string name;
  std::string value;
  bool equal = true;
  bool regex = false;
  bool operator==(const Matcher&) const = default;
};

// Throws Error(kInvalid) with what is allowed.
Matcher parse_matcher(std::string_view text);
std::string format_matcher(const Matcher& matcher);

// True if the labels meet every matcher.
bool matches(const std::vector<Matcher>& matchers,
             const std::map<std::string, std::string>& labels);

// Tells nobody of the alerts that it matches, for a time. They fire all the same.
struct Silence {
  std::int64_t id = 0;  // of the store; 0: not stored yet
  std::vector<Matcher> matchers;
  Time starts_at;
  Time ends_at;
  std::string created_by;
  std::string comment;
  Time created_at;

  bool active(Time now) const { return starts_at <= now && now < ends_at; }
};

// Until when silences keep an alert with these labels quiet; nullopt: none does now.
std::optional<Time> silenced_until(const std::vector<Silence>& silences,
                                   const std::map<std::string, std::string>& labels, Time now);

// Throws Error(kInvalid) unless it has a matcher that not every alert meets, an author, a comment,
// and ends after it starts and after `now`.
void check_silence(const Silence& silence, Time now);

// True within one of the windows.
bool muted(const std::vector<MuteWindow>& windows, Time now);

}  // namespace usaged::core
