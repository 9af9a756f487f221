#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/alert.h"
#include "core/time.h"
#include "core/usage.h"

// What questions about the history have in common, and their answers.
namespace usaged::store {

// Which series a question is about. An empty list means every one; the values of one list are
// alternatives, the lists all have to match.
struct Filter {
  std::vector<std::string> accounts;
  std::vector<std::string> regions;
  std::vector<std::string> types;
  std::vector<std::string> providers;
  std::vector<std::string> targets;
  // The empty value stands for accounts without the tag.
  std::map<std::string, std::vector<std::string>> tags;
};

// What an answer is summed by: "account", "region", "type", "provider", "target" or "tag.NAME". By
// target, what two targets see counts in the lines of both; else it counts once.
using Dimensions = std::vector<std::string>;

// The name that a dimension has in labels: "account_id", "region", "usage_type", "cloud_provider",
// "target", "tag.NAME". Throws Error(kInvalid) for what is none.
std::string label_of(const std::string& dimension);

// A part of an answer's groups or rows, in their order.
struct Page {
  std::string after;      // where the page before ended; empty: the first
  std::size_t limit = 0;  // at most so many; 0: all
};

struct Question {
  Filter filter;
  Dimensions group_by;
  core::Metric metric = core::Metric::kCost;
  Page page{};
};

// What one line of an answer is about. Currencies and units are never added up.
struct Group {
  core::Labels labels;
  std::string currency;                  // of costs; empty for totals
  core::Unit unit = core::Unit::kUnits;  // of totals
};

// A stretch in which nobody knows what one target saw in one region.
struct Gap {
  std::string target;
  std::string region;
  core::Time from;
  core::Time to;
  std::string reason;  // the outcome of the last failed poll in it; "not polled" if there was none
};

// How much of what should be known an answer is made of.
struct Completeness {
  std::int64_t expected = 0;  // polls
  std::int64_t good = 0;
  std::vector<Gap> gaps;
  std::optional<core::Time> newest;  // poll that the answer uses
  std::int64_t unknown_values = 0;   // numbers that AWS left out, in the newest snapshot used
};

}  // namespace usaged::store
