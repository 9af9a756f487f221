#include "net/query_api.h"

#include "core/text.h"
#include "net/xml.h"

namespace usaged::net {

QueryReply::QueryReply(AwsClient& client, const QueryAction& action, CallStats& stats)
    : prefix_(action.name + "Response/" + action.name + "Result/") {
  std::string body = "Action=" + action.name + "&Version=" + action.version;
  for (const auto& [name, value] : action.form) {
    if (!value.empty()) body += "&" + name + "=" + core::percent_encode(value);
  }
  const std::string reply = client.call(
      {"/", {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}, body}, stats);
  place_ = fmt::format("{} of {} in {}", action.name, action.service, client.endpoint().region);
  try {
    texts_ = xml_texts(reply);
  } catch (const core::Error& e) {
    throw AwsError(core::Outcome::kMalformed, fmt::format("{}: {}", place_, e.what()));
  }
}

std::string QueryReply::text(const std::string& path) const {
  const auto found = texts_.find(prefix_ + path);
  if (found == texts_.end() || found->second.empty()) {
    throw AwsError(core::Outcome::kMalformed, fmt::format("{}: the reply lacks {}", place_, path));
  }
  return found->second;
}

}  // namespace usaged::net
