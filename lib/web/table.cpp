#include "web/table.h"

#include <algorithm>

#include "core/csv.h"
#include "core/text.h"

namespace usaged::web {
namespace {

class Builder {
 public:
  void begin_row() { table_.rows.emplace_back(table_.columns.size()); }

  void set(const std::string& column, Json value) {
    const auto found = std::ranges::find(table_.columns, column);
    const auto index = static_cast<std::size_t>(found - table_.columns.begin());
    if (found == table_.columns.end()) {
      table_.columns.push_back(column);
      for (auto& row : table_.rows) row.resize(table_.columns.size());
    }
    table_.rows.back()[index] = std::move(value);
  }

  // Every member but the points of a history and the days of daily usage.
  void set_members(const Json& item, const std::string& prefix) {
    for (const auto& [name, value] : item.items()) {
      if (name == "points" || name == "days") continue;
      if (value.is_object()) {
        set_members(value, name == "labels" ? "" : prefix + name + ".");
      } else if (value.is_array() && !value.empty() && value[0].is_string()) {
        set(prefix + name, core::join(value.get<std::vector<std::string>>(), "; "));
      } else if (value.is_array()) {
        set(prefix + name, static_cast<std::int64_t>(value.size()));
      } else {
        set(prefix + name, value);
      }
    }
  }

  Table take() { return std::move(table_); }

 private:
  Table table_;
};

}  // namespace

std::string cell_text(const Json& cell) {
  if (cell.is_null()) return "";
  return cell.is_string() ? cell.get<std::string>() : to_text(cell);
}

Table to_table(const Json& data) {
  Builder builder;
  const Json items = data.is_array() ? data : Json::array({data});
  for (const Json& item : items) {
    if (item.contains("days")) {
      for (const Json& day : item["days"]) {
        builder.begin_row();
        builder.set("day", day["day"]);
        builder.set_members(item, "");
        builder.set_members(day, "");
      }
      continue;
    }
    if (!item.contains("points")) {
      builder.begin_row();
      builder.set_members(item, "");
      continue;
    }
    for (const Json& point : item["points"]) {
      builder.begin_row();
      builder.set("time", core::format_time(core::from_unix(point[0].get<std::int64_t>())));
      builder.set_members(item, "");
      builder.set("value", point[1]);
    }
  }
  return builder.take();
}

std::string to_csv(const Table& table) {
  const auto line = [](const std::vector<std::string>& cells) {
    return core::join(cells, ",") + "\r\n";
  };
  const auto quoted = [](const Json& cell) {
    const std::string text = cell_text(cell);
    return cell.is_string() ? core::csv_cell(text) : text;
  };
  std::vector<std::string> cells(table.columns.begin(), table.columns.end());
  std::string text = line(cells);
  for (const auto& row : table.rows) {
    cells.clear();
    for (const Json& cell : row) cells.push_back(quoted(cell));
    text += line(cells);
  }
  return text;
}

std::string to_ndjson(const Table& table) {
  std::string text;
  for (const auto& row : table.rows) {
    Json object = Json::object();
    for (std::size_t i = 0; i < row.size(); ++i) object[table.columns[i]] = row[i];
    text += to_text(object) + "\n";
  }
  return text;
}

}  // namespace usaged::web
