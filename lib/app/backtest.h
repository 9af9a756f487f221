#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/log.h"
#include "core/alert.h"
#include "core/config.h"
#include "core/time.h"

namespace usaged::app {

// One alert that would have fired.
struct BacktestAlert {
  core::Alert alert;
  double value = 0;     // at its worst
  double baseline = 0;  // likewise
};

struct Backtest {
  std::vector<BacktestAlert> alerts;  // in order of their start
  core::Time from;                    // of the polls that were replayed
  core::Time to;
  std::int64_t polls = 0;
};

// Replays the stored polls of [start, end] through the rules as if live: in order of time into a
// database of their own, each put before the same Alerter, which so sees nothing of the future.
// Polls before `start` are stored without being judged. Throws Error(kStorage) and what the rules
// do.
Backtest backtest(const std::string& database, const core::Config& config, core::Time start,
                  core::Time end, Log& log);

}  // namespace usaged::app
