#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace usaged::core {

// The cells of one record of CSV (RFC 4180, without line breaks inside quotes), trimmed, and
// without the ' that csv_cell writes before what would begin a formula. Throws Error(kInvalid) if
// the line is not UTF-8, or a quote is not closed.
std::vector<std::string> csv_cells(std::string_view line);

// A cell that no spreadsheet takes for a formula: quoted if need be, and with a ' before what would
// begin one, after any other '. csv_cells gives the text back, trimmed.
std::string csv_cell(std::string_view text);
void append_csv_cell(std::string& line, std::string_view text);

}  // namespace usaged::core
