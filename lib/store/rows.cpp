#include "store/rows.h"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "store/database.h"

namespace usaged::store {

namespace {

// `wrong` says what is wrong with another number, {}.
std::int64_t within(const Query& query, int column, std::int64_t least, std::int64_t most,
                    const char* wrong) {
  const std::int64_t number = query.integer(column);
  if (number < least || number > most) {
    throw Damaged(fmt::format("{}: {}", query.place(), fmt::format(fmt::runtime(wrong), number)));
  }
  return number;
}

}  // namespace

core::Time time_at(const Query& query, int column) {
  return core::from_unix(within(query, column, -kMostSeconds, kMostSeconds,
                                "a row has a time that can't be, {} seconds after 1970"));
}

core::Time midnight_at(const Query& query, int column) {
  return core::midnight(within(query, column, -kFarthestDay, kFarthestDay,
                               "a row has a day that can't be, {} days after 1970"));
}

core::Seconds interval_at(const Query& query, int column) {
  return core::Seconds{
      within(query, column, 1, kMostSeconds, "a poll can't have an interval of {} seconds")};
}

std::int64_t integer_within(const Query& query, int column, std::int64_t first, std::int64_t last) {
  return within(query, column, first, last, "a row was told that was not asked for, of {}");
}

std::optional<core::Time> optional_time(const Query& query, int column) {
  if (query.is_null(column)) return std::nullopt;
  return time_at(query, column);
}

std::optional<double> optional_double(const Query& query, int column) {
  if (query.is_null(column)) return std::nullopt;
  return query.real(column);
}

void put(Query& statement, int index, const std::optional<double>& value) {
  if (value) {
    statement.bind(index, *value);
  } else {
    statement.bind_null(index);
  }
}

void put(Query& statement, int index, const std::optional<core::Time>& value) {
  if (value) {
    statement.bind(index, static_cast<std::int64_t>(core::unix_seconds(*value)));
  } else {
    statement.bind_null(index);
  }
}

void put(Query& statement, int index, core::Time value) {
  statement.bind(index, static_cast<std::int64_t>(core::unix_seconds(value)));
}

// An empty text is stored as NULL.
void put_text(Query& statement, int index, const std::string& text) {
  if (text.empty()) {
    statement.bind_null(index);
  } else {
    statement.bind(index, text);
  }
}

PollRow poll_row(Query& query) {
  PollRow row;
  row.id = query.integer(0);
  row.target = query.text(1);
  row.region = query.text(2);
  row.slot = time_at(query, 3);
  row.interval = interval_at(query, 4);
  row.started = time_at(query, 5);
  row.finished = optional_time(query, 6);
  row.outcome = query.text(7);
  row.requests = static_cast<int>(query.integer(8));
  row.pages = static_cast<int>(query.integer(9));
  row.accounts = static_cast<int>(query.integer(10));
  row.series = static_cast<int>(query.integer(11));
  row.error = query.text(12);
  row.request_id = query.text(13);
  if (!query.is_null(14)) {
    row.clock_skew = core::Seconds{query.integer(14)};
  }
  return row;
}

std::string upsert(std::string_view table, std::initializer_list<std::string_view> key,
                   std::initializer_list<std::string_view> columns) {
  std::string marks;
  for (std::size_t i = 0; i < key.size() + columns.size(); ++i) marks += i == 0 ? "?" : ", ?";
  std::string changes;
  for (const std::string_view column : columns) {
    changes += fmt::format("{}{} = excluded.{}", changes.empty() ? "" : ", ", column, column);
  }
  return fmt::format("INSERT INTO {0} ({1}, {2}) VALUES ({3}) ON CONFLICT ({1}) DO UPDATE SET {4}",
                     table, fmt::join(key, ", "), fmt::join(columns, ", "), marks, changes);
}

core::Alert alert_row(Query& query) {
  core::Alert alert;
  alert.id = query.integer(0);
  alert.fingerprint = query.text(1);
  alert.rule = query.text(2);
  alert.severity = query.text(3);
  alert.labels = labels_from_json(query.text(4));
  alert.currency = query.text(5);
  alert.state = core::parse_alert_state(query.text(6)).value();
  alert.polls = static_cast<int>(query.integer(7));
  alert.pending_since = time_at(query, 8);
  alert.counted_until = time_at(query, 9);
  alert.starts_at = optional_time(query, 10);
  alert.ends_at = optional_time(query, 11);
  alert.before = optional_double(query, 12);
  alert.after = optional_double(query, 13);
  alert.score = optional_double(query, 14);
  alert.details = query.text(15);
  alert.peak = optional_double(query, 16);
  alert.calm_since = optional_time(query, 17);
  alert.flaps = static_cast<int>(query.integer(18));
  alert.acked_at = optional_time(query, 19);
  alert.acked_by = query.text(20);
  alert.ack_comment = query.text(21);
  return alert;
}

core::Silence silence_row(Query& query) {
  core::Silence silence;
  silence.id = query.integer(0);
  for (const auto& text : nlohmann::json::parse(query.text(1))) {
    silence.matchers.push_back(core::parse_matcher(text.get<std::string>()));
  }
  silence.starts_at = time_at(query, 2);
  silence.ends_at = time_at(query, 3);
  silence.created_by = query.text(4);
  silence.comment = query.text(5);
  silence.created_at = time_at(query, 6);
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
