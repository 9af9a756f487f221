#include "core/csv.h"

#include <simdjson.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace usaged::core {
namespace {

// What a spreadsheet takes for a formula, or is a formula with ' before it.
bool may_be_formula(std::string_view text) {
  constexpr std::string_view kFormula = "=+-@\t\r";
  const std::size_t first = text.find_first_not_of('\'');
  return first != std::string_view::npos && kFormula.find(text[first]) != std::string_view::npos;
}

}  // namespace

std::vector<std::string> csv_cells(std::string_view line) {
  if (!simdjson::validate_utf8(line)) throw Error(ErrorCode::kInvalid, "is not UTF-8");
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  if (quoted) throw Error(ErrorCode::kInvalid, "a quote is not closed");
  for (std::string& cell : cells) {
    std::string_view text = trim(cell);
    if (text.starts_with('\'') && may_be_formula(text)) text.remove_prefix(1);
    cell = std::string(text);
  }
  return cells;
}

void append_csv_cell(std::string& line, std::string_view text) {
  const bool formula = may_be_formula(text);
  const bool quoted = std::ranges::any_of(
      text, [](char c) { return c == ',' || c == '"' || c == '\r' || c == '\n'; });
  if (!quoted) {
    if (formula) line += '\'';
    line += text;
    return;
  }
  line += formula ? "\"'" : "\"";
  for (const char c : text) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

std::string csv_cell(std::string_view text) {
  std::string cell;
  append_csv_cell(cell, text);
  return cell;
}

}  // namespace usaged::core
