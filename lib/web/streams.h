#pragma once

#include <functional>
#include <string_view>

#include "core/time.h"
#include "store/history.h"
#include "store/reader.h"
#include "web/query.h"

// Answers of any size, written row by row as they are read.
namespace usaged::web {

using Sink = std::function<void(std::string_view)>;
// What is known of the answer once it is written; nullopt if there is nothing to say.
using Stream = std::function<std::optional<store::Completeness>(store::Reader&, const Sink&)>;

enum class RowFormat { kCsv, kNdjson, kFocus };

// Each takes its parameters at once, and throws Error(kInvalid) for those that make no sense; what
// the stream itself throws may come after a part was written.
//
// The points of a history in order of time, each a row with `time` (RFC 3339), the labels,
// `currency` or `unit`, and `value` (empty or null if it is not known).
Stream history_stream(Query& query, core::Time now, RowFormat format);
// Every stored number (core/records.h), or every day's cost as FOCUS (core/focus.h) in CSV.
Stream export_stream(Query& query, core::Time now, RowFormat format);

}  // namespace usaged::web
