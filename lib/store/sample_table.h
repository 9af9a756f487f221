#pragma once

#include "store/connection.h"

namespace usaged::store {

// Lets SQL on this connection read the samples as a table `sample` (poll_id, series_id, total,
// cost, gone): a row for each series that a good poll returned, and one with gone = 1 where it is
// the first that no longer did.
void add_sample_table(Connection& db);

}  // namespace usaged::store
