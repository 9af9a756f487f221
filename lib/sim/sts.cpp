#include "sim/sts.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "core/error.h"
#include "core/text.h"
#include "sim/query_api.h"

namespace usaged::sim {
namespace {

constexpr const char* kStsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/";

Refusal invalid(const std::string& member, const std::string& text, const std::string& constraint) {
  return {400, "ValidationError",
          fmt::format("1 validation error detected: Value '{}' at '{}' failed to satisfy "
                      "constraint: {}",
                      text, member, constraint)};
}

Reply xml(const std::string& action, const std::string& result) {
  return query_reply(action, kStsNamespace, result);
}

}  // namespace

bool Sts::is_signed(const Request& request) {
  return value(form_of(request), "Action") != "AssumeRoleWithWebIdentity";
}

std::string Sts::role_account(const Request& request) {
  const auto parts = core::split(value(form_of(request), "RoleArn"), ':');
  return parts.size() == 6 ? parts[4] : "";
}

Reply Sts::session(const std::string& action, const Request& request, core::Time now) const {
  const auto form = form_of(request);
  const std::string arn = value(form, "RoleArn");
  const std::string name = value(form, "RoleSessionName");
  const auto parts = core::split(arn, ':');
  if (parts.size() != 6 || parts[2] != "iam" || !parts[5].starts_with("role/")) {
    throw Refusal{400, "ValidationError", fmt::format("{} is invalid", arn)};
  }
  const bool good_name =
      name.size() >= 2 && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("_+=,.@-").find(c) != std::string_view::npos;
      });
  if (!good_name) {
    throw invalid("roleSessionName", name,
                  "Member must satisfy regular expression pattern: [\\w+=,.@-]*");
  }
  int seconds = 3600;
  if (const std::string text = value(form, "DurationSeconds"); !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size() || seconds < 900 ||
        seconds > 43200) {
      throw invalid("durationSeconds", text, "Member must have value from 900 to 43200");
    }
  }
  const std::string& account = parts[4];
  const auto index = organization_.find(account);
  const bool known = account == kAdministrator || (index && organization_.is_member(*index, now));
  const std::string wanted = options_.external_id;
  if (!known ||
      (action == "AssumeRole" && !wanted.empty() && value(form, "ExternalId") != wanted)) {
    throw Refusal{403, "AccessDenied",
                  fmt::format("User: arn:aws:iam::{}:user/simulator is not authorized to perform: "
                              "sts:{} on resource: {}",
                              kAdministrator, action, arn)};
  }
  const std::string assumed = fmt::format("arn:{}:sts::{}:assumed-role/{}/{}", parts[1], account,
                                          parts[5].substr(parts[5].rfind('/') + 1), name);
  const SessionKeys session = identities_.issue(account, assumed, now + core::Seconds{seconds});
  return xml(action, fmt::format("    <AssumedRoleUser>\n      <AssumedRoleId>AROASIMULATOR:{}"
                                 "</AssumedRoleId>\n      <Arn>{}</Arn>\n    </AssumedRoleUser>\n"
                                 "    <Credentials>\n      <AccessKeyId>{}</AccessKeyId>\n"
                                 "      <SecretAccessKey>{}</SecretAccessKey>\n"
                                 "      <SessionToken>{}</SessionToken>\n"
                                 "      <Expiration>{}</Expiration>\n    </Credentials>\n",
                                 xml_escape(name), xml_escape(assumed), session.keys.access_key_id,
                                 session.keys.secret_access_key, session.keys.session_token,
                                 core::format_time(session.expires)));
}

Reply Sts::answer(const Caller& caller, const Request& request, core::Time now) const {
  const auto form = form_of(request);
  const std::string action = value(form, "Action");
  if (value(form, "Version") != "2011-06-15") {
    throw Refusal{400, "InvalidAction", "Could not find operation for this version"};
  }
  if (action == "GetCallerIdentity") {
    return xml(action, fmt::format("    <Arn>{}</Arn>\n    <UserId>AIDASIMULATOR</UserId>\n"
                                   "    <Account>{}</Account>\n",
                                   xml_escape(caller.arn), caller.account));
  }
  if (action == "AssumeRoleWithWebIdentity") {
    const std::string token = value(form, "WebIdentityToken");
    if (token == "expired") {
      throw Refusal{400, "ExpiredTokenException", "Token expired: current date/time is past it"};
    }
    if (token != options_.web_identity_token) {
      throw Refusal{400, "InvalidIdentityToken", "The ID Token provided is not a valid JWT."};
    }
    return session(action, request, now);
  }
  if (action == "AssumeRole") return session(action, request, now);
  throw Refusal{400, "InvalidAction", fmt::format("Could not find operation {}", action)};
}

}  // namespace usaged::sim
