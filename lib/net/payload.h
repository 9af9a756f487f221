#pragma once

#include <string>

#include "core/config.h"
#include "core/notice.h"

namespace usaged::net {

// A notice in the format of a kind of receiver, as it is kept until it is delivered; no secret is
// in it:
//
//   webhook       Alertmanager's webhook body, version 4
//   alertmanager  the array of POST /api/v2/alerts; firing ones have no endsAt: each time that it
//   is
//                 sent, that is kAlertmanagerHold later
//   slack         a message of an incoming webhook: text and blocks
//   teams         a message with an adaptive card
//   pagerduty     an event of Events API v2, without its routing_key; its dedup_key is the group's
//   email         {"subject", "text", "html"}
//   sns           {"subject", "message"}
std::string render(core::ReceiverKind kind, const core::Notice& notice);

// Alertmanager forgets an alert that is not sent again: every kAlertmanagerResend, and a resolved
// one for kAlertmanagerResolved.
inline constexpr core::Seconds kAlertmanagerResend{60};
inline constexpr core::Seconds kAlertmanagerHold{300};
inline constexpr core::Seconds kAlertmanagerResolved{300};

}  // namespace usaged::net
