#include "store/selection.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/text.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;

std::map<std::string, core::Tags> load_tags(Reader& reader) {
  std::map<std::string, core::Tags> tags;
  SQLite::Statement query(reader.db(), "SELECT account, name, value FROM account_tag");
  while (query.executeStep()) {
    tags[query.getColumn(0).getString()][query.getColumn(1).getString()] =
        query.getColumn(2).getString();
  }
  return tags;
}

// The series that match, in order of their id.
std::vector<SeriesRow> load_series(Reader& reader, const Filter& filter,
                                   const std::map<std::string, core::Tags>& tags) {
  return guarded("read series", reader.path(), [&] {
    const std::set<std::string> accounts(filter.accounts.begin(), filter.accounts.end());
    std::vector<SeriesRow> rows;
    SQLite::Statement query(
        reader.db(),
        "SELECT id, account, region, type, provider, currency, first_seen FROM series ORDER BY id");
    while (query.executeStep()) {
      SeriesRow row{query.getColumn(0).getInt64(),
                    query.getColumn(1).getString(),
                    query.getColumn(2).getString(),
                    query.getColumn(3).getString(),
                    query.getColumn(4).getString(),
                    query.getColumn(5).getString(),
                    core::from_unix(query.getColumn(6).getInt64())};
      if ((!accounts.empty() && !accounts.contains(row.account)) ||
          !matches(filter.regions, row.region) || !matches(filter.types, row.type) ||
          !matches(filter.providers, row.provider)) {
        continue;
      }
      const bool tagged = std::ranges::all_of(filter.tags, [&](const auto& wanted) {
        const auto found = tags.find(row.account);
        if (found == tags.end()) return false;
        const auto tag = found->second.find(wanted.first);
        return tag != found->second.end() && matches(wanted.second, tag->second);
      });
      if (tagged) rows.push_back(std::move(row));
    }
    return rows;
  });
}

}  // namespace

bool matches(const std::vector<std::string>& allowed, const std::string& value) {
  return allowed.empty() || std::ranges::find(allowed, value) != allowed.end();
}

std::string label_of(const std::string& dimension) {
  static const std::vector<std::string> kNames{"account", "region", "type", "provider"};
  if (dimension == "account" || dimension == "account_id") return "account_id";
  if (dimension == "region") return "region";
  if (dimension == "type" || dimension == "usage_type") return "usage_type";
  if (dimension == "provider" || dimension == "cloud_provider") return "cloud_provider";
  if (dimension.starts_with("tag.") && dimension.size() > 4) return dimension;
  const std::string near = core::nearest(dimension, kNames);
  throw Error(ErrorCode::kInvalid, "group_by: '{}' is not allowed; {}", dimension,
              near.empty() ? "allowed: account, region, type, provider, tag.NAME"
                           : fmt::format("did you mean '{}'?", near));
}

Selection::Selection(Reader& reader, const Question& question) {
  const auto tags = load_tags(reader);
  series_ = load_series(reader, question.filter, tags);
  group(question, tags);
}

void Selection::group(const Question& question, const std::map<std::string, core::Tags>& tags) {
  std::vector<std::string> names;
  for (const std::string& dimension : question.group_by) names.push_back(label_of(dimension));
  std::map<std::pair<core::Labels, std::string>, std::size_t> known;
  std::vector<std::string> types;  // of each group, for the message
  for (const SeriesRow& row : series_) {
    Group group;
    group.labels = labels_of(names, row, tags);
    if (question.metric == core::Metric::kCost) group.currency = row.currency;
    group.unit = core::unit_of(row.type);
    const auto [place, fresh] =
        known.emplace(std::pair(group.labels, group.currency), groups_.size());
    if (fresh) {
      groups_.push_back(group);
      types.push_back(row.type);
    } else if (question.metric == core::Metric::kTotal &&
               groups_[place->second].unit != group.unit) {
      throw Error(ErrorCode::kInvalid,
                  "metric=total: {} counts {} and {} counts {}, which can't be added; group by "
                  "type, or choose types of one unit",
                  types[place->second], core::unit_name(groups_[place->second].unit), row.type,
                  core::unit_name(group.unit));
    }
    const auto index = static_cast<std::size_t>(row.id);
    if (group_of_.size() <= index) group_of_.resize(index + 1, kNoGroup);
    group_of_[index] = static_cast<std::int32_t>(place->second);
  }
}

}  // namespace usaged::store
