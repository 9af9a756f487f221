#pragma once

#include <string>

#include "core/time.h"
#include "sim/identity.h"
#include "sim/message.h"
#include "sim/organization.h"

namespace usaged::sim {

// The simulated AWS Organizations: ListAccounts, for the administrator. Throws a Refusal.
Reply list_accounts(const Organization& organization, const Caller& caller, const Request& request,
                    core::Time now);

}  // namespace usaged::sim
