#include "net/sts.h"

#include <map>
#include <vector>

#include "core/text.h"
#include "net/xml.h"

namespace usaged::net {
namespace {

using core::Error;
using core::Outcome;
using Form = std::vector<std::pair<std::string, std::string>>;

// The texts within ActionResponse/ActionResult/.
class Result {
 public:
  Result(AwsClient& sts, const std::string& action, const Form& form, CallStats& stats)
      : prefix_(action + "Response/" + action + "Result/") {
    std::string body = "Action=" + action + "&Version=2011-06-15";
    for (const auto& [name, value] : form) {
      if (!value.empty()) body += "&" + name + "=" + core::percent_encode(value);
    }
    const std::string reply = sts.call(
        {"/", {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}}, body}, stats);
    place_ = fmt::format("{} of STS in {}", action, sts.endpoint().region);
    try {
      texts_ = xml_texts(reply);
    } catch (const Error& e) {
      throw AwsError(Outcome::kMalformed, fmt::format("{}: {}", place_, e.what()));
    }
  }

  std::string text(const std::string& path) const {
    const auto found = texts_.find(prefix_ + path);
    if (found == texts_.end() || found->second.empty()) {
      throw AwsError(Outcome::kMalformed, fmt::format("{}: the reply lacks {}", place_, path));
    }
    return found->second;
  }

  TemporaryCredentials credentials() const {
    TemporaryCredentials result;
    result.keys = {text("Credentials/AccessKeyId"), text("Credentials/SecretAccessKey"),
                   text("Credentials/SessionToken")};
    try {
      result.expires = core::parse_time(text("Credentials/Expiration"), core::Time{});
    } catch (const AwsError&) {
      throw;
    } catch (const Error& e) {
      throw AwsError(Outcome::kMalformed, fmt::format("{}: Expiration: {}", place_, e.what()));
    }
    return result;
  }

 private:
  std::string prefix_;
  std::string place_;
  std::map<std::string, std::string> texts_;
};

std::string duration_text(const RoleRequest& request) {
  return request.duration.count() == 0 ? "" : std::to_string(request.duration.count());
}

}  // namespace

TemporaryCredentials assume_role(AwsClient& sts, const RoleRequest& request, CallStats& stats) {
  return Result(sts, "AssumeRole",
                {{"RoleArn", request.role_arn},
                 {"RoleSessionName", request.session_name},
                 {"ExternalId", request.external_id},
                 {"DurationSeconds", duration_text(request)}},
                stats)
      .credentials();
}

TemporaryCredentials assume_role_with_web_identity(AwsClient& sts, const RoleRequest& request,
                                                   const std::string& token, CallStats& stats) {
  return Result(sts, "AssumeRoleWithWebIdentity",
                {{"RoleArn", request.role_arn},
                 {"RoleSessionName", request.session_name},
                 {"WebIdentityToken", token},
                 {"DurationSeconds", duration_text(request)}},
                stats)
      .credentials();
}

CallerIdentity get_caller_identity(AwsClient& sts, CallStats& stats) {
  const Result result(sts, "GetCallerIdentity", {}, stats);
  return {result.text("Account"), result.text("Arn")};
}

}  // namespace usaged::net
