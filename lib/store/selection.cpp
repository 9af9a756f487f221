#include "store/selection.h"

#include <algorithm>
#include <set>

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

}  // namespace

std::map<std::string, core::Tags> load_tags(Reader& reader) {
  return guarded("read tags", reader.path(), [&] {
    std::map<std::string, core::Tags> tags;
    SQLite::Statement query(reader.db(), "SELECT account, name, value FROM account_tag");
    while (query.executeStep()) {
      tags[query.getColumn(0).getString()][query.getColumn(1).getString()] =
          query.getColumn(2).getString();
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

Selection::Selection(Reader& reader, const Question& question, Grain grain)
    : by_target_(std::ranges::find(question.group_by, "target") != question.group_by.end()) {
  guarded("read series", reader.path(), [&] {
    const auto tags = load_tags(reader);
    load(reader, question.filter, grain, tags);
    if (by_target_) split_by_target(reader, question.filter);
    group(question, tags);
  });
}

void Selection::load(Reader& reader, const Filter& filter, Grain grain,
                     const std::map<std::string, core::Tags>& tags) {
  const char* sql =
      grain == Grain::kSeries
          ? "SELECT id, account, region, type, provider, currency, first_seen FROM series ORDER BY "
            "id"
      : grain == Grain::kKind
          ? "SELECT id, '', region, type, provider, currency, 0 FROM kind ORDER BY id"
          : "SELECT row_number() OVER (), account, region, '', '', currency, 0 FROM (SELECT "
            "DISTINCT account, region, currency FROM series ORDER BY account, region, currency)";
  const std::set<std::string> accounts(filter.accounts.begin(), filter.accounts.end());
  SQLite::Statement query(reader.db(), sql);
  while (query.executeStep()) {
    SeriesRow row{query.getColumn(0).getInt64(),
                  query.getColumn(1).getString(),
                  query.getColumn(2).getString(),
                  query.getColumn(3).getString(),
                  query.getColumn(4).getString(),
                  query.getColumn(5).getString(),
                  core::from_unix(query.getColumn(6).getInt64()),
                  ""};
    if ((accounts.empty() || accounts.contains(row.account)) &&
        matches(filter.regions, row.region) && matches(filter.types, row.type) &&
        matches(filter.providers, row.provider) && tags_match(filter, row.account, tags)) {
      series_.push_back(std::move(row));
    }
  }
}

// A row for each target that asks in its region.
void Selection::split_by_target(Reader& reader, const Filter& filter) {
  std::map<std::string, std::vector<std::string>> targets;  // by region
  SQLite::Statement query(reader.db(),
                          "SELECT target, region FROM poll GROUP BY target, region ORDER BY 1, 2");
  while (query.executeStep()) {
    const std::string target = query.getColumn(0);
    if (matches(filter.targets, target)) targets[query.getColumn(1)].push_back(target);
  }
  std::vector<SeriesRow> rows;
  for (const SeriesRow& row : series_) {
    for (const std::string& target : targets[row.region]) {
      rows.push_back(row);
      rows.back().target = target;
    }
  }
  series_ = std::move(rows);
}

void Selection::set(Places& places, std::int64_t series, std::size_t group) {
  const auto index = static_cast<std::size_t>(series);
  if (places.size() <= index) places.resize(index + 1, kNoGroup);
  places[index] = static_cast<std::int32_t>(group);
}

void Selection::group(const Question& question, const std::map<std::string, core::Tags>& tags) {
  std::vector<std::string> names;
  for (const std::string& dimension : question.group_by) names.push_back(label_of(dimension));
  constexpr std::size_t kOtherPage = SIZE_MAX;
  struct Known {
    Group group;
    std::string type;  // for the message
    std::size_t place = kOtherPage;
  };
  std::map<std::string, Known> known;
  std::vector<Known*> groups;  // of each series
  groups.reserve(series_.size());
  for (const SeriesRow& row : series_) {
    Group group;
    group.labels = labels_of(names, row, tags);
    if (question.metric == core::Metric::kCost) group.currency = row.currency;
    group.unit = core::unit_of(row.type);
    std::string key;
    for (const auto& [name, value] : group.labels) key += value + '\0';
    key += group.currency;
    const auto place = known.try_emplace(std::move(key), Known{group, row.type}).first;
    const Known& first = place->second;
    if (question.metric == core::Metric::kTotal && first.group.unit != group.unit) {
      throw Error(ErrorCode::kInvalid,
                  "metric=total: {} counts {} and {} counts {}, which can't be added; group by "
                  "type, or choose types of one unit",
                  first.type, core::unit_name(first.group.unit), row.type,
                  core::unit_name(group.unit));
    }
    groups.push_back(&place->second);
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
  std::vector<SeriesRow> rows;
  for (std::size_t i = 0; i < series_.size(); ++i) {
    if (groups[i]->place == kOtherPage) continue;
    set(everyone_, series_[i].id, groups[i]->place);
    if (by_target_) set(of_target_[series_[i].target], series_[i].id, groups[i]->place);
    rows.push_back(std::move(series_[i]));
  }
  series_ = std::move(rows);
}

}  // namespace usaged::store
