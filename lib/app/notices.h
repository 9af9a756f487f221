#pragma once

#include <string>

#include "core/config.h"
#include "core/dispatch.h"
#include "core/notice.h"
#include "store/reader.h"
#include "store/store.h"

// What receivers are told, made of what is stored.
namespace usaged::app {

// Where notices take what they say from.
struct NoticeSource {
  const core::Config& config;
  store::Reader& reader;
  std::string external_url;
};

// The notice of some alerts.
core::Notice make_notice(const NoticeSource& source, const core::Receiver& receiver,
                         const core::Dispatch& dispatch, const std::vector<core::Alert>& alerts,
                         core::Time now);

// A digest of the day, or the week, until now: what it costs, who made the difference, what fired,
// what is not collected.
core::Notice make_digest(const NoticeSource& source, const core::Receiver& receiver,
                         const std::vector<core::Alert>& firing,
                         const std::vector<core::Alert>& resolved, core::Time now);

// When the newest digest was due: the last of its times that is not after `now`.
core::Time digest_slot(const core::Receiver& receiver, core::Time now);
// From one of its times to the next: a day or a week.
core::Seconds digest_span(const core::Receiver& receiver);

inline constexpr const char* kDigestKey = "digest";

// What test-notify sends: an alert that was never raised.
core::Notice sample_notice(const core::Receiver& receiver, const std::string& external_url,
                           core::Time now);

}  // namespace usaged::app
