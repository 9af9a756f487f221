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

std::string_view blob(const SQLite::Column& column) {
  return {static_cast<const char*>(column.getBlob()), static_cast<std::size_t>(column.getBytes())};
}

void put(SQLite::Statement& statement, int index, const std::optional<double>& value) {
  if (value) {
    statement.bind(index, *value);
  } else {
    statement.bind(index);
  }
}

void put(SQLite::Statement& statement, int index, const std::optional<core::Time>& value) {
  if (value) {
    statement.bind(index, static_cast<std::int64_t>(core::unix_seconds(*value)));
  } else {
    statement.bind(index);
  }
}

void put(SQLite::Statement& statement, int index, core::Time value) {
  statement.bind(index, static_cast<std::int64_t>(core::unix_seconds(value)));
}

// An empty text is stored as NULL.
void put_text(SQLite::Statement& statement, int index, const std::string& text) {
  if (text.empty()) {
    statement.bind(index);
  } else {
    statement.bind(index, text);
  }
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
  alert.peak = optional_double(query.getColumn(16));
  alert.calm_since = optional_time(query.getColumn(17));
  alert.flaps = query.getColumn(18).getInt();
  alert.acked_at = optional_time(query.getColumn(19));
  alert.acked_by = query.getColumn(20).getString();
  alert.ack_comment = query.getColumn(21).getString();
  return alert;
}

core::Silence silence_row(SQLite::Statement& query) {
  core::Silence silence;
  silence.id = query.getColumn(0).getInt64();
  for (const auto& text : nlohmann::json::parse(query.getColumn(1).getString())) {
    silence.matchers.push_back(core::parse_matcher(text.get<std::string>()));
  }
  silence.starts_at = core::from_unix(query.getColumn(2).getInt64());
  silence.ends_at = core::from_unix(query.getColumn(3).getInt64());
  silence.created_by = query.getColumn(4).getString();
  silence.comment = query.getColumn(5).getString();
  silence.created_at = core::from_unix(query.getColumn(6).getInt64());
  return silence;
}

std::string matchers_to_json(const std::vector<core::Matcher>& matchers) {
  nlohmann::json texts = nlohmann::json::array();
  for (const core::Matcher& matcher : matchers) texts.push_back(core::format_matcher(matcher));
  return texts.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string labels_to_json(const core::Labels& labels) { return nlohmann::json(labels).dump(); }

core::Labels labels_from_json(const std::string& text) {
  return nlohmann::json::parse(text).get<core::Labels>();
}

}  // namespace usaged::store
