#include "sim/metadata.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace usaged::sim {
namespace {

using json = nlohmann::ordered_json;

constexpr const char* kToken = "simulated-metadata-token";
constexpr const char* kCredentials = "/latest/meta-data/iam/security-credentials/";
constexpr core::Seconds kLife{6 * 3600};

std::string keys_json(const Identities& identities, const char* session, core::Time now) {
  const SessionKeys issued = identities.issue(
      kAdministrator,
      fmt::format("arn:aws:sts::{}:assumed-role/{}/{}", kAdministrator, kMachineRole, session),
      now + kLife);
  return json{{"Code", "Success"},
              {"LastUpdated", core::format_time(now)},
              {"Type", "AWS-HMAC"},
              {"AccessKeyId", issued.keys.access_key_id},
              {"SecretAccessKey", issued.keys.secret_access_key},
              {"Token", issued.keys.session_token},
              {"Expiration", core::format_time(issued.expires)}}
      .dump(2);
}

}  // namespace

Reply answer_metadata(const Identities& identities, const Request& request, core::Time now) {
  if (request.path == "/latest/api/token") {
    if (request.method != "PUT") throw Refusal{405, "Method Not Allowed", ""};
    if (!request.header("X-Forwarded-For").empty()) throw Refusal{403, "Forbidden", ""};
    const std::string text = request.header("X-aws-ec2-metadata-token-ttl-seconds");
    int seconds = 0;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (seconds < 1 || seconds > 21600) throw Refusal{400, "Bad Request", ""};
    return {kToken, "text/plain"};
  }
  if (request.header("X-aws-ec2-metadata-token") != kToken) throw Refusal{401, "Unauthorized", ""};
  if (request.path == kCredentials) return {kMachineRole, "text/plain"};
  if (request.path == std::string(kCredentials) + kMachineRole) {
    return {keys_json(identities, "i-0simulated", now), "text/plain"};
  }
  throw Refusal{404, "Not Found", ""};
}

Reply answer_container(const Identities& identities, const std::string& token,
                       const Request& request, core::Time now) {
  if (!token.empty() && request.header("Authorization") != token) {
    throw Refusal{401, "AuthFailed", "The Authorization header is missing or wrong"};
  }
  return {keys_json(identities, "container", now)};
}

}  // namespace usaged::sim
