#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "store/history.h"

namespace usaged::web {

// The parameters of a question, from an address or from the command line's flags. Whoever answers
// takes those that it knows; finish() refuses what is left.
class Query {
 public:
  Query() = default;
  // Reads "a=1&b=2", percent-encoded. Throws Error(kInvalid) for broken encoding, control
  // characters and more than 8,000 parameters.
  explicit Query(std::string_view text);

  void add(const std::string& name, const std::string& value);
  bool has(const std::string& name) const { return values_.contains(name); }

  // Each throws Error(kInvalid), naming the parameter, for a value that makes no sense, or for two
  // values where there can be one.
  std::vector<std::string> all(const std::string& name);
  std::optional<std::string> one(const std::string& name);
  std::optional<core::Time> time(const std::string& name, core::Time now);
  std::optional<core::Seconds> duration(const std::string& name);
  // A number from 0 on, with a fraction or without.
  std::optional<double> amount(const std::string& name);
  std::optional<int> number(const std::string& name, int least, int most);
  // One of the words, or the first of them if there is none.
  std::string choice(const std::string& name, const std::vector<std::string>& words);
  // account, region, type, provider, target, tag.NAME (empty: accounts without the tag).
  store::Filter filter();
  // group_by, repeated or separated by commas.
  store::Dimensions group_by();
  core::Metric metric();
  // "raw", months like "1mo", or a duration.
  std::optional<core::Step> step(const std::string& name);

  // Throws Error(kInvalid) if a parameter has not been asked for.
  void finish() const;

 private:
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> asked_;
};

// Decodes %xx (and + as a space, if asked). Throws Error(kInvalid).
std::string percent_decode(std::string_view text, bool plus_is_space);

}  // namespace usaged::web
