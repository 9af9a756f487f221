#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/time.h"
#include "sim/faults.h"
#include "sim/identity.h"
#include "sim/message.h"
#include "sim/organization.h"

namespace usaged::sim {

// The simulated Amazon Inspector: ListUsageTotals and BatchGetFreeTrialInfo, as strict as AWS
// documents them. The administrator sees every account, another account itself.
class Inspector {
 public:
  // `secret` seals page tokens. `fixed_reply`: the answer of ListUsageTotals whatever is asked.
  Inspector(const Organization& organization, std::string secret,
            std::optional<std::string> fixed_reply)
      : organization_(organization),
        secret_(std::move(secret)),
        fixed_reply_(std::move(fixed_reply)) {}

  // Both throw a Refusal.
  Reply list_usage_totals(const Caller& caller, const Request& request,
                          const std::vector<Fault>& faults, core::Time now) const;
  Reply batch_get_free_trial_info(const Caller& caller, const Request& request,
                                  core::Time now) const;

 private:
  struct Question;

  bool sees(const Caller& caller, int account, core::Time now) const;
  std::string token_for(const Caller& caller, const Question& asked, std::size_t offset,
                        std::size_t skip) const;
  std::pair<std::size_t, std::size_t> start_of(const Caller& caller, const Question& asked) const;

  const Organization& organization_;
  std::string secret_;
  std::optional<std::string> fixed_reply_;
};

}  // namespace usaged::sim
