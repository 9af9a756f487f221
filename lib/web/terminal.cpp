#include "web/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

namespace usaged::web {
namespace {

std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

std::string with_separators(std::string digits) {
  const std::size_t begin = digits.starts_with('-') ? 1 : 0;
  std::size_t at = std::min(digits.find('.'), digits.size());
  while (at > begin + 3) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

double largest_of(const Table& table, std::size_t column) {
  double largest = 0;
  for (const auto& row : table.rows) {
    if (row[column].is_number()) largest = std::max(largest, std::abs(row[column].get<double>()));
  }
  return largest;
}

std::vector<std::optional<double>> values_of(const Json& line) {
  std::vector<std::optional<double>> values;
  const auto add = [&values](const Json& value) {
    values.push_back(value.is_null() ? std::nullopt : std::optional(value.get<double>()));
  };
  if (line.contains("points")) {
    for (const Json& point : line["points"]) add(point[1]);
  } else {
    for (const Json& day : line["days"]) add(day["estimate"]);
  }
  return values;
}

}  // namespace

std::string format_number(double value, double largest) {
  const int decimals = largest >= 10 ? 2 : largest >= 0.1 ? 4 : 6;
  std::string text = fmt::format("{:.{}f}", value, decimals);
  // Nothing is left of it but its sign.
  if (text.find_first_of("123456789") == std::string::npos && text.starts_with('-'))
    text.erase(0, 1);
  return with_separators(std::move(text));
}

std::string to_columns(const Table& table) {
  std::vector<std::size_t> widths;
  for (const std::string& column : table.columns) widths.push_back(width(column));
  std::vector<double> largest;
  for (std::size_t i = 0; i < table.columns.size(); ++i) largest.push_back(largest_of(table, i));
  const auto cell = [&](const Json& value, std::size_t column) {
    if (value.is_null()) return std::string("-");
    if (value.is_number_float()) return format_number(value.get<double>(), largest[column]);
    std::string text = cell_text(value);
    if (value.is_number()) return table.columns[column] == "id" ? text : with_separators(text);
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return text;
  };
  std::vector<std::vector<std::string>> texts;
  std::vector<bool> right(table.columns.size(), true);
  for (const auto& row : table.rows) {
    auto& cells = texts.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string text = cell(row[i], i);
      right[i] = right[i] && (row[i].is_null() || row[i].is_number());
      widths[i] = std::max(widths[i], width(text));
      cells.push_back(std::move(text));
    }
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string fill(widths[i] - width(cells[i]), ' ');
      text += i == 0 ? "" : "  ";
      text += right[i] ? fill + cells[i] : cells[i] + fill;
    }
    return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  };
  std::string text = line(table.columns);
  for (const auto& cells : texts) text += line(cells);
  return text;
}

std::string sparkline(const std::vector<std::optional<double>>& values, bool unicode,
                      std::size_t most) {
  static constexpr std::array<std::string_view, 8> kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr std::array<std::string_view, 8> kAscii{"_", ".", ":", "-", "=", "+", "*", "#"};
  // The means of as many stretches as there is room for.
  const std::size_t count = std::min(values.size(), most);
  std::vector<std::optional<double>> means;
  for (std::size_t i = 0; i < count; ++i) {
    double sum = 0;
    int known = 0;
    for (std::size_t k = i * values.size() / count; k < (i + 1) * values.size() / count; ++k) {
      if (!values[k]) continue;
      sum += *values[k];
      ++known;
    }
    means.push_back(known > 0 ? std::optional(sum / known) : std::nullopt);
  }
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const auto& mean : means) {
    if (!mean) continue;
    low = std::min(low, *mean);
    high = std::max(high, *mean);
  }
  std::string text;
  for (const auto& mean : means) {
    if (!mean) {
      text += " ";
      continue;
    }
    const double share = high > low ? (*mean - low) / (high - low) : 0.5;
    const auto level = static_cast<std::size_t>(std::lround(share * 7));
    text += unicode ? kBlocks[level] : kAscii[level];
  }
  return text;
}

Table line_summary(const Json& data, bool unicode) {
  Json rows = Json::array();
  for (const Json& line : data) {
    Json row = Json::object();
    for (const auto& [name, value] : line.items()) {
      if (!value.is_array()) row[name] = value;
    }
    const auto values = values_of(line);
    std::vector<double> known;
    for (const auto& value : values) {
      if (value) known.push_back(*value);
    }
    const auto or_null = [&known](auto number) {
      return known.empty() ? Json(nullptr) : Json(number());
    };
    if (line.contains("points")) {
      row["first"] = values.empty() || !values.front() ? Json(nullptr) : Json(*values.front());
      row["last"] = values.empty() || !values.back() ? Json(nullptr) : Json(*values.back());
    } else {
      double sum = 0;
      for (const double value : known) sum += value;
      row["sum"] = known.size() == values.size() ? Json(sum) : Json(nullptr);
      row["exact_days"] = std::ranges::count_if(
          line["days"], [](const Json& day) { return day["tag"] == "exact"; });
    }
    row["min"] = or_null([&] { return *std::ranges::min_element(known); });
    row["max"] = or_null([&] { return *std::ranges::max_element(known); });
    row["trend"] = sparkline(values, unicode);
    rows.push_back(std::move(row));
  }
  return to_table(rows);
}

}  // namespace usaged::web
