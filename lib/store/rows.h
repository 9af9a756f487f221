#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "core/alert.h"
#include "core/silence.h"
#include "core/time.h"
#include "store/connection.h"

// How rows become values, for both sides of the database.
namespace usaged::store {

// Times and intervals that are stored are no longer than this, so that sums of them are numbers.
inline constexpr std::int64_t kMostSeconds = std::int64_t{1} << 40U;
inline constexpr std::int64_t kFarthestDay = kMostSeconds / 86400;

// A time, the beginning of a day that is stored as its number, and an interval of at least a
// second. Throw Damaged where a row has none that can be.
core::Time time_at(const Query& query, int column);
core::Time midnight_at(const Query& query, int column);
core::Seconds interval_at(const Query& query, int column);
// A number of those from `first` to `last`, which are all that was asked for. Throws Damaged where
// an index that is out of order tells another.
std::int64_t integer_within(const Query& query, int column, std::int64_t first, std::int64_t last);
std::optional<core::Time> optional_time(const Query& query, int column);
std::optional<double> optional_double(const Query& query, int column);

// Binds a value, or NULL for one that is not there; an empty text is NULL.
void put(Query& statement, int index, const std::optional<double>& value);
void put(Query& statement, int index, const std::optional<core::Time>& value);
void put(Query& statement, int index, core::Time value);
void put_text(Query& statement, int index, const std::string& text);

// A statement that writes a row, whether or not there is one of its key: the parameters are those
// columns, then the others.
std::string upsert(std::string_view table, std::initializer_list<std::string_view> key,
                   std::initializer_list<std::string_view> columns);

struct PollRow {
  std::int64_t id = 0;
  std::string target;
  std::string region;
  core::Time slot;
  core::Seconds interval{};
  core::Time started;
  std::optional<core::Time> finished;
  std::string outcome;
  int requests = 0;
  int pages = 0;
  int accounts = 0;
  int series = 0;
  std::string error;
  std::string request_id;
  std::optional<core::Seconds> clock_skew;  // AWS's clock minus ours
};

// The columns that poll_row() reads, in its order.
inline constexpr const char* kPollColumns =
    "id, target, region, slot, interval, started, finished, outcome, requests, pages, accounts, "
    "series, error, request_id, clock_skew";
PollRow poll_row(Query& query);

// The columns that alert_row() reads, in its order.
inline constexpr const char* kAlertColumns =
    "id, fingerprint, rule, severity, labels, currency, state, polls, pending_since, "
    "counted_until, starts_at, ends_at, before, after, score, details, peak, calm_since, flaps, "
    "acked_at, acked_by, ack_comment";
core::Alert alert_row(Query& query);

// The columns that silence_row() reads, in its order.
inline constexpr const char* kSilenceColumns =
    "id, matchers, starts_at, ends_at, created_by, comment, created_at";
core::Silence silence_row(Query& query);
std::string matchers_to_json(const std::vector<core::Matcher>& matchers);

// The text of labels as it is stored: a JSON object, keys in order.
std::string labels_to_json(const core::Labels& labels);
core::Labels labels_from_json(const std::string& text);

}  // namespace usaged::store
