#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/config.h"
#include "store/history.h"
#include "store/reader.h"

// Which series a question is about, and the groups that they make.
namespace usaged::store {

struct SeriesRow {
  std::int64_t id;
  std::string account;
  std::string region;
  std::string type;
  std::string provider;
  std::string currency;
  core::Time first_seen;
};

// The series that a question chooses, each in its group.
class Selection {
 public:
  // Throws Error(kInvalid) if the totals of a group would be of different units.
  Selection(Reader& reader, const Question& question);

  const std::vector<SeriesRow>& series() const { return series_; }  // in order of their id
  const std::vector<Group>& groups() const { return groups_; }
  bool has(std::int64_t series) const {
    const auto index = static_cast<std::size_t>(series);
    return index < group_of_.size() && group_of_[index] != kNoGroup;
  }
  // The index of the group of a series that it has.
  std::size_t group_of(std::int64_t series) const {
    return static_cast<std::size_t>(group_of_[static_cast<std::size_t>(series)]);
  }

 private:
  static constexpr std::int32_t kNoGroup = -1;

  void group(const Question& question, const std::map<std::string, core::Tags>& tags);

  std::vector<SeriesRow> series_;
  std::vector<Group> groups_;
  std::vector<std::int32_t> group_of_;  // by series id
};

// The labels of these names (see label_of()) of anything that has account, region, type and
// provider; an absent tag is empty.
template <typename Row>
core::Labels labels_of(const std::vector<std::string>& names, const Row& row,
                       const std::map<std::string, core::Tags>& tags) {
  core::Labels labels;
  for (const std::string& name : names) {
    std::string& value = labels[name];
    if (name == "account_id") {
      value = row.account;
    } else if (name == "region") {
      value = row.region;
    } else if (name == "usage_type") {
      value = row.type;
    } else if (name == "cloud_provider") {
      value = row.provider;
    } else if (const auto found = tags.find(row.account); found != tags.end()) {
      const auto tag = found->second.find(name.substr(4));
      if (tag != found->second.end()) value = tag->second;
    }
  }
  return labels;
}

// True if nothing or the value is among what is allowed.
bool matches(const std::vector<std::string>& allowed, const std::string& value);

}  // namespace usaged::store
