#include "core/records.h"

#include <fmt/compile.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "core/csv.h"
#include "core/error.h"
#include "core/region.h"
#include "core/text.h"

namespace usaged::core {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kRequired = 6;
constexpr std::size_t kMostField = 256;

// Text by column; an absent one is empty.
using Row = std::map<std::string, std::string>;

std::optional<double> parse_number(const std::string& column, const std::string& text) {
  if (text.empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value) ||
      value < 0) {
    throw Error(ErrorCode::kInvalid, "{}: '{}' is not a number from 0 on", column, text);
  }
  return value;
}

std::string parse_text(const std::string& column, const std::string& untrimmed) {
  const std::string_view text = trim(untrimmed);
  const bool plain = std::ranges::all_of(
      text, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
  if (!plain || text.size() > kMostField) {
    throw Error(ErrorCode::kInvalid, "{}: is longer than {} bytes, or has control characters",
                column, kMostField);
  }
  return std::string(text);
}

Record parse_row(Row row, int line) {
  Record record;
  record.line = line;
  const std::string& time = row["taken_at"];
  if (time.empty() || time.starts_with("now")) {
    throw Error(ErrorCode::kInvalid, "taken_at: '{}' is not a time, like 2026-03-01T12:00:00Z",
                time);
  }
  try {
    record.taken_at = parse_time(time, Time{});
  } catch (const Error& e) {
    throw Error(ErrorCode::kInvalid, "taken_at: {}", e.what());
  }
  record.usage.account = row["account_id"];
  if (!is_account_id(record.usage.account)) {
    throw Error(ErrorCode::kInvalid, "account_id: '{}' is not an account id: 12 digits",
                record.usage.account);
  }
  record.region = row["region"];
  if (!is_region_shaped(record.region)) {
    throw Error(ErrorCode::kInvalid, "region: '{}' is not a region", record.region);
  }
  record.usage.type = parse_text("usage_type", row["usage_type"]);
  record.usage.total = parse_number("total", row["total"]);
  record.usage.cost = parse_number("estimated_monthly_cost", row["estimated_monthly_cost"]);
  record.usage.provider = parse_text("cloud_provider", row["cloud_provider"]);
  record.usage.currency = parse_text("currency", row["currency"]);
  record.target = parse_text("target", row["target"]);
  const auto interval = parse_number("interval_seconds", row["interval_seconds"]);
  if (interval && (*interval < 60 || *interval > 86400)) {
    throw Error(ErrorCode::kInvalid, "interval_seconds: {} is not from 60 to 86400", *interval);
  }
  record.interval = Seconds{static_cast<std::int64_t>(interval.value_or(0))};
  return record;
}

Row row_of_json(const std::string& line) {
  const Json parsed = Json::parse(line, nullptr, false);
  if (!parsed.is_object()) throw Error(ErrorCode::kInvalid, "is not a JSON object");
  Row row;
  for (const auto& [name, value] : parsed.items()) {
    if (value.is_null()) continue;
    row[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return row;
}

std::optional<std::int64_t> seconds_known(const Record& record) {
  if (record.interval.count() == 0) return std::nullopt;
  return record.interval.count();
}

}  // namespace

std::vector<std::string> record_columns() {
  return {"taken_at",        "account_id", "region",
          "usage_type",      "total",      "estimated_monthly_cost",
          "cloud_provider",  "currency",   "target",
          "interval_seconds"};
}

std::string record_header() { return join(record_columns(), ",") + "\r\n"; }

std::string record_csv(const Record& record) {
  constexpr std::size_t kMostlyAtMost = 160;
  const UsageTotal& usage = record.usage;
  std::string line = format_time(record.taken_at);
  line.reserve(kMostlyAtMost);
  const auto text = [&line](std::string_view cell) {
    line += ',';
    append_csv_cell(line, cell);
  };
  const auto number = [&line](const auto& value) {
    line += ',';
    if (value) fmt::format_to(std::back_inserter(line), FMT_COMPILE("{}"), *value);
  };
  text(usage.account);
  text(record.region);
  text(usage.type);
  number(usage.total);
  number(usage.cost);
  text(usage.provider);
  text(usage.currency);
  text(record.target);
  number(seconds_known(record));
  return line += "\r\n";
}

std::string record_ndjson(const Record& record) {
  const UsageTotal& usage = record.usage;
  const auto maybe = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  return Json{{"taken_at", format_time(record.taken_at)},
              {"account_id", usage.account},
              {"region", record.region},
              {"usage_type", usage.type},
              {"total", maybe(usage.total)},
              {"estimated_monthly_cost", maybe(usage.cost)},
              {"cloud_provider", usage.provider},
              {"currency", usage.currency},
              {"target", record.target},
              {"interval_seconds", maybe(seconds_known(record))}}
             .dump(-1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

void read_records(std::istream& in, const std::string& name,
                  const std::function<void(Record)>& take,
                  const std::function<void(const BadRow&)>& bad) {
  std::vector<std::string> header;
  std::optional<bool> is_json;
  int number = 0;
  for (std::string raw; std::getline(in, raw);) {
    ++number;
    std::string_view line = raw;
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    line = trim(line);
    if (line.empty()) continue;
    if (!is_json) is_json = line.front() == '{';
    if (!*is_json && header.empty()) {
      header = csv_cells(line);
      const auto known = record_columns();
      for (std::size_t i = 0; i < kRequired; ++i) {
        if (std::ranges::find(header, known[i]) == header.end()) {
          throw Error(ErrorCode::kInvalid, "{}:{}: the header lacks {}; it needs {}", name, number,
                      known[i], join(std::span(known).first(kRequired), ","));
        }
      }
      continue;
    }
    try {
      Row row;
      if (*is_json) {
        row = row_of_json(std::string(line));
      } else {
        const std::vector<std::string> cells = csv_cells(line);
        if (cells.size() != header.size()) {
          throw Error(ErrorCode::kInvalid, "has {} cells, but the header has {}", cells.size(),
                      header.size());
        }
        for (std::size_t i = 0; i < cells.size(); ++i) row[header[i]] = cells[i];
      }
      // Files without these columns come from elsewhere.
      row.try_emplace("currency", "USD");
      row.try_emplace("cloud_provider", "AWS");
      take(parse_row(std::move(row), number));
    } catch (const Error& e) {
      bad({number, e.what()});
    }
  }
}

}  // namespace usaged::core
