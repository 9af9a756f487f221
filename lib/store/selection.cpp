#include "store/selection.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <unordered_map>

#include "core/error.h"
#include "core/text.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;

bool tags_match(const Filter& filter, const std::string& account,
                const std::map<std::string, core::Tags>& tags) {
  const auto found = tags.find(account);
  return std::ranges::all_of(filter.tags, [&](const auto& wanted) {
    std::string value;  // empty: it has no such tag
    if (found != tags.end()) {
      const auto tag = found->second.find(wanted.first);
      if (tag != found->second.end()) value = tag->second;
    }
    return matches(wanted.second, value);
  });
}

bool asks_for_tags(const Question& question) {
  return !question.filter.tags.empty() ||
         std::ranges::any_of(question.group_by, [](const std::string& dimension) {
           return dimension.starts_with("tag.");
         });
}

// The kinds that a question's labels don't tell apart, nor its metric.
class KindClasses {
 public:
  KindClasses(const std::vector<std::string>& labels, core::Metric metric) : metric_(metric) {
    for (const std::string& label : labels) {
      region_ = region_ || label == "region";
      type_ = type_ || label == "usage_type";
      provider_ = provider_ || label == "cloud_provider";
    }
  }

  std::size_t of(const SeriesKind& kind) {
    const auto [place, fresh] = class_of_.try_emplace(&kind);
    if (fresh) {
      const bool cost = metric_ == core::Metric::kCost;
      place->second =
          classes_
              .try_emplace({region_ ? kind.region : "", type_ ? kind.type : "",
                            provider_ ? kind.provider : "", cost ? kind.currency : "",
                            std::string(cost ? "" : core::unit_name(core::unit_of(kind.type)))},
                           classes_.size())
              .first->second;
    }
    return place->second;
  }

 private:
  core::Metric metric_;
  bool region_ = false;
  bool type_ = false;
  bool provider_ = false;
  std::unordered_map<const SeriesKind*, std::size_t> class_of_;
  std::map<std::array<std::string, 5>, std::size_t> classes_;
};

}  // namespace

std::map<std::string, core::Tags> load_tags(Reader& reader) {
  return guarded("read tags", reader.path(), [&] {
    std::map<std::string, core::Tags> tags;
    Query query(reader.db(), "SELECT account, name, value FROM account_tag");
    while (query.step()) {
      tags[query.text(0)][query.text(1)] = query.text(2);
    }
    return tags;
  });
}

bool matches(const std::vector<std::string>& allowed, const std::string& value) {
  return allowed.empty() || std::ranges::find(allowed, value) != allowed.end();
}

std::string label_of(const std::string& dimension) {
  static const std::vector<std::string> kNames{"account", "region", "type", "provider", "target"};
  if (dimension == "account" || dimension == "account_id") return "account_id";
  if (dimension == "region") return "region";
  if (dimension == "type" || dimension == "usage_type") return "usage_type";
  if (dimension == "provider" || dimension == "cloud_provider") return "cloud_provider";
  if (dimension == "target") return "target";
  if (dimension.starts_with("tag.") && dimension.size() > 4) return dimension;
  const std::string near = core::nearest(dimension, kNames);
  throw Error(ErrorCode::kInvalid, "group_by: '{}' is not allowed; {}", dimension,
              near.empty() ? "allowed: account, region, type, provider, target, tag.NAME"
                           : fmt::format("did you mean '{}'?", near));
}

bool serves(Grain grain, const Question& question) {
  const Filter& filter = question.filter;
  std::vector<std::string> names;
  for (const std::string& dimension : question.group_by) names.push_back(label_of(dimension));
  const auto only = [&names](auto allowed) { return std::ranges::all_of(names, allowed); };
  switch (grain) {
    case Grain::kSeries:
      return true;
    case Grain::kKind:
      return filter.accounts.empty() && filter.tags.empty() && only([](const std::string& name) {
               return name != "account_id" && !name.starts_with("tag.");
             });
    case Grain::kAccount:
      return question.metric == core::Metric::kCost && filter.types.empty() &&
             filter.providers.empty() && only([](const std::string& name) {
               return name == "account_id" || name == "region" || name.starts_with("tag.");
             });
  }
  return false;
}

core::Labels labels_of(const std::vector<std::string>& names, const Labelled& what,
                       const std::map<std::string, core::Tags>& tags) {
  core::Labels labels;
  for (const std::string& name : names) {
    std::string& value = labels[name];
    if (name == "account_id") {
      value = what.account;
    } else if (name == "region") {
      value = what.region;
    } else if (name == "usage_type") {
      value = what.type;
    } else if (name == "cloud_provider") {
      value = what.provider;
    } else if (name == "target") {
      value = what.target;
    } else if (const auto found = tags.find(what.account); found != tags.end()) {
      const auto tag = found->second.find(name.substr(4));
      if (tag != found->second.end()) value = tag->second;
    }
  }
  return labels;
}

const std::string SeriesRow::kNobody;

Selection::Selection(Reader& reader, const Question& question, Grain grain)
    : by_target_(std::ranges::find(question.group_by, "target") != question.group_by.end()),
      catalog_(reader.catalog()) {
  guarded("read series", reader.path(), [&] {
    const auto tags = asks_for_tags(question) ? load_tags(reader) : AllTags{};
    if (grain == Grain::kKind) {
      load_kinds(reader, question.filter);
    } else {
      catalog_->refresh(reader.db());
      const auto lock = catalog_->lock();
      load_series(reader, question.filter, tags);
      if (grain == Grain::kAccount) load_accounts();
    }
    if (by_target_) split_by_target(reader, question.filter);
    group(question, tags);
  });
}

void Selection::load_series(Reader& reader, const Filter& filter, const AllTags& tags) {
  std::vector<bool> kinds;
  for (const SeriesKind& kind : catalog_->kinds()) {
    kinds.push_back(matches(filter.regions, kind.region) && matches(filter.types, kind.type) &&
                    matches(filter.providers, kind.provider));
  }
  std::vector<std::optional<bool>> accounts(catalog_->accounts().size());
  const auto add = [&](std::size_t id) {
    const SeriesCatalog::Entry entry = catalog_->by_id()[id];
    if (entry.kind == SeriesCatalog::kNone || !kinds[entry.kind]) return;
    const std::string& account = catalog_->accounts()[entry.account];
    auto& chosen = accounts[entry.account];
    if (!chosen) chosen = filter.tags.empty() || tags_match(filter, account, tags);
    if (!*chosen) return;
    series_.emplace_back(static_cast<std::int64_t>(id), account, catalog_->kinds()[entry.kind]);
  };
  if (filter.accounts.empty()) {
    for (std::size_t id = 0; id < catalog_->by_id().size(); ++id) add(id);
  } else {
    const std::set<std::string> wanted(filter.accounts.begin(), filter.accounts.end());
    for (const std::string& account : wanted) {
      for (const std::uint32_t id : catalog_->of_account(account)) add(id);
    }
    std::ranges::sort(series_, {}, &SeriesRow::id);
  }
  reader.check_deadline();
}

void Selection::load_kinds(Reader& reader, const Filter& filter) {
  Query query(reader.db(), "SELECT id, region, type, provider, currency FROM kind ORDER BY id");
  while (query.step()) {
    const SeriesKind kind{query.text(1), query.text(2), query.text(3), query.text(4)};
    if (!matches(filter.regions, kind.region) || !matches(filter.types, kind.type) ||
        !matches(filter.providers, kind.provider)) {
      continue;
    }
    own_kinds_.push_back(kind);
    series_.emplace_back(query.integer(0), SeriesRow::kNobody, own_kinds_.back());
  }
}

// Makes the series into their accounts, regions and currencies.
void Selection::load_accounts() {
  const auto key = [](const SeriesRow& row) {
    return std::tie(row.account(), row.region(), row.currency());
  };
  std::ranges::sort(series_, {}, key);
  std::vector<SeriesRow> rows;
  for (const SeriesRow& row : series_) {
    if (!rows.empty() && key(rows.back()) == key(row)) continue;
    own_kinds_.push_back({row.region(), "", "", row.currency()});
    rows.emplace_back(static_cast<std::int64_t>(rows.size()) + 1, row.account(), own_kinds_.back());
  }
  series_ = std::move(rows);
}

// A row for each target that asks in its region.
void Selection::split_by_target(Reader& reader, const Filter& filter) {
  std::map<std::string, std::vector<const std::string*>> targets;  // by region
  Query query(
      reader.db(),
      "SELECT target, region FROM scope s WHERE EXISTS (SELECT 1 FROM poll p WHERE p.target = "
      "s.target AND p.region = s.region) ORDER BY 1, 2");
  while (query.step()) {
    const std::string target = query.text(0);
    if (!matches(filter.targets, target)) continue;
    targets[query.text(1)].push_back(&*targets_.insert(target).first);
  }
  std::vector<SeriesRow> rows;
  for (const SeriesRow& row : series_) {
    for (const std::string* target : targets[row.region()]) {
      rows.push_back(row);
      rows.back().set_target(*target);
    }
  }
  series_ = std::move(rows);
}

Selection::Places::Places(std::size_t count, std::int64_t last) {
  const auto size = static_cast<std::size_t>(last) + 1;
  if (count > size / 16) {
    table_.resize(size, kNoGroup);
  } else {
    map_.reserve(count);
  }
}

void Selection::Places::set(std::int64_t series, std::size_t group) {
  const auto index = static_cast<std::size_t>(series);
  (index < table_.size() ? table_[index] : map_[series]) = static_cast<std::int32_t>(group);
}

void Selection::group(const Question& question, const AllTags& tags) {
  std::vector<std::string> names;
  bool of_accounts = false;
  for (const std::string& dimension : question.group_by) {
    const std::string& name = names.emplace_back(label_of(dimension));
    of_accounts = of_accounts || name == "account_id" || name.starts_with("tag.");
  }
  constexpr std::size_t kOtherPage = SIZE_MAX;
  struct Known {
    Group group;
    std::string type;  // for the message
    std::size_t place = kOtherPage;
  };
  std::map<std::string, Known> known;
  // Rows of one class of kinds, target and (if it matters) account are of one group.
  KindClasses classes(names, question.metric);
  using Key = std::tuple<std::size_t, const std::string*, const std::string*>;
  struct Hash {
    std::size_t operator()(const Key& key) const {
      const auto [kinds, target, account] = key;
      std::size_t hash = kinds;
      for (const std::string* text : {target, account}) {
        hash = (hash ^ reinterpret_cast<std::uintptr_t>(text)) * 0x9e3779b97f4a7c15U;
      }
      return hash ^ (hash >> 32U);
    }
  };
  std::unordered_map<Key, Known*, Hash> seen;
  std::vector<Known*> groups;  // of each series
  groups.reserve(series_.size());
  for (const SeriesRow& row : series_) {
    Known*& of = seen[{classes.of(*row.kind_), row.target_, of_accounts ? row.account_ : nullptr}];
    if (of == nullptr) {
      Group group;
      group.labels = labels_of(
          names, {row.account(), row.region(), row.type(), row.provider(), row.target()}, tags);
      if (question.metric == core::Metric::kCost) group.currency = row.currency();
      group.unit = core::unit_of(row.type());
      std::string key;
      for (const auto& [name, value] : group.labels) key += value + '\0';
      key += group.currency;
      const auto place = known.try_emplace(std::move(key), Known{group, row.type()}).first;
      of = &place->second;
      if (question.metric == core::Metric::kTotal && of->group.unit != group.unit) {
        throw Error(ErrorCode::kInvalid,
                    "metric=total: {} counts {} and {} counts {}, which can't be added; group by "
                    "type, or choose types of one unit",
                    of->type, core::unit_name(of->group.unit), row.type(),
                    core::unit_name(group.unit));
      }
    }
    groups.push_back(of);
  }
  // The page that was asked for, in order of keys.
  const Page& page = question.page;
  std::string last;
  for (auto& [key, group] : known) {
    if (!page.after.empty() && key <= page.after) continue;
    if (page.limit > 0 && groups_.size() == page.limit) {
      next_page_ = last;
      break;
    }
    group.place = groups_.size();
    groups_.push_back(group.group);
    last = key;
  }
  if (!series_.empty()) {
    everyone_ = Places(series_.size(), series_.back().id);
    for (const std::string& target : targets_) of_target_.emplace(target, everyone_);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < series_.size(); ++i) {
    if (groups[i]->place == kOtherPage) continue;
    everyone_.set(series_[i].id, groups[i]->place);
    if (by_target_) of_target_[series_[i].target()].set(series_[i].id, groups[i]->place);
    series_[kept++] = series_[i];
  }
  series_.erase(series_.begin() + static_cast<std::ptrdiff_t>(kept), series_.end());
}

}  // namespace usaged::store
