#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/config.h"
#include "store/catalog.h"
#include "store/question.h"
#include "store/reader.h"

// Which series a question is about, and the groups that they make.
namespace usaged::store {

// A series; or a kind of series (without account), or an account in a region (without type and
// provider), whose sums are kept. Its texts live as long as the selection that it is of.
class SeriesRow {
 public:
  SeriesRow(std::int64_t series, const std::string& account, const SeriesKind& kind)
      : id(series), account_(&account), kind_(&kind) {}
  void set_target(const std::string& target) { target_ = &target; }

  const std::string& account() const { return *account_; }
  const SeriesKind& kind() const { return *kind_; }
  const std::string& region() const { return kind_->region; }
  const std::string& type() const { return kind_->type; }
  const std::string& provider() const { return kind_->provider; }
  const std::string& currency() const { return kind_->currency; }
  // If the question tells targets apart; else empty.
  const std::string& target() const { return *target_; }

  std::int64_t id;

 private:
  friend class Selection;
  static const std::string kNobody;
  const std::string* account_;
  const SeriesKind* kind_;
  const std::string* target_ = &kNobody;
};

// What the rows of a selection are.
enum class Grain { kSeries, kKind, kAccount };

// The series that a question chooses, each in its group.
class Selection {
 public:
  // Throws Error(kInvalid) if the totals of a group would be of different units. Rows of a grain
  // other than kSeries serve only questions that serves() allows.
  Selection(Reader& reader, const Question& question, Grain grain = Grain::kSeries);
  Selection(const Selection&) = delete;
  Selection& operator=(const Selection&) = delete;

  // In order of their id (and of targets).
  const std::vector<SeriesRow>& series() const { return series_; }
  const std::vector<Group>& groups() const { return groups_; }  // in order of their labels
  // The page after this one goes on from here; empty: there is none.
  const std::string& next_page() const { return next_page_; }
  bool by_target() const { return by_target_; }

  bool has(std::int64_t series) const { return everyone_.find(series) != kNoGroup; }
  // The index of the group of a series that it has, as this target sees it; nullopt if that is not
  // chosen. The target matters only if the question tells targets apart.
  std::optional<std::size_t> group_of(std::int64_t series, const std::string& target = "") const {
    std::int32_t group = kNoGroup;
    if (!by_target_) {
      group = everyone_.find(series);
    } else if (const auto found = of_target_.find(target); found != of_target_.end()) {
      group = found->second.find(series);
    }
    return group == kNoGroup ? std::nullopt : std::optional(static_cast<std::size_t>(group));
  }

 private:
  static constexpr std::int32_t kNoGroup = -1;

  // Groups by series id.
  class Places {
   public:
    Places() = default;
    // For so many of the ids up to `last`: a table if they are many, else a map.
    Places(std::size_t count, std::int64_t last);
    std::int32_t find(std::int64_t series) const {
      if (const auto index = static_cast<std::size_t>(series); index < table_.size()) {
        return table_[index];
      }
      const auto found = map_.find(series);
      return found == map_.end() ? kNoGroup : found->second;
    }
    void set(std::int64_t series, std::size_t group);

   private:
    std::vector<std::int32_t> table_;
    std::unordered_map<std::int64_t, std::int32_t> map_;
  };

  using AllTags = std::map<std::string, core::Tags>;
  void load_series(Reader& reader, const Filter& filter, const AllTags& tags);
  void load_kinds(Reader& reader, const Filter& filter);
  void load_accounts();
  void split_by_target(Reader& reader, const Filter& filter);
  void group(const Question& question, const std::map<std::string, core::Tags>& tags);

  bool by_target_ = false;
  std::shared_ptr<SeriesCatalog> catalog_;  // whose texts the rows refer to
  std::deque<SeriesKind> own_kinds_;        // or these
  std::set<std::string> targets_;
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

// What labels are made of.
struct Labelled {
  const std::string& account;
  const std::string& region;
  const std::string& type;
  const std::string& provider;
  const std::string& target;
};

// The labels of these names (see label_of()); an absent tag is empty.
core::Labels labels_of(const std::vector<std::string>& names, const Labelled& what,
                       const std::map<std::string, core::Tags>& tags);

// True if nothing or the value is among what is allowed.
bool matches(const std::vector<std::string>& allowed, const std::string& value);

}  // namespace usaged::store
