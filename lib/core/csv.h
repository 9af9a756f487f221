#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace usaged::core {

// The cells of one record of CSV (RFC 4180, without line breaks inside quotes), trimmed. Throws
// Error(kInvalid) if a quote is not closed.
std::vector<std::string> csv_cells(std::string_view line);

// A cell that no spreadsheet takes for a formula and every reader of CSV takes back: quoted if need
// be, and with a ' before what would begin a formula.
std::string csv_cell(std::string_view text);

}  // namespace usaged::core
