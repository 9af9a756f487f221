#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/time.h"
#include "store/store.h"
#include "web/replies.h"

// What the API does beside answering: its few writes, which go through the one writer.
namespace usaged::web {

// What the rest of the program does for them.
struct Actors {
  store::Store* store = nullptr;
  // Alerts, silences or messages have changed.
  std::function<void()> changed;
  // Lets the named targets (none: all) be polled now; returns which targets and regions will be.
  // Throws Error(kInvalid) for a target that there is not.
  std::function<std::vector<std::pair<std::string, std::string>>(const std::vector<std::string>&)>
      poll_now;
  // Reads the configuration anew; throws Error if it is not taken.
  std::function<void()> reload = [] {};
};

// Each takes the JSON body of its request, and throws Error(kInvalid) for what makes no sense in
// it, an unknown member included.

// {"matchers": ["account_id=123456789012"], "duration": "2h" or "ends_at": TIME, "starts_at": TIME,
// "created_by": WHO, "comment": WHY}; without a start it starts now.
Json add_silence(const Actors& actors, const std::string& body, core::Time now);
// Ends it now. Throws Error(kNotFound).
Json end_silence(const Actors& actors, const std::string& id, core::Time now);
// {"by": WHO, "comment": WHY}, the comment optional. Throws Error(kNotFound) and Error(kConflict).
Json acknowledge(const Actors& actors, const std::string& id, const std::string& body,
                 core::Time now);
// {"id": N} or {"receiver": NAME} or {}, which is every dead message.
Json redrive(const Actors& actors, const std::string& body, core::Time now);
// {"targets": [NAME, ...]}, optional.
Json poll_now(const Actors& actors, const std::string& body);
// No body. Throws Error(kConfig) with what is wrong in the configuration.
Json reload(const Actors& actors, const std::string& body);

}  // namespace usaged::web
