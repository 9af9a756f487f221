#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "support/database.h"

// What a long history costs.
namespace usaged::support {

// Adds good polls of 40 targets, one of them `t` in us-east-1, in each of the 1,000 hours before
// the first poll: in turn, so that no page has two of one.
inline void add_old_polls(const std::string& database) {
  change_database(
      database,
      "WITH RECURSIVE hour (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM hour WHERE i < 1000), "
      "other (j) AS (SELECT 1 UNION ALL SELECT j + 1 FROM other WHERE j < 40) "
      "INSERT INTO poll (target, region, slot, interval, started, finished, outcome) "
      "SELECT iif(j = 1, 't', 'other' || j), 'us-east-1', at, 3600, at, at, 'ok' FROM (SELECT i, "
      "j, (SELECT min(started) FROM poll) - 3600 * (1001 - i) AS at FROM hour, other) ORDER BY i, "
      "j; "
      "INSERT OR IGNORE INTO scope (target, region) SELECT DISTINCT target, region FROM poll");
}

// By this process, of files and pipes.
inline std::int64_t bytes_read() {
  std::ifstream io("/proc/self/io");
  std::string name;
  std::int64_t count = 0;
  io >> name >> count;
  return name == "rchar:" ? count : -1;
}

}  // namespace usaged::support
