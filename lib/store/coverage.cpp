#include "store/coverage.h"

#include <map>

#include "core/schedule.h"
#include "store/rows.h"
#include "store/selection.h"

namespace usaged::store {

using core::Seconds;
using core::Time;

std::string gap_reason(Reader& reader, const Scope& scope, Time from, Time to) {
  return guarded("read polls", reader.path(), [&]() -> std::string {
    Query query(
        reader.db(),
        "SELECT outcome FROM poll WHERE target = ? AND region = ? AND outcome NOT IN ('ok', "
        "'running') AND started BETWEEN ? AND ? ORDER BY started DESC LIMIT 1");
    query.bind(1, scope.target);
    query.bind(2, scope.region);
    query.bind(3, static_cast<std::int64_t>(core::unix_seconds(from)));
    query.bind(4, static_cast<std::int64_t>(core::unix_seconds(to)));
    return query.step() ? query.text(0) : "not polled";
  });
}

namespace {

// Leaves those of [start, end], and the newest before.
void keep_range(std::vector<GoodPoll>& polls, Time start, Time end) {
  polls.erase(std::ranges::upper_bound(polls, end, {}, &GoodPoll::taken_at), polls.end());
  const auto later = std::ranges::upper_bound(polls, start, {}, &GoodPoll::taken_at);
  if (later == polls.begin()) return;
  const Time before = std::prev(later)->taken_at;
  polls.erase(polls.begin(), std::ranges::lower_bound(polls, before, {}, &GoodPoll::taken_at));
}

}  // namespace

std::vector<Scope> load_scopes(Reader& reader, const Filter& filter, Time start, Time end) {
  return guarded("read polls", reader.path(), [&] {
    Query all(reader.db(),
              "SELECT id, target, region, removed, thinned FROM scope ORDER BY target, region");
    Query ends(
        reader.db(),
        "SELECT (SELECT min(started) FROM poll WHERE target = ?1 AND region = ?2), (SELECT "
        "max(started) FROM poll WHERE target = ?1 AND region = ?2), (SELECT started FROM poll "
        "WHERE target = ?1 AND region = ?2 AND outcome = 'ok' ORDER BY started LIMIT 1), (SELECT "
        "interval FROM poll WHERE target = ?1 AND region = ?2 ORDER BY started DESC LIMIT 1)");
    // A poll more than twice the longest interval (a day) before the range says nothing in it, but
    // shows which groups a gap at its beginning concerns: so the one before is always read. Those
    // of settled days come by day, in one statement with the rest, so that none can move meanwhile.
    Query polls(
        reader.db(),
        "WITH span (since, unsettled) AS (SELECT coalesce((SELECT max(started) FROM poll WHERE "
        "target = ?1 AND region = ?2 AND outcome = 'ok' AND started <= ?3), ?3), (SELECT (1 + "
        "coalesce(settled, -1)) * 86400 FROM scope WHERE id = ?5)) "
        "SELECT polls, 0, 0, 0, 0 FROM poll_day WHERE scope_id = ?5 AND day BETWEEN (SELECT since "
        "/ 86400 FROM span) AND ?4 / 86400 "
        "UNION ALL SELECT NULL, id, started, slot, interval FROM poll WHERE target = ?1 AND region "
        "= ?2 AND outcome = 'ok' AND started <= ?4 AND started >= (SELECT CASE WHEN since > "
        "unsettled THEN since ELSE unsettled END FROM span)");
    std::vector<Scope> scopes;
    while (all.step()) {
      Scope scope;
      scope.target = all.text(1);
      scope.region = all.text(2);
      if (!matches(filter.targets, scope.target) || !matches(filter.regions, scope.region)) {
        continue;
      }
      ends.reset();
      ends.bind(1, scope.target);
      ends.bind(2, scope.region);
      ends.step();
      if (ends.is_null(0)) continue;  // it was never asked
      scope.id = all.integer(0);
      scope.ends = optional_time(all, 3).value_or(Time::max());
      if (!all.is_null(4)) {
        scope.thinned_until = midnight_at(all, 4) + core::kDay;
      }
      scope.first_attempt = *optional_time(ends, 0);
      scope.last_attempt = *optional_time(ends, 1);
      scope.first_good = optional_time(ends, 2).value_or(Time::max());
      scope.interval = interval_at(ends, 3);
      polls.bind(1, scope.target);
      polls.bind(2, scope.region);
      polls.bind(3, static_cast<std::int64_t>(core::unix_seconds(start)));
      polls.bind(4, static_cast<std::int64_t>(core::unix_seconds(end)));
      polls.bind(5, scope.id);
      while (polls.step()) {
        if (!polls.is_null(0)) {
          decode_polls(polls.blob(0), scope.polls);
        } else {
          scope.polls.push_back(good_poll(polls, 1));
        }
      }
      polls.reset();
      const auto order = [](const GoodPoll& poll) { return std::pair(poll.taken_at, poll.id); };
      if (!std::ranges::is_sorted(scope.polls, {}, order)) {
        std::ranges::sort(scope.polls, {}, order);
      }
      keep_range(scope.polls, start, end);
      scopes.push_back(std::move(scope));
    }
    return scopes;
  });
}

Completeness completeness(Reader& reader, const std::vector<Scope>& scopes, Time start, Time end) {
  Completeness result;
  for (const Scope& scope : scopes) {
    if (scope.first_good == Time::max()) {
      // Never once good: nothing is known of it, from its first attempt on.
      const Time from = std::max(start, scope.first_attempt);
      if (scope.ends > start && from <= end) {
        ++result.expected;
        result.gaps.push_back({scope.target, scope.region, from, end,
                               gap_reason(reader, scope, core::from_unix(0), end)});
      }
      continue;
    }
    const Time from = std::max(start, scope.first_good);
    const Time to = std::min(end, scope.ends);
    if (from > to) continue;
    // Where polls were thinned out, a day is what was expected.
    const Time thinned_to = std::min(to, scope.thinned_until);
    if (from < thinned_to) {
      const auto kept =
          static_cast<std::int64_t>(std::ranges::count_if(scope.polls, [&](const GoodPoll& poll) {
            return poll.taken_at >= from && poll.taken_at < thinned_to;
          }));
      result.good += kept;
      const bool earlier = std::ranges::any_of(scope.polls, [&](const GoodPoll& poll) {
        return poll.taken_at < from && core::day_of(poll.taken_at) == core::day_of(from);
      });
      result.expected += std::max(
          kept, core::day_of(thinned_to - Seconds{1}) - core::day_of(from) + (earlier ? 0 : 1));
    }
    const Time whole_from = std::max(from, thinned_to);
    std::vector<Time> slots;
    for (const GoodPoll& poll : scope.polls) {
      if (poll.taken_at >= whole_from && poll.taken_at <= to) slots.push_back(poll.slot);
    }
    if (!std::ranges::is_sorted(slots)) std::ranges::sort(slots);
    slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
    const auto good = static_cast<std::int64_t>(slots.size());
    const auto slot = [&scope](Time t) {
      return core::slot_at(scope.target, scope.region, scope.interval, t);
    };
    // The first good poll of all answers the slot before it, whenever that was.
    const Time first_slot = whole_from == scope.first_good ? slot(whole_from) - scope.interval
                                                           : slot(whole_from - Seconds{1});
    // A slot counts once it was attempted, or is a whole interval old.
    const Time last_slot = slot(std::max(std::min(to, scope.last_attempt), to - scope.interval));
    const std::int64_t slots_due =
        std::max<std::int64_t>((last_slot - first_slot) / scope.interval, 0);
    result.good += good;
    result.expected += std::max(good, slots_due);
    const auto add_gap = [&](Time a, Time b) {
      a = std::max(a, from);
      b = std::min(b, to);
      if (a < b) {
        result.gaps.push_back(
            {scope.target, scope.region, a, b, gap_reason(reader, scope, a - scope.interval, b)});
      }
    };
    Time covered = from;
    for (const GoodPoll& poll : scope.polls) {
      if (poll.taken_at > covered) add_gap(covered, poll.taken_at);
      covered = std::max(covered, poll.covered_until());
    }
    if (covered < to) add_gap(covered, to);
    if (!scope.polls.empty()) {
      const Time newest = scope.polls.back().taken_at;
      result.newest = std::max(result.newest.value_or(newest), newest);
    }
  }
  return result;
}

std::vector<CollectionDay> collection_days(Reader& reader, const Filter& filter, Time start,
                                           Time end) {
  const std::vector<Scope> scopes = load_scopes(reader, filter, start, end);
  std::map<std::pair<std::string, std::string>, std::vector<Gap>> gaps;
  for (Gap& gap : completeness(reader, scopes, start, end).gaps) {
    gaps[{gap.target, gap.region}].push_back(std::move(gap));
  }
  Query counts(reader.db(),
               "SELECT started / 86400, count(*), count(*) FILTER (WHERE outcome = 'ok') FROM poll "
               "WHERE target = ? AND region "
               "= ? AND started BETWEEN ? AND ? AND outcome <> 'running' GROUP BY 1");
  std::vector<CollectionDay> days;
  for (const Scope& scope : scopes) {
    const bool never = scope.first_good == Time::max();
    const Time from = std::max(start, never ? scope.first_attempt : scope.first_good);
    const Time to = std::min(end, scope.ends);
    if (from >= to) continue;
    const std::int64_t first = core::day_of(from);
    const std::int64_t last = core::day_of(to - Seconds{1});
    const std::size_t begin = days.size();
    std::vector<core::Seconds> longest(static_cast<std::size_t>(last - first + 1));
    for (std::int64_t day = first; day <= last; ++day) {
      days.push_back({scope.target, scope.region, day, 0, 0, 1, ""});
    }
    guarded("read polls", reader.path(), [&] {
      counts.bind(1, scope.target);
      counts.bind(2, scope.region);
      counts.bind(3, static_cast<std::int64_t>(core::unix_seconds(from)));
      counts.bind(4, static_cast<std::int64_t>(core::unix_seconds(to)));
      while (counts.step()) {
        const std::int64_t day = counts.integer(0);
        if (day < first || day > last) continue;
        CollectionDay& row = days[begin + static_cast<std::size_t>(day - first)];
        row.polls = counts.integer(1);
        row.good = counts.integer(2);
      }
      counts.reset();
    });
    for (const Gap& gap : gaps[{scope.target, scope.region}]) {
      for (std::int64_t day = core::day_of(gap.from); day <= last; ++day) {
        const Time day_from = std::max(from, core::midnight(day));
        const Time day_to = std::min(to, core::midnight(day + 1));
        const Seconds missing = std::min(gap.to, day_to) - std::max(gap.from, day_from);
        if (missing <= Seconds{0}) break;
        const auto place = static_cast<std::size_t>(day - first);
        CollectionDay& row = days[begin + place];
        row.known -=
            static_cast<double>(missing.count()) / static_cast<double>((day_to - day_from).count());
        if (missing > longest[place]) row.reason = gap.reason;
        longest[place] = std::max(longest[place], missing);
      }
    }
  }
  for (CollectionDay& row : days) row.known = std::clamp(row.known, 0.0, 1.0);
  return days;
}

}  // namespace usaged::store
