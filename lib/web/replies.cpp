#include "web/replies.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <filesystem>
#include <map>
#include <utility>

#include "core/error.h"
#include "core/notice.h"
#include "core/text.h"
#include "store/coverage.h"
#include "store/damage.h"
#include "store/database.h"
#include "store/days.h"
#include "store/disk.h"
#include "store/echo.h"
#include "store/months.h"
#include "store/selection.h"

namespace usaged::web {
namespace {

using core::Error;
using core::ErrorCode;
using core::Time;

constexpr int kMostRows = 100000;
constexpr core::Seconds kMostCollection = 400 * core::kDay;

Json maybe(const std::optional<std::int64_t>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json maybe(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }
Json maybe(const std::optional<Time>& value) {
  return value ? Json(core::format_time(*value)) : Json(nullptr);
}
// An empty text is one that is not known.
Json maybe(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json reply(Json data, Json completeness = nullptr, Json next_cursor = nullptr) {
  // A member that is added moves those before it, by copying them: so the large one comes last.
  Json json{{"data", nullptr}, {"completeness", nullptr}, {"next_cursor", nullptr}};
  json["completeness"] = std::move(completeness);
  json["next_cursor"] = std::move(next_cursor);
  json["data"] = std::move(data);
  return json;
}

Json completeness_json(const store::Completeness& completeness, Time now) {
  Json gaps = Json::array();
  for (const store::Gap& gap : completeness.gaps) {
    gaps.push_back({{"target", gap.target},
                    {"region", gap.region},
                    {"from", core::format_time(gap.from)},
                    {"to", core::format_time(gap.to)},
                    {"reason", gap.reason}});
  }
  const auto& newest = completeness.newest;
  return {{"complete",
           completeness.gaps.empty() && completeness.unknown_values == 0 && completeness.good > 0},
          {"polls_expected", completeness.expected},
          {"polls_good", completeness.good},
          {"gaps", gaps},
          {"unknown_values", completeness.unknown_values},
          {"newest", maybe(newest)},
          {"age_seconds", newest ? Json((now - *newest).count()) : Json(nullptr)}};
}

// The text that a cursor holds; "" without one.
std::string take_cursor(Query& query) {
  const auto cursor = query.one("cursor");
  if (!cursor) return "";
  try {
    return core::base64_decode(*cursor);
  } catch (const Error&) {
    throw Error(ErrorCode::kInvalid, "cursor: is not one that an answer gave");
  }
}

std::int64_t take_id_cursor(Query& query) {
  const std::string text = take_cursor(query);
  if (text.empty()) return 0;
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || id <= 0) {
    throw Error(ErrorCode::kInvalid, "cursor: is not one that an answer gave");
  }
  return id;
}

Json id_cursor(std::int64_t id) { return core::base64(std::to_string(id)); }

store::Question take_question(Query& query) {
  return {query.filter(), query.group_by(), query.metric()};
}

int take_limit(Asking& asking) {
  return asking.query.number("limit", 1, kMostRows).value_or(asking.default_limit);
}

// A question whose groups come in pages.
store::Question take_paged_question(Asking& asking) {
  store::Question question = take_question(asking.query);
  question.page = {take_cursor(asking.query), static_cast<std::size_t>(take_limit(asking))};
  return question;
}

Json page_cursor(const std::string& next_page) {
  return next_page.empty() ? Json(nullptr) : Json(core::base64(next_page));
}

struct TimeRange {
  Time start;
  Time end;
};

// 30 days up to now, if nothing is said.
TimeRange take_range(Asking& asking) {
  const Time end = asking.query.time("end", asking.now).value_or(asking.now);
  return {asking.query.time("start", asking.now).value_or(end - 30 * core::kDay), end};
}

// The last day up to now, if nothing is said; `window` may stand for the start.
TimeRange take_window(Asking& asking) {
  const Time end = asking.query.time("end", asking.now).value_or(asking.now);
  const auto window = asking.query.duration("window");
  const auto start = asking.query.time("start", asking.now);
  if (window && start) throw Error(ErrorCode::kInvalid, "window: give either a window or a start");
  return {start.value_or(end - window.value_or(core::kDay)), end};
}

std::string month_text(std::chrono::year_month month) {
  return fmt::format("{:04}-{:02}", static_cast<int>(month.year()),
                     static_cast<unsigned>(month.month()));
}

// Rows that come newest first, by id: asks for one more than wanted to know whether there are more.
template <typename Row, typename Read, typename ToJson>
Json by_id(Asking& asking, Read read, ToJson to_json) {
  const int limit = take_limit(asking);
  const std::int64_t before = take_id_cursor(asking.query);
  asking.query.finish();
  const std::vector<Row> rows = read(before, limit + 1);
  Json data = Json::array();
  Json next = nullptr;
  for (const Row& row : rows) {
    if (static_cast<int>(data.size()) == limit) {
      next = id_cursor(rows[static_cast<std::size_t>(limit) - 1].id);
      break;
    }
    data.push_back(to_json(row));
  }
  return reply(std::move(data), nullptr, std::move(next));
}

Json poll_json(const store::PollRow& row) {
  return {{"id", row.id},
          {"target", row.target},
          {"region", row.region},
          {"slot", core::format_time(row.slot)},
          {"interval_seconds", row.interval.count()},
          {"started", core::format_time(row.started)},
          {"finished", maybe(row.finished)},
          {"outcome", row.outcome},
          {"requests", row.requests},
          {"pages", row.pages},
          {"accounts", row.accounts},
          {"series", row.series},
          {"error", maybe(row.error)},
          {"request_id", maybe(row.request_id)},
          {"clock_skew_seconds", row.clock_skew ? Json(row.clock_skew->count()) : Json(nullptr)}};
}

Json group_json(const store::Group& group, core::Metric metric) {
  Json json{{"labels", group.labels}};
  if (metric == core::Metric::kCost) {
    json["currency"] = maybe(group.currency);
  } else {
    json["unit"] = core::unit_name(group.unit);
  }
  return json;
}

Json latest_json(const store::LatestRow& row) {
  return {{"account_id", row.account},
          {"region", row.region},
          {"usage_type", row.type},
          {"cloud_provider", maybe(row.provider)},
          {"total", maybe(row.total)},
          {"unit", core::unit_name(core::unit_of(row.type))},
          {"estimated_monthly_cost", maybe(row.cost)},
          {"currency", maybe(row.currency)},
          {"taken_at", core::format_time(row.taken_at)},
          {"target", row.target},
          {"stale", row.stale}};
}

struct LatestSum {
  double cost = 0;
  double total = 0;
  bool cost_known = true;
  bool total_known = true;
  std::optional<core::Unit> unit;
  bool mixed_units = false;
  int series = 0;
  Time oldest = Time::max();
  bool stale = false;
};

// The rows summed up by some of their labels. Totals of several units have no sum. With `top`, the
// dearest so many.
Json latest_by(const std::vector<store::LatestRow>& rows, const store::Dimensions& group_by,
               const std::map<std::string, core::Tags>& tags, std::optional<int> top) {
  std::vector<std::string> names;
  for (const std::string& dimension : group_by) names.push_back(store::label_of(dimension));
  std::map<std::pair<core::Labels, std::string>, LatestSum> sums;
  for (const store::LatestRow& row : rows) {
    const core::Labels labels = store::labels_of(
        names, {row.account, row.region, row.type, row.provider, row.target}, tags);
    LatestSum& sum = sums[{labels, row.currency}];
    const core::Unit unit = core::unit_of(row.type);
    sum.mixed_units = sum.mixed_units || sum.unit.value_or(unit) != unit;
    sum.unit = unit;
    sum.cost += row.cost.value_or(0);
    sum.total += row.total.value_or(0);
    sum.cost_known = sum.cost_known && row.cost.has_value();
    sum.total_known = sum.total_known && row.total.has_value();
    ++sum.series;
    sum.oldest = std::min(sum.oldest, row.taken_at);
    sum.stale = sum.stale || row.stale;
  }
  std::vector<std::pair<std::pair<core::Labels, std::string>, LatestSum>> rows_by_cost(sums.begin(),
                                                                                       sums.end());
  if (top) {
    std::ranges::stable_sort(rows_by_cost, std::ranges::greater{},
                             [](const auto& entry) { return entry.second.cost; });
    rows_by_cost.resize(std::min(rows_by_cost.size(), static_cast<std::size_t>(*top)));
  }
  Json data = Json::array();
  for (const auto& [key, sum] : rows_by_cost) {
    Json row = Json::object();
    for (const auto& [name, value] : key.first) row[name] = maybe(value);
    const bool total = sum.total_known && !sum.mixed_units;
    row["total"] = total ? Json(sum.total) : Json(nullptr);
    row["unit"] = sum.mixed_units ? Json(nullptr) : Json(core::unit_name(*sum.unit));
    row["estimated_monthly_cost"] = sum.cost_known ? Json(sum.cost) : Json(nullptr);
    row["currency"] = maybe(key.second);
    row["series"] = sum.series;
    row["taken_at"] = core::format_time(sum.oldest);
    row["stale"] = sum.stale;
    data.push_back(std::move(row));
  }
  return data;
}

// A poll that has not ended has ended no run of failures either.
core::LastAttempt last_attempt(const store::ScopeRow& scope) {
  core::LastAttempt last;
  last.slot = scope.newest.slot;
  last.finished = scope.newest.finished.value_or(scope.newest.started);
  last.outcome = core::parse_outcome(scope.newest.outcome).value_or(core::Outcome::kServer);
  last.failures = scope.failures;
  return last;
}

Json overlaps_json(store::Reader& reader) {
  Json overlaps = Json::array();
  for (const store::OverlapRow& row : reader.overlaps()) {
    overlaps.push_back({{"region", row.region},
                        {"target", row.target},
                        {"other", row.other},
                        {"accounts", row.accounts}});
  }
  return overlaps;
}

Json behaviour_json(store::Reader& reader) {
  Json behaviour = Json::array();
  for (const store::BehaviourRow& row : reader.behaviours()) {
    behaviour.push_back({{"target", row.target},
                         {"usage_type", row.type},
                         {"behaviour", core::behaviour_name(row.behaviour)},
                         {"since", core::format_time(row.since)},
                         {"evidence", row.reason}});
  }
  return behaviour;
}

Json refreshes_json(store::Reader& reader) {
  Json refreshes = Json::array();
  for (const store::RefreshRow& row : reader.refreshes()) {
    refreshes.push_back({{"kind", row.kind},
                         {"target", row.target},
                         {"region", maybe(row.region)},
                         {"last_attempt", core::format_time(row.attempted)},
                         {"last_success", maybe(row.succeeded)},
                         {"error", maybe(row.error)}});
  }
  return refreshes;
}

}  // namespace

std::string to_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

namespace {

// How a scope stands: "ok", "retrying" after a failure, "failing" once its numbers are unknown,
// "waiting" before its first poll has ended, "removed".
const char* scope_state(const store::ScopeRow& scope, Time now) {
  const auto& good = scope.newest_good;
  if (scope.removed) return "removed";
  if (!good && scope.failures == 0) return "waiting";
  if (!good || now > good->started + 2 * good->interval) return "failing";
  return scope.failures > 0 ? "retrying" : "ok";
}

// By target, the daemon of several that polls it.
using Pollers = std::map<std::string, std::string>;

Json poller_of(const Pollers& pollers, const std::string& target) {
  const auto found = pollers.find(target);
  return found == pollers.end() ? Json(nullptr) : Json(found->second);
}

Json scope_json(const store::ScopeRow& scope, const Pollers& pollers, Time now) {
  const auto& good = scope.newest_good;
  const core::LastAttempt last = last_attempt(scope);
  const bool asking_now = last.outcome == core::Outcome::kRunning;
  const core::Due due =
      core::next_due(scope.newest.target, scope.newest.region, scope.newest.interval, last, now);
  const bool waits = !scope.removed && !asking_now;
  const auto& newest = scope.newest;
  return {
      {"target", newest.target},
      {"region", newest.region},
      {"state", scope_state(scope, now)},
      {"last_success", good ? Json(core::format_time(good->started)) : Json(nullptr)},
      {"age_seconds", good ? Json((now - good->started).count()) : Json(nullptr)},
      {"last_attempt", core::format_time(newest.started)},
      {"last_outcome", newest.outcome},
      {"duration_seconds",
       newest.finished ? Json((*newest.finished - newest.started).count()) : Json(nullptr)},
      {"failures", scope.failures},
      {"breaker", core::breaker_open(last) ? "open" : "closed"},
      {"next_try", waits ? Json(core::format_time(std::max(due.at, now))) : Json(nullptr)},
      {"next_reason", waits ? Json(core::due_reason_name(due.reason)) : Json(nullptr)},
      {"clock_skew_seconds", newest.clock_skew ? Json(newest.clock_skew->count()) : Json(nullptr)},
      {"accounts", good ? Json(good->accounts) : Json(nullptr)},
      {"series", good ? Json(good->series) : Json(nullptr)},
      {"interval_seconds", newest.interval.count()},
      {"polled_by", poller_of(pollers, newest.target)},
      {"error", maybe(newest.error)}};
}

// A scope that no poll has been recorded of.
Json waiting_json(const std::pair<std::string, std::string>& scope, const Pollers& pollers,
                  Time now) {
  Json json{{"target", scope.first}, {"region", scope.second}, {"state", "waiting"}};
  for (const char* name :
       {"last_success", "age_seconds", "last_attempt", "last_outcome", "duration_seconds"}) {
    json[name] = nullptr;
  }
  json["failures"] = 0;
  json["breaker"] = "closed";
  json["next_try"] = core::format_time(now);
  json["next_reason"] = core::due_reason_name(core::DueReason::kFirst);
  for (const char* name : {"clock_skew_seconds", "accounts", "series", "interval_seconds"}) {
    json[name] = nullptr;
  }
  json["polled_by"] = poller_of(pollers, scope.first);
  json["error"] = nullptr;
  return json;
}

using Waiting = std::vector<std::pair<std::string, std::string>>;

Json targets_json(const std::vector<store::ScopeRow>& scopes, const Waiting& waiting,
                  const std::vector<store::Member>& members, Time now) {
  Pollers pollers;
  for (const store::Member& member : members) {
    for (const std::string& target : member.targets) pollers[target] = member.name;
  }
  Json targets = Json::array();
  for (const store::ScopeRow& scope : scopes) targets.push_back(scope_json(scope, pollers, now));
  for (const auto& scope : waiting) targets.push_back(waiting_json(scope, pollers, now));
  return targets;
}

Json daemons_json(const std::vector<store::Member>& members) {
  Json daemons = Json::array();
  for (const store::Member& member : members) {
    daemons.push_back({{"name", member.name},
                       {"targets", member.targets.size()},
                       {"rules", member.rules},
                       {"receivers", member.receivers}});
  }
  return daemons;
}

}  // namespace

Json targets_reply(Asking asking) {
  asking.query.finish();
  return reply(targets_json(asking.reader.scopes(), asking.reader.unpolled_scopes(),
                            asking.reader.members(), asking.now));
}

Json status_reply(Asking asking) {
  const bool summary = asking.query.choice("detail", {"all", "summary"}) == "summary";
  asking.query.finish();
  const std::vector<store::ScopeRow> scopes = asking.reader.scopes();
  const Waiting waiting = asking.reader.unpolled_scopes();
  std::map<std::string, int> counts;
  std::int64_t polls = asking.reader.poll_count();
  for (const store::ScopeRow& scope : scopes) {
    ++counts[scope_state(scope, asking.now)];
    if (scope.newest.outcome == "running") --polls;
  }
  counts["waiting"] += static_cast<int>(waiting.size());
  Json scope_counts = Json::object();
  for (const char* name : {"ok", "retrying", "failing", "waiting", "removed"}) {
    scope_counts[name] = counts[name];
  }
  std::int64_t firing = 0;
  for (const store::AlertCount& count : asking.reader.alert_counts()) {
    if (count.state == "firing") firing += count.count;
  }
  const bool polled = counts["ok"] + counts["retrying"] + counts["failing"] > 0;
  const std::string state = !polled ? "empty" : counts["failing"] > 0 ? "degraded" : "ok";
  const store::Footprint footprint = asking.reader.footprint();
  const std::vector<store::Member> members = asking.reader.members();
  Json data{
      {"state", state},
      {"version", USAGED_VERSION},
      {"now", core::format_time(asking.now)},
      {"revision", asking.reader.revision()},
      {"database",
       {{"path", asking.reader.place()},
        {"schema", store::schema_version()},
        {"bytes", maybe(footprint.bytes)},
        {"wal_bytes", maybe(footprint.wal_bytes)},
        {"free_bytes", maybe(footprint.free_bytes)},
        {"has_room", store::Room{footprint.free_bytes.value_or(store::Room::kNeeded)}.enough()},
        {"set_aside", store::set_aside(asking.reader.path())}}},
      {"polls", polls},
      {"alerts_firing", firing},
      {"scopes", scope_counts},
      {"daemons", daemons_json(members)},
      {"tags", asking.reader.tag_names()}};
  if (asking.counters != nullptr) {
    const Counters::Values values = asking.counters->values();
    data["configuration"] = {{"read_at", maybe(values.configured)},
                             {"error", maybe(values.configuration_error)}};
  }
  if (summary) return reply(std::move(data));
  data["targets"] = targets_json(scopes, waiting, members, asking.now);
  data["overlaps"] = overlaps_json(asking.reader);
  data["behaviour"] = behaviour_json(asking.reader);
  data["daily"] = refreshes_json(asking.reader);
  return reply(std::move(data));
}

Json collection_reply(Asking asking) {
  store::Filter filter;
  filter.targets = asking.query.all("target");
  filter.regions = asking.query.all("region");
  const auto [start, end] = take_range(asking);
  asking.query.finish();
  if (start >= end) throw Error(ErrorCode::kInvalid, "start: must be before the end");
  if (end - start > kMostCollection) {
    throw Error(ErrorCode::kInvalid, "start: no more than {} days before the end",
                kMostCollection / core::kDay);
  }
  Json data = Json::array();
  for (const store::CollectionDay& row :
       store::collection_days(asking.reader, filter, start, std::min(end, asking.now))) {
    data.push_back({{"target", row.target},
                    {"region", row.region},
                    {"day", core::format_day(row.day)},
                    {"polls", row.polls},
                    {"polls_good", row.good},
                    {"known_percent", 100 * row.known},
                    {"reason", maybe(row.reason)}});
  }
  return reply(std::move(data));
}

Json accounts_reply(Asking asking) {
  const int limit = take_limit(asking);
  const std::string after = take_cursor(asking.query);
  const std::vector<std::string> wanted = asking.query.all("account");
  asking.query.finish();
  Json data = Json::array();
  Json next = nullptr;
  std::map<std::string, std::size_t> places;
  for (const store::AccountRow& row : asking.reader.accounts()) {
    if (row.id <= after) continue;
    if (!wanted.empty() && std::ranges::find(wanted, row.id) == wanted.end()) continue;
    if (static_cast<int>(data.size()) == limit) {
      next = core::base64(data.back()["account_id"].get<std::string>());
      break;
    }
    Json missing = Json::array();
    for (const store::MissingAccount& place : row.missing) {
      missing.push_back({{"target", place.target},
                         {"region", place.region},
                         {"since", core::format_time(place.since)},
                         {"error", maybe(place.error)}});
    }
    places[row.id] = data.size();
    data.push_back({{"account_id", row.id},
                    {"name", maybe(row.known.name)},
                    {"tags", row.known.tags},
                    {"active", row.active},
                    {"first_seen", maybe(row.first_seen)},
                    {"organization_status", maybe(row.organization_status)},
                    {"missing", missing},
                    {"trials", Json::array()},
                    {"trial_errors", Json::array()}});
  }
  std::vector<std::string> ids;
  for (const auto& [id, place] : places) ids.push_back(id);
  if (ids.empty()) return reply(std::move(data), nullptr, std::move(next));
  for (const store::TrialRow& row : asking.reader.trials(ids)) {
    data[places.at(row.trial.account)]["trials"].push_back(
        {{"region", row.region},
         {"type", row.trial.type},
         {"status", row.trial.status},
         {"start", maybe(row.trial.start)},
         {"end", maybe(row.trial.end)},
         {"monthly_cost_after", maybe(row.monthly_cost_after)},
         {"currency", maybe(row.currency)}});
  }
  for (const store::TrialErrorRow& row : asking.reader.trial_errors(ids)) {
    data[places.at(row.account)]["trial_errors"].push_back(
        {{"region", row.region}, {"code", row.code}, {"message", row.message}});
  }
  return reply(std::move(data), nullptr, std::move(next));
}

Json polls_reply(Asking asking) {
  const std::string target = asking.query.one("target").value_or("");
  const std::string region = asking.query.one("region").value_or("");
  const std::string outcome = asking.query.one("outcome").value_or("");
  if (!outcome.empty() && !core::parse_outcome(outcome)) {
    throw Error(ErrorCode::kInvalid, "outcome: '{}' is none", outcome);
  }
  return by_id<store::PollRow>(
      asking,
      [&](std::int64_t before, int limit) {
        return asking.reader.polls(target, region, outcome, before, limit);
      },
      poll_json);
}

Json latest_reply(Asking asking) {
  const store::Filter filter = asking.query.filter();
  const store::Dimensions group_by = asking.query.group_by();
  const auto top = asking.query.number("top", 1, kMostRows);
  if (top && group_by.empty()) {
    throw Error(ErrorCode::kInvalid, "top: needs a group_by");
  }
  const int limit = take_limit(asking);
  const std::string after = take_cursor(asking.query);
  asking.query.finish();
  const bool by_target = std::ranges::find(group_by, "target") != group_by.end();
  if (!group_by.empty()) {
    const store::LatestAnswer answer =
        store::History(asking.reader).latest(filter, asking.now, by_target);
    return reply(latest_by(answer.rows, group_by, store::load_tags(asking.reader), top),
                 completeness_json(answer.completeness, asking.now));
  }
  const store::LatestAnswer answer =
      store::History(asking.reader)
          .latest(filter, asking.now, by_target, {after, static_cast<std::size_t>(limit)});
  Json data = Json::array();
  for (const store::LatestRow& row : answer.rows) data.push_back(latest_json(row));
  return reply(std::move(data), completeness_json(answer.completeness, asking.now),
               page_cursor(answer.next_page));
}

namespace {

// A number as JSON has it: the shortest text that stands for it. Like those of a Json, one that
// need not be whole has a decimal point.
template <typename Number>
void put_number(std::string& text, Number number) {
  std::array<char, 32> digits{};
  const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  const std::string_view written(digits.data(), end);
  text += written;
  if (std::is_floating_point_v<Number> && written.find_first_of(".e") == std::string_view::npos) {
    text += ".0";
  }
}

// About as long as the text of a line's labels, and of a point.
constexpr std::size_t kLineBytes = 256;
constexpr std::size_t kPointBytes = 32;

// Both are numbers, and of the same text.
bool same(const std::optional<double>& a, const std::optional<double>& b) {
  return a && b && std::bit_cast<std::uint64_t>(*a) == std::bit_cast<std::uint64_t>(*b);
}

// The points of a line as JSON text.
void put_points(std::string& text, const std::vector<Time>& times,
                const std::vector<std::optional<double>>& values) {
  text += '[';
  // Most are what the one before was, whose text is there.
  std::size_t number = 0;
  std::size_t length = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    text += i > 0 ? ",[" : "[";
    put_number(text, core::unix_seconds(times[i]));
    text += ',';
    if (i > 0 && same(values[i], values[i - 1])) {
      text.append(text, number, length);
    } else if (values[i]) {
      number = text.size();
      put_number(text, *values[i]);
      length = text.size() - number;
    } else {
      text += "null";
    }
    text += ']';
  }
  text += ']';
}

}  // namespace

Json history_reply(Asking asking) {
  std::string data;
  Json json = history_text_reply(std::move(asking), data);
  json["data"] = Json::parse(data);
  return json;
}

Json history_text_reply(Asking asking, std::string& data) {
  const auto top = asking.query.number("top", 1, kMostRows);
  if (top && (asking.query.has("limit") || asking.query.has("cursor"))) {
    throw Error(ErrorCode::kInvalid,
                "top: is one answer without pages; leave out limit and cursor");
  }
  store::Question question = top ? take_question(asking.query) : take_paged_question(asking);
  const auto [start, end] = take_range(asking);
  const auto step = asking.query.step("step");
  asking.query.finish();
  store::HistoryAnswer answer =
      store::History(asking.reader).history(question, start, end, step, asking.now);
  if (top) store::keep_top(answer.lines, static_cast<std::size_t>(*top), question.metric);
  data = "[";
  data.reserve(answer.lines.size() * (kLineBytes + answer.times.size() * kPointBytes));
  for (const store::HistoryLine& line : answer.lines) {
    if (data.size() > 1) data += ',';
    data += to_text(group_json(line.group, question.metric));
    data.back() = ',';
    data += "\"points\":";
    put_points(data, answer.times, line.values);
    data += '}';
  }
  data += ']';
  return reply(nullptr, completeness_json(answer.completeness, asking.now),
               page_cursor(answer.next_page));
}

Json daily_reply(Asking asking) {
  const store::Question question = take_paged_question(asking);
  const auto [start, end] = take_range(asking);
  asking.query.finish();
  const store::DailyAnswer answer = store::daily(asking.reader, question, start, end, asking.now);
  Json data = Json::array();
  for (const store::DailyLine& line : answer.lines) {
    Json days = Json::array();
    for (std::size_t i = 0; i < answer.days.size(); ++i) {
      const auto& day = line.days[i];
      if (!day) continue;
      const bool exact = day->tag == core::DayTag::kExact;
      days.push_back({{"day", core::format_day(answer.days[i])},
                      {"tag", core::day_tag_name(day->tag)},
                      {"value", exact ? maybe(day->estimate) : Json(nullptr)},
                      {"low", day->low},
                      {"high", maybe(day->high)},
                      {"estimate", maybe(day->estimate)}});
    }
    Json entry = group_json(line.group, question.metric);
    entry["days"] = std::move(days);
    data.push_back(std::move(entry));
  }
  return reply(std::move(data), completeness_json(answer.completeness, asking.now),
               page_cursor(answer.next_page));
}

Json forecast_reply(Asking asking) {
  const store::Question question = take_paged_question(asking);
  const int count = asking.query.number("months", 1, 24).value_or(3);
  const auto budget = asking.query.amount("budget");
  asking.query.finish();
  const store::MonthAnswer answer =
      store::months(asking.reader, question, count, budget, asking.now);
  Json data = Json::array();
  for (const store::MonthLine& line : answer.lines) {
    for (const store::MonthRow& row : line.months) {
      Json entry = group_json(line.group, question.metric);
      entry["month"] = month_text(row.month);
      entry["days_known"] = row.sum.days;
      entry["days_in_month"] = row.days_in_month;
      entry["low"] = row.sum.low;
      entry["high"] = maybe(row.sum.high);
      entry["estimate"] = maybe(row.sum.estimate);
      const auto& projected = row.projected;
      entry["projected"] = projected ? Json(projected->expected) : Json(nullptr);
      entry["projected_low"] = projected ? Json(projected->low) : Json(nullptr);
      entry["projected_high"] = projected ? Json(projected->high) : Json(nullptr);
      if (budget) {
        const auto& passed = row.budget_passed;
        entry["budget_passed"] =
            passed ? Json(core::format_day(core::day_of(*passed))) : Json(nullptr);
      }
      data.push_back(std::move(entry));
    }
  }
  return reply(std::move(data), completeness_json(answer.completeness, asking.now),
               page_cursor(answer.next_page));
}

Json showback_reply(Asking asking) {
  const auto tag = asking.query.one("by");
  if (!tag) throw Error(ErrorCode::kInvalid, "by: name a tag, like by=team");
  store::Question question{asking.query.filter(), {"tag." + *tag}, core::Metric::kCost};
  const int count = asking.query.number("months", 1, 24).value_or(3);
  asking.query.finish();
  const store::MonthAnswer answer =
      store::months(asking.reader, question, count, std::nullopt, asking.now);
  // What a month costs in all, by currency; nullopt: not known.
  std::map<std::string, std::vector<std::optional<double>>> sums;
  for (const store::MonthLine& line : answer.lines) {
    auto& sum = sums[line.group.currency];
    sum.resize(line.months.size(), 0.0);
    for (std::size_t i = 0; i < line.months.size(); ++i) {
      const auto& estimate = line.months[i].sum.estimate;
      if (!estimate) sum[i].reset();
      if (sum[i]) *sum[i] += *estimate;
    }
  }
  Json data = Json::array();
  const std::size_t months = answer.lines.empty() ? 0 : answer.lines.front().months.size();
  for (std::size_t i = 0; i < months; ++i) {
    for (const store::MonthLine& line : answer.lines) {
      const store::MonthRow& row = line.months[i];
      const auto& estimate = row.sum.estimate;
      const auto& whole = sums.at(line.group.currency)[i];
      const auto& before = i == 0 ? std::nullopt : line.months[i - 1].sum.estimate;
      const std::string& value = line.group.labels.at("tag." + *tag);
      Json entry{{"month", month_text(row.month)},
                 {"tag", maybe(value)},
                 {"untagged", value.empty()},
                 {"accounts", line.accounts},
                 {"currency", maybe(line.group.currency)},
                 {"low", row.sum.low},
                 {"high", maybe(row.sum.high)},
                 {"estimate", maybe(estimate)}};
      entry["share_percent"] =
          estimate && whole && *whole > 0 ? Json(100 * *estimate / *whole) : Json(nullptr);
      entry["change"] = estimate && before ? Json(*estimate - *before) : Json(nullptr);
      entry["projected"] = row.projected ? Json(row.projected->expected) : Json(nullptr);
      data.push_back(std::move(entry));
    }
  }
  return reply(std::move(data), completeness_json(answer.completeness, asking.now));
}

Json echo_reply(Asking asking) {
  const store::Question question = take_paged_question(asking);
  const auto [start, end] = take_window(asking);
  asking.query.finish();
  const store::EchoAnswer answer = store::echo(asking.reader, question, start, end, asking.now);
  const auto part = [](const core::Part& value) -> Json {
    return {{"low", value.low}, {"high", maybe(value.high)}, {"estimate", maybe(value.estimate)}};
  };
  const core::Part nothing{0, std::nullopt, std::nullopt};
  Json data = Json::array();
  for (const store::EchoRow& row : answer.rows) {
    Json entry = group_json(row.group, question.metric);
    entry["before"] = maybe(row.delta.before);
    entry["after"] = maybe(row.delta.after);
    entry["change"] = maybe(row.delta.change);
    const core::Echo echo = row.echo.value_or(core::Echo{nothing, nothing, {}, {}, {}});
    entry["entered"] = part(echo.entered);
    entry["left"] = part(echo.left);
    entry["usual"] = maybe(echo.usual);
    entry["fresh"] = maybe(echo.fresh);
    entry["echo"] = maybe(echo.echo);
    entry["leaving"] = Json::array();
    for (const store::Leaving& leaving : row.leaving) {
      const auto& usage = leaving.usage;
      entry["leaving"].push_back({{"day", core::format_day(leaving.on)},
                                  {"low", usage ? Json(usage->low) : Json(nullptr)},
                                  {"high", usage ? maybe(usage->high) : Json(nullptr)},
                                  {"estimate", usage ? maybe(usage->estimate) : Json(nullptr)},
                                  {"above_usual", maybe(leaving.above_usual)}});
    }
    data.push_back(std::move(entry));
  }
  Json result = reply(std::move(data), completeness_json(answer.completeness, asking.now),
                      page_cursor(answer.next_page));
  result["start"] = core::format_time(answer.start);
  result["end"] = core::format_time(answer.end);
  return result;
}

Json deltas_reply(Asking asking) {
  const store::Question question = take_question(asking.query);
  const auto [start, end] = take_window(asking);
  const int top = asking.query.number("top", 1, kMostRows).value_or(asking.default_limit);
  const int contributors = asking.query.number("contributors", 0, 100).value_or(3);
  asking.query.finish();
  const store::DeltaAnswer answer =
      store::History(asking.reader).deltas(question, start, end, asking.now, contributors);
  Json data = Json::array();
  for (const store::DeltaRow& row : answer.rows) {
    if (static_cast<int>(data.size()) == top) break;
    Json entry = group_json(row.group, question.metric);
    entry["before"] = maybe(row.delta.before);
    entry["after"] = maybe(row.delta.after);
    entry["change"] = maybe(row.delta.change);
    entry["percent"] = maybe(row.delta.percent);
    entry["status"] = core::delta_status_name(row.delta.status);
    if (question.metric == core::Metric::kCost) {
      entry["volume"] = row.split ? Json(row.split->volume) : Json(nullptr);
      entry["price"] = row.split ? Json(row.split->price) : Json(nullptr);
    }
    entry["contributors"] = Json::array();
    for (const store::Contributor& one : row.contributors) {
      entry["contributors"].push_back({{"account_id", one.account},
                                       {"region", one.region},
                                       {"usage_type", one.type},
                                       {"cloud_provider", maybe(one.provider)},
                                       {"change", one.change}});
    }
    data.push_back(std::move(entry));
  }
  Json result = reply(std::move(data), completeness_json(answer.completeness, asking.now));
  result["start"] = core::format_time(answer.start);
  result["end"] = core::format_time(answer.end);
  result["groups"] = answer.rows.size();
  return result;
}

Json alert_json(const core::Alert& alert) {
  const bool resolved = alert.state == core::AlertState::kResolved;
  std::optional<double> change;
  if (alert.before && alert.after) change = *alert.after - *alert.before;
  return {{"id", alert.id},
          {"fingerprint", alert.fingerprint},
          {"rule", alert.rule},
          {"severity", alert.severity},
          {"state", core::alert_state_name(alert.state)},
          {"labels", alert.labels},
          {"currency", maybe(alert.currency)},
          {"before", maybe(alert.before)},
          {"after", maybe(alert.after)},
          {"peak", maybe(alert.peak)},
          {"change", maybe(change)},
          {"score", maybe(alert.score)},
          {"details", alert.details.empty() ? Json(nullptr) : Json::parse(alert.details)},
          {"polls", alert.polls},
          {"pending_since", core::format_time(alert.pending_since)},
          {"starts_at", maybe(alert.starts_at)},
          {"ends_at", resolved ? maybe(alert.ends_at) : Json(nullptr)},
          {"duration_seconds", resolved && alert.starts_at && alert.ends_at
                                   ? Json((*alert.ends_at - *alert.starts_at).count())
                                   : Json(nullptr)},
          {"flapping", core::is_flapping(alert)},
          {"acknowledged_at", maybe(alert.acked_at)},
          {"acknowledged_by", maybe(alert.acked_by)},
          {"acknowledged_comment", maybe(alert.ack_comment)}};
}

Json silence_json(const core::Silence& silence, core::Time now) {
  Json matchers = Json::array();
  for (const core::Matcher& matcher : silence.matchers) {
    matchers.push_back(core::format_matcher(matcher));
  }
  const char* state = silence.active(now)       ? "active"
                      : now < silence.starts_at ? "pending"
                                                : "expired";
  return {{"id", silence.id},
          {"state", state},
          {"matchers", matchers},
          {"starts_at", core::format_time(silence.starts_at)},
          {"ends_at", core::format_time(silence.ends_at)},
          {"created_by", silence.created_by},
          {"comment", silence.comment},
          {"created_at", core::format_time(silence.created_at)}};
}

namespace {

// An alert as alert_json() has it, and until when it is silenced.
Json told_json(const core::Alert& alert, const std::vector<core::Silence>& silences,
               const Asking& asking) {
  Json json = alert_json(alert);
  const core::Labels labels = core::notice_labels(alert, core::rule_of(alert, asking.rules));
  json["silenced_until"] = alert.state == core::AlertState::kResolved
                               ? Json(nullptr)
                               : maybe(core::silenced_until(silences, labels, asking.now));
  return json;
}

std::vector<core::Silence> active_silences(const Asking& asking) {
  return asking.reader.silences("active", asking.now, 0, kMostRows);
}

}  // namespace

Json alerts_reply(Asking asking) {
  const std::string state = asking.query.one("state").value_or("");
  if (!state.empty() && !core::parse_alert_state(state)) {
    throw Error(ErrorCode::kInvalid,
                "state: '{}' is not allowed; allowed: pending, firing, resolved", state);
  }
  const std::vector<core::Silence> silences = active_silences(asking);
  return by_id<core::Alert>(
      asking,
      [&](std::int64_t before, int limit) { return asking.reader.alerts(state, before, limit); },
      [&](const core::Alert& alert) { return told_json(alert, silences, asking); });
}

Json alert_reply(Asking asking, const std::string& id) {
  asking.query.finish();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  const bool good = error == std::errc{} && end == id.data() + id.size();
  const auto alert = good ? asking.reader.alert(number) : std::nullopt;
  if (!alert) throw Error(ErrorCode::kNotFound, "there is no alert {}", id);
  Json data = told_json(*alert, active_silences(asking), asking);
  data["events"] = Json::array();
  for (const store::AlertEventRow& event : asking.reader.alert_events(number)) {
    data["events"].push_back({{"at", core::format_time(event.at)},
                              {"change", event.change},
                              {"before", maybe(event.before)},
                              {"after", maybe(event.after)}});
  }
  return reply(std::move(data));
}

Json notifications_reply(Asking asking) {
  const std::string state = asking.query.one("state").value_or("");
  if (!state.empty() && state != "pending" && state != "delivered" && state != "dead") {
    throw Error(ErrorCode::kInvalid,
                "state: '{}' is not allowed; allowed: pending, delivered, dead", state);
  }
  return by_id<store::NotificationRow>(
      asking,
      [&](std::int64_t before, int limit) {
        return asking.reader.notifications(state, before, limit);
      },
      [](const store::NotificationRow& row) -> Json {
        return {{"id", row.id},
                {"uid", row.uid},
                {"receiver", row.receiver},
                {"reason", row.reason},
                {"group_key", row.group_key},
                {"alerts", row.alerts},
                {"created", core::format_time(row.created)},
                {"state", row.state},
                {"attempts", row.attempts},
                {"next_attempt",
                 row.finished ? Json(nullptr) : Json(core::format_time(row.next_attempt))},
                {"finished", maybe(row.finished)},
                {"error", maybe(row.error)}};
      });
}

Json silences_reply(Asking asking) {
  const std::string state = asking.query.one("state").value_or("");
  if (!state.empty() && state != "active" && state != "pending" && state != "expired") {
    throw Error(ErrorCode::kInvalid,
                "state: '{}' is not allowed; allowed: active, pending, expired", state);
  }
  return by_id<core::Silence>(
      asking,
      [&](std::int64_t before, int limit) {
        return asking.reader.silences(state, asking.now, before, limit);
      },
      [&](const core::Silence& silence) { return silence_json(silence, asking.now); });
}

Json rules_reply(const Asking& asking) {
  asking.query.finish();
  Json data = Json::array();
  for (const core::Rule& rule : asking.rules) {
    const bool limited = rule.kind == core::RuleKind::kThreshold ||
                         rule.kind == core::RuleKind::kBudget ||
                         rule.kind == core::RuleKind::kTrial;
    const bool stale = rule.kind == core::RuleKind::kStale;
    data.push_back({{"name", rule.name},
                    {"kind", core::rule_kind_name(rule.kind)},
                    {"severity", rule.severity},
                    {"metric", rule.metric == core::Metric::kCost ? "cost" : "total"},
                    {"group_by", stale ? store::Dimensions{"target", "region"} : rule.group_by},
                    {"accounts", rule.accounts},
                    {"regions", rule.regions},
                    {"types", rule.types},
                    {"limit", limited ? Json(rule.limit) : Json(nullptr)},
                    {"receivers", rule.receivers}});
  }
  return reply(std::move(data));
}

}  // namespace usaged::web
