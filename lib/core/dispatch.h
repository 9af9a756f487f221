#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/alert.h"
#include "core/config.h"
#include "core/silence.h"
#include "core/time.h"

// Which alerts a receiver is told of now, and together.
//
// What is new of an alert waits for `group_wait`, with all that have the same values of the
// receiver's `group_by`; then the whole group is told as it is: every alert of it that fires, and
// those that have resolved since. As long as one fires that nobody looks after, the group is told
// again every `repeat_interval`. What is silenced waits; if it resolves before anybody was told, it
// is dropped. In a mute window everything waits.
namespace usaged::core {

// A change of an alert that the receiver has not been told.
struct Untold {
  std::int64_t event = 0;
  std::int64_t alert = 0;
  Time at;
  bool acknowledged = false;  // that is what changed: only PagerDuty needs to know
};

struct DispatchInput {
  std::vector<Untold> untold;
  // As they are now: those that fire and whom the receiver is for, and those that are untold.
  std::map<std::int64_t, Alert> alerts;
  std::set<std::int64_t> told;            // alerts that the receiver has been told of before
  std::map<std::string, Time> last_told;  // by group key
};

enum class DispatchReason { kNews, kRepeat, kStorm };

std::string_view dispatch_reason_name(DispatchReason reason);  // "news", "repeat", "storm"

struct Dispatch {
  DispatchReason reason = DispatchReason::kNews;
  std::string group_key;  // like Alertmanager's: {}:{alertname="cost-spike"}
  Labels group_labels;
  std::vector<std::int64_t> alerts;
  std::vector<std::int64_t> events;  // that are told with it
};

struct DispatchPlan {
  std::vector<Dispatch> dispatches;
  std::vector<std::int64_t> dropped;  // events that nobody needs to be told of
  std::optional<Time> next;           // when there is more to do, if nothing happens before
};

// From so many groups at once on, they are told as one: a storm.
inline constexpr std::size_t kStorm = 10;

DispatchPlan plan_dispatches(const Receiver& receiver, const std::vector<Rule>& rules,
                             const std::vector<Silence>& silences, const DispatchInput& input,
                             Time now);

}  // namespace usaged::core
