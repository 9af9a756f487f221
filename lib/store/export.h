#pragma once

#include <functional>

#include "core/focus.h"
#include "core/records.h"
#include "store/history.h"
#include "store/reader.h"
#include "store/store.h"

namespace usaged::store {

// What is stored, row by row, so that no answer is ever held as a whole.

// Calls `use` with every number of the polls of [start, end] that the filter chooses, in order of
// time. Values that are gone are left out.
void each_record(Reader& reader, const Filter& filter, core::Time start, core::Time end,
                 const std::function<void(const core::Record&)>& use);

// Calls `use` with every poll until `end` that has ended, in order of time, and what it brought
// (nothing, if it was not good).
void each_snapshot(Reader& reader, core::Time end,
                   const std::function<void(const PollRow&, const Snapshot&)>& use);

// Calls `use` with what each series that the filter chooses cost on each day of [start, end] that
// is over, a series after the other. Days whose cost is not known are left out; how many.
std::int64_t each_charge(Reader& reader, const Filter& filter, core::Time start, core::Time end,
                         core::Time now, const std::function<void(const core::Charge&)>& use);

}  // namespace usaged::store
