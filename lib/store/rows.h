#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <optional>

#include "core/alert.h"
#include "core/silence.h"
#include "core/time.h"

// How rows become values, for both sides of the database.
namespace usaged::store {

std::optional<core::Time> optional_time(const SQLite::Column& column);
std::optional<double> optional_double(const SQLite::Column& column);
// The bytes of a blob, until the statement goes on.
std::string_view blob(const SQLite::Column& column);

// Binds a value, or NULL for one that is not there; an empty text is NULL.
void put(SQLite::Statement& statement, int index, const std::optional<double>& value);
void put(SQLite::Statement& statement, int index, const std::optional<core::Time>& value);
void put(SQLite::Statement& statement, int index, core::Time value);
void put_text(SQLite::Statement& statement, int index, const std::string& text);

// The columns that alert_row() reads, in its order.
inline constexpr const char* kAlertColumns =
    "id, fingerprint, rule, severity, labels, currency, state, polls, pending_since, "
    "counted_until, starts_at, ends_at, before, after, score, details, peak, calm_since, flaps, "
    "acked_at, acked_by, ack_comment";
core::Alert alert_row(SQLite::Statement& query);

// The columns that silence_row() reads, in its order.
inline constexpr const char* kSilenceColumns =
    "id, matchers, starts_at, ends_at, created_by, comment, created_at";
core::Silence silence_row(SQLite::Statement& query);
std::string matchers_to_json(const std::vector<core::Matcher>& matchers);

// The text of labels as it is stored: a JSON object, keys in order.
std::string labels_to_json(const core::Labels& labels);
core::Labels labels_from_json(const std::string& text);

}  // namespace usaged::store
