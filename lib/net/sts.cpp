#include "net/sts.h"

#include <utility>
#include <vector>

#include "net/query_api.h"

namespace usaged::net {
namespace {

using Form = std::vector<std::pair<std::string, std::string>>;

QueryReply call(AwsClient& sts, const std::string& action, Form form, CallStats& stats) {
  return {sts, {"STS", "2011-06-15", action, std::move(form)}, stats};
}

TemporaryCredentials credentials_of(const QueryReply& reply) {
  TemporaryCredentials result;
  result.keys = {reply.text("Credentials/AccessKeyId"), reply.text("Credentials/SecretAccessKey"),
                 reply.text("Credentials/SessionToken")};
  const std::string expires = reply.text("Credentials/Expiration");
  try {
    result.expires = core::parse_time(expires, core::Time{});
  } catch (const core::Error& e) {
    throw AwsError(core::Outcome::kMalformed,
                   fmt::format("{}: Expiration: {}", reply.place(), e.what()));
  }
  return result;
}

std::string duration_text(const RoleRequest& request) {
  return request.duration.count() == 0 ? "" : std::to_string(request.duration.count());
}

}  // namespace

TemporaryCredentials assume_role(AwsClient& sts, const RoleRequest& request, CallStats& stats) {
  return credentials_of(call(sts, "AssumeRole",
                             {{"RoleArn", request.role_arn},
                              {"RoleSessionName", request.session_name},
                              {"ExternalId", request.external_id},
                              {"DurationSeconds", duration_text(request)}},
                             stats));
}

TemporaryCredentials assume_role_with_web_identity(AwsClient& sts, const RoleRequest& request,
                                                   const std::string& token, CallStats& stats) {
  return credentials_of(call(sts, "AssumeRoleWithWebIdentity",
                             {{"RoleArn", request.role_arn},
                              {"RoleSessionName", request.session_name},
                              {"WebIdentityToken", token},
                              {"DurationSeconds", duration_text(request)}},
                             stats));
}

CallerIdentity get_caller_identity(AwsClient& sts, CallStats& stats) {
  const QueryReply result = call(sts, "GetCallerIdentity", {}, stats);
  return {result.text("Account"), result.text("Arn")};
}

}  // namespace usaged::net
