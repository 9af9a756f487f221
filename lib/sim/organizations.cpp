#include "sim/organizations.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/text.h"

namespace usaged::sim {

using json = nlohmann::ordered_json;

Reply list_accounts(const Organization& organization, const Caller& caller, const Request& request,
                    core::Time now) {
  constexpr std::size_t kPage = 20;
  if (request.header("X-Amz-Target") != "AWSOrganizationsV20161128.ListAccounts") {
    throw Refusal{400, "UnknownOperationException", ""};
  }
  if (!caller.administrator()) {
    throw Refusal{400, "AccessDeniedException",
                  "You don't have permissions to access this resource."};
  }
  const json asked = json::parse(request.body, nullptr, false);
  std::size_t offset = 0;
  if (asked.is_object() && asked.contains("NextToken")) {
    try {
      offset = std::stoul(core::base64_decode(asked["NextToken"].get<std::string>()));
    } catch (const std::exception&) {
      throw Refusal{400, "InvalidInputException", "You provided an invalid NextToken."};
    }
  }
  const auto& ids = organization.account_ids();
  json accounts = json::array();
  for (; offset < ids.size() && accounts.size() < kPage; ++offset) {
    const std::string& id = ids[offset];
    const bool member = organization.is_member(static_cast<int>(offset), now);
    accounts.push_back({{"Arn", fmt::format("arn:aws:organizations::{}:account/o-simulated/{}",
                                            kAdministrator, id)},
                        {"Email", fmt::format("aws+{}@example.com", id)},
                        {"Id", id},
                        {"JoinedMethod", "CREATED"},
                        {"Name", fmt::format("account-{}", offset + 1)},
                        {"Status", member ? "ACTIVE" : "SUSPENDED"}});
  }
  json reply{{"Accounts", accounts}};
  if (offset < ids.size()) reply["NextToken"] = core::base64(std::to_string(offset));
  return {reply.dump(), "application/x-amz-json-1.1"};
}

}  // namespace usaged::sim
