#include "store/rows.h"

#include <nlohmann/json.hpp>

namespace usaged::store {

std::optional<core::Time> optional_time(const SQLite::Column& column) {
  if (column.isNull()) return std::nullopt;
  return core::from_unix(column.getInt64());
}

std::optional<double> optional_double(const SQLite::Column& column) {
  if (column.isNull()) return std::nullopt;
  return column.getDouble();
}

core::Alert alert_row(SQLite::Statement& query) {
  core::Alert alert;
  alert.id = query.getColumn(0).getInt64();
  alert.fingerprint = query.getColumn(1).getString();
  alert.rule = query.getColumn(2).getString();
  alert.severity = query.getColumn(3).getString();
  alert.labels = labels_from_json(query.getColumn(4).getString());
  alert.currency = query.getColumn(5).getString();
  alert.state = core::parse_alert_state(query.getColumn(6).getString()).value();
  alert.polls = query.getColumn(7).getInt();
  alert.pending_since = core::from_unix(query.getColumn(8).getInt64());
  alert.counted_until = core::from_unix(query.getColumn(9).getInt64());
  alert.starts_at = optional_time(query.getColumn(10));
  alert.ends_at = optional_time(query.getColumn(11));
  alert.before = optional_double(query.getColumn(12));
  alert.after = optional_double(query.getColumn(13));
  alert.score = optional_double(query.getColumn(14));
  alert.details = query.getColumn(15).getString();
  return alert;
}

std::string labels_to_json(const core::Labels& labels) { return nlohmann::json(labels).dump(); }

core::Labels labels_from_json(const std::string& text) {
  return nlohmann::json::parse(text).get<core::Labels>();
}

}  // namespace usaged::store
