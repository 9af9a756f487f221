#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <optional>

#include "core/alert.h"
#include "core/time.h"

// How rows become values, for both sides of the database.
namespace usaged::store {

std::optional<core::Time> optional_time(const SQLite::Column& column);
std::optional<double> optional_double(const SQLite::Column& column);

// The columns that alert_row() reads, in its order.
inline constexpr const char* kAlertColumns =
    "id, fingerprint, rule, severity, labels, currency, state, polls, pending_since, "
    "counted_until, starts_at, ends_at, before, after, score, details";
core::Alert alert_row(SQLite::Statement& query);

// The text of labels as it is stored: a JSON object, keys in order.
std::string labels_to_json(const core::Labels& labels);
core::Labels labels_from_json(const std::string& text);

}  // namespace usaged::store
