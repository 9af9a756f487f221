#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "core/schedule.h"
#include "core/time.h"
#include "store/reader.h"

namespace usaged::web {

// What is counted since the process began. Safe for every thread.
class Counters {
 public:
  // Upper bounds of the histogram of poll durations, in seconds.
  static constexpr std::array<double, 10> kDurations{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};

  struct Values {
    std::map<std::string, std::int64_t> polls;  // by outcome
    std::array<std::int64_t, kDurations.size() + 1> durations{};
    double duration_sum = 0;
    std::map<std::pair<std::string, std::string>, std::int64_t> notifications;  // receiver, outcome
    std::optional<core::Time> configured;  // when the configuration at work was read
    std::string configuration_error;       // of the last attempt to read another; empty: none
  };

  void poll_ended(core::Outcome outcome, double seconds);
  // `outcome`: "delivered", "retried" or "dead".
  void notification_tried(const std::string& receiver, const std::string& outcome);

  // The configuration was taken (no error), or not.
  void configuration_read(core::Time at, const std::string& error);

  Values values() const;

 private:
  mutable std::mutex mutex_;
  Values values_;
};

// Everything in Prometheus's text format 0.0.4: the newest value of each series, however old,
// beside the time of its poll's success; no value where AWS sent none.
std::string metrics_text(store::Reader& reader, const Counters& counters, core::Time now);

}  // namespace usaged::web
