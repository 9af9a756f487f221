#include "web/query.h"

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/text.h"

namespace usaged::web {
namespace {

using core::Error;
using core::ErrorCode;

constexpr std::size_t kMostParameters = 8000;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// Runs `action` and puts the parameter's name before what it throws.
template <typename Action>
auto named(const std::string& name, Action action) {
  try {
    return action();
  } catch (const Error& e) {
    throw Error(e.code(), fmt::format("{}: {}", name, e.what()));
  }
}

}  // namespace

std::string percent_decode(std::string_view text, bool plus_is_space) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        throw Error(ErrorCode::kInvalid,
                    "a % in the address must be followed by two hexadecimal "
                    "digits");
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      throw Error(ErrorCode::kInvalid, "the address holds a control character");
    }
    result += c;
  }
  return result;
}

Query::Query(std::string_view text) {
  if (text.empty()) return;
  std::size_t count = 0;
  for (const std::string& parameter : core::split(text, '&')) {
    if (parameter.empty()) continue;
    if (++count > kMostParameters) throw Error(ErrorCode::kInvalid, "too many parameters");
    const std::size_t equals = parameter.find('=');
    if (equals == std::string::npos) {
      throw Error(ErrorCode::kInvalid, "'{}': a parameter is written name=value",
                  percent_decode(parameter, true));
    }
    add(percent_decode(parameter.substr(0, equals), true),
        percent_decode(parameter.substr(equals + 1), true));
  }
}

void Query::add(const std::string& name, const std::string& value) {
  values_[name].push_back(value);
}

std::vector<std::string> Query::all(const std::string& name) {
  asked_.push_back(name);
  const auto found = values_.find(name);
  if (found == values_.end()) return {};
  for (const std::string& value : found->second) {
    if (value.empty() && !name.starts_with("tag."))
      throw Error(ErrorCode::kInvalid, "{}: is empty", name);
  }
  return found->second;
}

std::optional<std::string> Query::one(const std::string& name) {
  const std::vector<std::string> values = all(name);
  if (values.empty()) return std::nullopt;
  if (values.size() > 1) throw Error(ErrorCode::kInvalid, "{}: is there twice", name);
  return values.front();
}

std::optional<core::Time> Query::time(const std::string& name, core::Time now) {
  const auto text = one(name);
  if (!text) return std::nullopt;
  return named(name, [&] { return core::parse_time(*text, now); });
}

std::optional<core::Seconds> Query::duration(const std::string& name) {
  const auto text = one(name);
  if (!text) return std::nullopt;
  return named(name, [&] {
    const core::Seconds value = core::parse_duration(*text);
    if (value <= core::Seconds{0}) throw Error(ErrorCode::kInvalid, "must be more than nothing");
    return value;
  });
}

std::optional<core::Step> Query::step(const std::string& name) {
  const auto text = one(name);
  if (!text) return std::nullopt;
  return named(name, [&] { return core::parse_step(*text); });
}

std::optional<int> Query::number(const std::string& name, int least, int most) {
  const auto text = one(name);
  if (!text) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value < least || value > most) {
    throw Error(ErrorCode::kInvalid, "{}: '{}' is not a whole number from {} to {}", name, *text,
                least, most);
  }
  return value;
}

std::optional<double> Query::amount(const std::string& name) {
  const auto text = one(name);
  if (!text) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || !(value >= 0 && value < 1e15)) {
    throw Error(ErrorCode::kInvalid, "{}: '{}' is not a number from 0 on", name, *text);
  }
  return value;
}

std::string Query::choice(const std::string& name, const std::vector<std::string>& words) {
  const auto text = one(name);
  if (!text) return words.front();
  if (std::ranges::find(words, *text) == words.end()) {
    throw Error(ErrorCode::kInvalid, "{}: '{}' is not allowed; allowed: {}", name, *text,
                core::join(words, ", "));
  }
  return *text;
}

store::Filter Query::filter() {
  store::Filter filter;
  filter.accounts = all("account");
  for (const std::string& account : filter.accounts) {
    if (!core::is_account_id(account)) {
      throw Error(ErrorCode::kInvalid, "account: '{}' is not an account id: 12 digits", account);
    }
  }
  filter.regions = all("region");
  filter.types = all("type");
  filter.providers = all("provider");
  filter.targets = all("target");
  for (const auto& [name, values] : values_) {
    if (name.starts_with("tag.") && name.size() > 4) filter.tags[name.substr(4)] = all(name);
  }
  return filter;
}

store::Dimensions Query::group_by() {
  store::Dimensions dimensions;
  for (const std::string& value : all("group_by")) {
    for (const std::string& name : core::split(value, ',')) {
      store::label_of(name);  // throws for what is none
      if (std::ranges::find(dimensions, name) == dimensions.end()) dimensions.push_back(name);
    }
  }
  return dimensions;
}

core::Metric Query::metric() {
  return choice("metric", {"cost", "total"}) == "cost" ? core::Metric::kCost : core::Metric::kTotal;
}

void Query::finish() const {
  for (const auto& [name, values] : values_) {
    if (std::ranges::find(asked_, name) != asked_.end()) continue;
    const std::string near = core::nearest(name, asked_);
    std::vector<std::string> allowed = asked_;
    std::ranges::sort(allowed);
    throw Error(ErrorCode::kInvalid, "{}: unknown parameter; {}", name,
                near.empty() ? "allowed: " + core::join(allowed, ", ")
                             : fmt::format("did you mean '{}'?", near));
  }
}

}  // namespace usaged::web
