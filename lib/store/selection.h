#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "store/history.h"
#include "store/reader.h"

// Which series a question is about, and the groups that they make.
namespace usaged::store {

// A series; or a kind of series (without account), or an account in a region (without type and
// provider), whose sums are kept.
struct SeriesRow {
  std::int64_t id;
  std::string account;
  std::string region;
  std::string type;
  std::string provider;
  std::string currency;
  core::Time first_seen;
  std::string target;  // if the question tells targets apart
};

// What the rows of a selection are.
enum class Grain { kSeries, kKind, kAccount };

// The series that a question chooses, each in its group.
class Selection {
 public:
  // Throws Error(kInvalid) if the totals of a group would be of different units. Rows of a grain
  // other than kSeries serve only questions that serves() allows.
  Selection(Reader& reader, const Question& question, Grain grain = Grain::kSeries);

  // In order of their id (and of targets).
  const std::vector<SeriesRow>& series() const { return series_; }
  const std::vector<Group>& groups() const { return groups_; }  // in order of their labels
  // The page after this one goes on from here; empty: there is none.
  const std::string& next_page() const { return next_page_; }
  bool by_target() const { return by_target_; }

  bool has(std::int64_t series) const { return find(everyone_, series) != kNoGroup; }
  // The index of the group of a series that it has, as this target sees it; nullopt if that is not
  // chosen. The target matters only if the question tells targets apart.
  std::optional<std::size_t> group_of(std::int64_t series, const std::string& target = "") const {
    std::int32_t group = kNoGroup;
    if (!by_target_) {
      group = find(everyone_, series);
    } else if (const auto found = of_target_.find(target); found != of_target_.end()) {
      group = find(found->second, series);
    }
    return group == kNoGroup ? std::nullopt : std::optional(static_cast<std::size_t>(group));
  }

 private:
  static constexpr std::int32_t kNoGroup = -1;
  using Places = std::vector<std::int32_t>;  // groups by series id

  static std::int32_t find(const Places& places, std::int64_t series) {
    const auto index = static_cast<std::size_t>(series);
    return index < places.size() ? places[index] : kNoGroup;
  }
  static void set(Places& places, std::int64_t series, std::size_t group);

  void load(Reader& reader, const Filter& filter, Grain grain,
            const std::map<std::string, core::Tags>& tags);
  void split_by_target(Reader& reader, const Filter& filter);
  void group(const Question& question, const std::map<std::string, core::Tags>& tags);

  bool by_target_ = false;
  std::vector<SeriesRow> series_;
  std::vector<Group> groups_;
  Places everyone_;
  std::map<std::string, Places> of_target_;
  std::string next_page_;
};

// True if rows of this grain have all that a question asks for.
bool serves(Grain grain, const Question& question);

// Every account's tags.
std::map<std::string, core::Tags> load_tags(Reader& reader);

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
    } else if (name == "target") {
      value = row.target;
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
