#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/alert.h"
#include "core/config.h"
#include "core/silence.h"
#include "core/time.h"
#include "store/history.h"
#include "store/reader.h"
#include "web/metrics.h"
#include "web/query.h"

// What the API answers, and the command line prints: one function a question.
namespace usaged::web {

using Json = nlohmann::ordered_json;

// Who asks, and when.
struct Asking {
  store::Reader& reader;
  Query& query;
  core::Time now;
  // How many rows an answer has if the query doesn't say; the rest is behind `next_cursor`.
  int default_limit = 1000;
  // Those of the configuration, where it is known.
  std::vector<core::Rule> rules{};
  const Counters* counters = nullptr;  // of the daemon, if there is one
};

// Each returns {"data": ..., "completeness": ..., "next_cursor": ...} and throws Error(kInvalid)
// for parameters that make no sense. Times are RFC 3339 but for the points of a history, which are
// [Unix seconds, value]. A number that nobody knows is null.
Json status_reply(Asking asking);
Json targets_reply(Asking asking);
Json accounts_reply(Asking asking);
Json polls_reply(Asking asking);
Json collection_reply(Asking asking);
Json latest_reply(Asking asking);
Json history_reply(Asking asking);
// The same, but its data are put into `data`, as JSON text: they may be half a million points.
Json history_text_reply(Asking asking, std::string& data);
Json daily_reply(Asking asking);
Json forecast_reply(Asking asking);
Json showback_reply(Asking asking);
Json echo_reply(Asking asking);
Json deltas_reply(Asking asking);
Json alerts_reply(Asking asking);
Json alert_reply(Asking asking, const std::string& id);
Json notifications_reply(Asking asking);
Json silences_reply(Asking asking);
Json rules_reply(const Asking& asking);

Json alert_json(const core::Alert& alert);
Json silence_json(const core::Silence& silence, core::Time now);

// JSON text; bytes that are no UTF-8 are replaced.
std::string to_text(const Json& json, int indent = -1);

}  // namespace usaged::web
