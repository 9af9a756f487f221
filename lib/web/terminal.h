#pragma once

#include <optional>
#include <string>
#include <vector>

#include "web/table.h"

// How answers look in a terminal.
namespace usaged::web {

// Columns: numbers to the right, with thousands separators and as many decimals as their column
// needs, null as "-". Control characters, which could drive the terminal, become "?".
std::string to_columns(const Table& table);

// A number as to_columns() writes it in a column whose largest is `largest`.
std::string format_number(double value, double largest);

// One character for each value (or for the mean of several, from `most` on), from the smallest to
// the largest; a space where nothing is known. `unicode`: in block elements, else in ASCII.
std::string sparkline(const std::vector<std::optional<double>>& values, bool unicode,
                      std::size_t most = 60);

// The lines of a history (`points`) or of daily usage (`days`): a row each, with its sparkline.
Table line_summary(const Json& data, bool unicode);

}  // namespace usaged::web
