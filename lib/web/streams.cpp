#include "web/streams.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "core/csv.h"
#include "core/error.h"
#include "core/focus.h"
#include "core/records.h"
#include "store/export.h"

namespace usaged::web {
namespace {

using core::Error;
using core::ErrorCode;
using core::Time;

constexpr std::size_t kBuffer = 65536;

// Gathers rows, so that a sink gets few large pieces.
class Writer {
 public:
  explicit Writer(const Sink& sink) : sink_(sink) {}

  void write(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= kBuffer) flush();
  }
  void flush() {
    if (!buffer_.empty()) sink_(buffer_);
    buffer_.clear();
  }

 private:
  const Sink& sink_;
  std::string buffer_;
};

std::string json_text(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// The rows of a history but for their times and values, which differ.
class HistoryRows {
 public:
  HistoryRows(const std::vector<store::Group>& groups, core::Metric metric, RowFormat format)
      : csv_(format == RowFormat::kCsv) {
    const bool cost = metric == core::Metric::kCost;
    header_ = "time,";
    for (const store::Group& group : groups) {
      const std::string unit = cost ? group.currency : std::string(core::unit_name(group.unit));
      std::string& middle = middles_.emplace_back();
      for (const auto& [name, value] : group.labels) {
        if (middles_.size() == 1) header_ += core::csv_cell(name) + ",";
        middle += csv_ ? core::csv_cell(value) + ","
                       : fmt::format("{}:{},", json_text(name), json_text(value));
      }
      middle += csv_ ? core::csv_cell(unit) + ","
                     : fmt::format("\"{}\":{},", cost ? "currency" : "unit",
                                   unit.empty() ? "null" : json_text(unit));
    }
    header_ += cost ? "currency,value\r\n" : "unit,value\r\n";
  }

  std::string_view header() const { return csv_ ? std::string_view(header_) : ""; }

  std::string row(const std::string& time, std::size_t group, std::optional<double> value) const {
    if (csv_) {
      return fmt::format("{},{}{}\r\n", time, middles_[group], value ? fmt::to_string(*value) : "");
    }
    return fmt::format("{{\"time\":\"{}\",{}\"value\":{}}}\n", time, middles_[group],
                       value ? fmt::to_string(*value) : "null");
  }

 private:
  bool csv_;
  std::string header_;
  std::vector<std::string> middles_;
};

}  // namespace

Stream history_stream(Query& query, Time now, RowFormat format) {
  const store::Question question{query.filter(), query.group_by(), query.metric()};
  const Time end = query.time("end", now).value_or(now);
  const Time start = query.time("start", now).value_or(end - 30 * core::kDay);
  const auto step = query.step("step");
  query.finish();
  return [=](store::Reader& reader, const Sink& sink) -> std::optional<store::Completeness> {
    Writer writer(sink);
    std::unique_ptr<HistoryRows> rows;
    const auto summary = store::History(reader).each_point(
        question, start, end, step, now,
        [&](Time t, const std::vector<store::Group>& groups,
            const std::vector<store::GroupValue>& values) {
          if (!rows) {
            rows = std::make_unique<HistoryRows>(groups, question.metric, format);
            writer.write(rows->header());
          }
          const std::string time = core::format_time(t);
          for (std::size_t i = 0; i < values.size(); ++i) {
            if (values[i].at.presence == core::Presence::kAbsent) continue;
            writer.write(rows->row(time, i, values[i].at.value));
          }
        });
    if (!rows) writer.write(HistoryRows({}, question.metric, format).header());
    writer.flush();
    return summary.completeness;
  };
}

Stream export_stream(Query& query, Time now, RowFormat format) {
  const store::Filter filter = query.filter();
  const Time start = query.time("start", now).value_or(core::from_unix(0));
  const Time end = query.time("end", now).value_or(std::max(now, core::from_unix(253402300799)));
  const std::string payer = query.one("billing_account").value_or("");
  if (!payer.empty() && format != RowFormat::kFocus) {
    throw Error(ErrorCode::kInvalid, "billing_account: goes with the format focus only");
  }
  if (!payer.empty() && !core::is_account_id(payer)) {
    throw Error(ErrorCode::kInvalid, "billing_account: '{}' is not an account id: 12 digits",
                payer);
  }
  query.finish();
  if (start > end) throw Error(ErrorCode::kInvalid, "end: is before the start");
  return [=](store::Reader& reader, const Sink& sink) -> std::optional<store::Completeness> {
    Writer writer(sink);
    std::optional<store::Completeness> completeness;
    switch (format) {
      case RowFormat::kCsv:
        writer.write(core::record_header());
        store::each_record(reader, filter, start, end, [&](const core::Record& record) {
          writer.write(core::record_csv(record));
        });
        break;
      case RowFormat::kNdjson:
        store::each_record(reader, filter, start, end, [&](const core::Record& record) {
          writer.write(core::record_ndjson(record));
        });
        break;
      case RowFormat::kFocus:
        writer.write(core::focus_header());
        completeness.emplace();
        completeness->unknown_values = store::each_charge(
            reader, filter, start, end, now,
            [&](const core::Charge& charge) { writer.write(core::focus_csv(charge, payer)); });
        break;
    }
    writer.flush();
    return completeness;
  };
}

}  // namespace usaged::web
