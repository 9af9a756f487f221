#pragma once

#include <string>

#include "core/time.h"
#include "sim/identity.h"
#include "sim/message.h"

namespace usaged::sim {

// The role whose keys the simulated machine and container have; of the administrator's account.
inline constexpr const char* kMachineRole = "SimulatorRole";

// The simulated instance metadata service, version 2: /latest/api/token and the role's keys below
// /latest/meta-data/iam/security-credentials/. Throws a Refusal.
Reply answer_metadata(const Identities& identities, const Request& request, core::Time now);

// The simulated container's keys, as Amazon ECS and EKS give them; `token` is the Authorization
// that is wanted, empty: any. Throws a Refusal.
Reply answer_container(const Identities& identities, const std::string& token,
                       const Request& request, core::Time now);

}  // namespace usaged::sim
