#pragma once

#include <string>
#include <vector>

#include "web/replies.h"

namespace usaged::web {

// The data of a reply as rows and columns.
struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<Json>> rows;
};

// Makes a table of a reply's data: an item of a list is a row, its members are columns; labels
// stand beside the others, and each point of a history is a row of its own, with columns `time`
// (RFC 3339) and `value`.
Table to_table(const Json& data);

// RFC 4180, with a header. A text that a spreadsheet would take for a formula begins with '.
// null is an empty cell.
std::string to_csv(const Table& table);

// A JSON object a line.
std::string to_ndjson(const Table& table);

// A text as it is, null as nothing, all else as JSON.
std::string cell_text(const Json& cell);

}  // namespace usaged::web
