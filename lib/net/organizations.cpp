#include "net/organizations.h"

#include <set>

#include "core/text.h"
#include "core/usage.h"
#include "net/json.h"

namespace usaged::net {

using core::Outcome;

std::vector<OrganizationMember> list_accounts(AwsClient& client, CallStats& stats) {
  std::vector<OrganizationMember> members;
  std::set<std::string> tokens;
  nlohmann::json request = nlohmann::json::object();
  while (true) {
    const std::string body =
        client.call({"/",
                     {{"Content-Type", "application/x-amz-json-1.1"},
                      {"X-Amz-Target", "AWSOrganizationsV20161128.ListAccounts"}},
                     request.dump()},
                    stats);
    const auto malformed = [&](const std::string& what) {
      return AwsError(Outcome::kMalformed, fmt::format("ListAccounts: {} (request {}, page {})",
                                                       what, stats.request_id, stats.pages + 1));
    };
    const nlohmann::json page = nlohmann::json::parse(body, nullptr, false);
    if (!page.is_object()) throw malformed("the reply is not a JSON object");
    if (const auto accounts = page.find("Accounts");
        accounts != page.end() && accounts->is_array()) {
      for (const nlohmann::json& account : *accounts) {
        if (!account.is_object() || !core::is_account_id(text_member(account, "Id"))) {
          throw malformed("an item of `Accounts` has no account id");
        }
        // AWS is about to rename Status to State; both are there meanwhile.
        const std::string status = text_member(account, "Status");
        members.push_back({text_member(account, "Id"), one_line(text_member(account, "Name")),
                           status.empty() ? text_member(account, "State") : status});
      }
    }
    ++stats.pages;
    const std::string token = text_member(page, "NextToken");
    if (token.empty()) return members;
    if (!tokens.insert(token).second) throw malformed("the same NextToken came twice");
    request["NextToken"] = token;
  }
}

}  // namespace usaged::net
