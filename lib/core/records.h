#pragma once

#include <functional>
#include <istream>
#include <string>
#include <vector>

#include "core/time.h"
#include "core/usage.h"

// Snapshots as files: CSV or NDJSON, one usage total a line, for import and export.
namespace usaged::core {

// One usage total as it was told at a moment.
struct Record {
  Time taken_at;
  std::string region;
  std::string target;   // whose credentials saw it; empty: not known
  Seconds interval{0};  // to the next poll; 0: not known
  UsageTotal usage;
  int line = 0;  // of the file
};

// The columns, as the header of CSV and the members of NDJSON have them. An import needs the first
// six; a number that is not known is empty (CSV) or null (NDJSON).
std::vector<std::string> record_columns();

std::string record_header();  // of CSV, with its line break
std::string record_csv(const Record& record);
std::string record_ndjson(const Record& record);

// A row that can't be taken.
struct BadRow {
  int line = 0;
  std::string reason;
};

// Reads CSV, or NDJSON if the first character is a {. `take` is called with each good row, `bad`
// with each bad one. Throws Error(kInvalid) if the header lacks a column.
void read_records(std::istream& in, const std::string& name,
                  const std::function<void(Record)>& take,
                  const std::function<void(const BadRow&)>& bad);

}  // namespace usaged::core
