// CSV and NDJSON: every row is taken or said to be bad, and what was taken can be written and read
// again.
#include <sstream>

#include "core/records.h"
#include "fuzz/fuzz.h"

using namespace usaged;

namespace {

std::vector<core::Record> read(const std::string& text, int& bad) {
  std::vector<core::Record> records;
  std::istringstream in(text);
  core::read_records(
      in, "import", [&](core::Record record) { records.push_back(std::move(record)); },
      [&](const core::BadRow& row) {
        ++bad;
        fuzz::require(!row.reason.empty());
      });
  return records;
}

void comes_back(const std::vector<core::Record>& records, const std::string& header,
                std::string (*write)(const core::Record&)) {
  std::string text = header;
  for (const core::Record& record : records) text += write(record);
  int bad = 0;
  const std::vector<core::Record> again = read(text, bad);
  fuzz::require(bad == 0 && again.size() == records.size());
  for (std::size_t i = 0; i < records.size(); ++i)
    fuzz::require(write(again[i]) == write(records[i]));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<core::Record> records;
  int bad = 0;
  if (!fuzz::accepted([&] { records = read(fuzz::text_of(data, size), bad); })) return 0;
  if (records.empty()) return 0;
  comes_back(records, core::record_header(), core::record_csv);
  comes_back(records, "", core::record_ndjson);
  return 0;
}
