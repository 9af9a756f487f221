#include "sim/identity.h"

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/text.h"

namespace usaged::sim {
namespace {

constexpr core::Seconds kClockTolerance{300};

// The parts of an Authorization header.
struct Authorization {
  std::string access_key;
  std::string date;
  std::string region;
  std::string service;
  std::string signed_headers;
  std::string signature;
};

Authorization parse_authorization(const std::string& header) {
  constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
  const auto incomplete = [](const std::string& why) {
    return Refusal{403, "IncompleteSignatureException", why};
  };
  if (header.empty()) {
    throw Refusal{403, "MissingAuthenticationTokenException", "Missing Authentication Token"};
  }
  if (!header.starts_with(kAlgorithm)) {
    throw incomplete("Authorization header requires the algorithm AWS4-HMAC-SHA256.");
  }
  Authorization result;
  for (const std::string& part : core::split(header.substr(kAlgorithm.size()), ',')) {
    const std::string_view text = core::trim(part);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    const std::string value(text.substr(equals + 1));
    if (name == "Credential") {
      const auto pieces = core::split(value, '/');
      if (pieces.size() != 5 || pieces[4] != "aws4_request") {
        throw incomplete("Credential must have the form KEY/DATE/REGION/SERVICE/aws4_request.");
      }
      result.access_key = pieces[0];
      result.date = pieces[1];
      result.region = pieces[2];
      result.service = pieces[3];
    } else if (name == "SignedHeaders") {
      result.signed_headers = value;
    } else if (name == "Signature") {
      result.signature = value;
    }
  }
  if (result.access_key.empty()) throw incomplete("Authorization header requires 'Credential'.");
  if (result.signed_headers.empty()) {
    throw incomplete("Authorization header requires 'SignedHeaders'.");
  }
  if (result.signature.empty()) throw incomplete("Authorization header requires 'Signature'.");
  return result;
}

// "20260301T120000Z"
std::optional<core::Time> parse_basic(const std::string& text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  try {
    return core::parse_time(
        fmt::format("{}-{}-{}T{}:{}:{}Z", text.substr(0, 4), text.substr(4, 2), text.substr(6, 2),
                    text.substr(9, 2), text.substr(11, 2), text.substr(13, 2)),
        core::Time{});
  } catch (const core::Error&) {
    return std::nullopt;
  }
}

}  // namespace

SessionKeys Identities::issue(const std::string& account, const std::string& arn,
                              core::Time expires) const {
  const std::string content = fmt::format("{}\n{}\n{}", account, arn, core::unix_seconds(expires));
  const std::string seal = core::hex(core::hmac_sha256(secret_, content));
  std::string id = core::hex(core::sha256(seal)).substr(0, 16);
  std::ranges::transform(id, id.begin(),
                         [](char c) { return c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c; });
  return {{"ASIA" + id, core::hex(core::hmac_sha256(secret_, seal)).substr(0, 40),
           core::base64(content + "\n" + seal)},
          expires};
}

std::string Identities::look_up(const std::string& access_key, const std::string& token,
                                core::Time now, Caller& caller) const {
  if (access_key == long_term_.access_key_id && token == long_term_.session_token) {
    caller.account = kAdministrator;
    caller.arn = fmt::format("arn:aws:iam::{}:user/simulator", kAdministrator);
    return long_term_.secret_access_key;
  }
  const Refusal unknown{403, "UnrecognizedClientException",
                        "The security token included in the request is invalid."};
  try {
    const auto parts = core::split(core::base64_decode(token), '\n');
    if (parts.size() != 4) throw unknown;
    const core::Time expires = core::from_unix(std::stoll(parts[2]));
    const SessionKeys session = issue(parts[0], parts[1], expires);
    if (!core::equal_constant_time(session.keys.session_token, token) ||
        session.keys.access_key_id != access_key) {
      throw unknown;
    }
    if (expires <= now) {
      throw Refusal{403, "ExpiredTokenException",
                    "The security token included in the request is expired"};
    }
    caller.account = parts[0];
    caller.arn = parts[1];
    return session.keys.secret_access_key;
  } catch (const std::exception&) {
    throw unknown;
  }
}

Caller Identities::authenticate(const Request& request, const std::vector<std::string>& services,
                                const std::vector<std::string>& regions, core::Time now) const {
  const Authorization given = parse_authorization(request.header("Authorization"));
  const auto invalid = [](const std::string& why) {
    return Refusal{403, "InvalidSignatureException", why};
  };
  const auto signed_names = core::split(given.signed_headers, ';');
  const auto is_signed = [&signed_names](const char* name) {
    return std::ranges::find(signed_names, name) != signed_names.end();
  };
  const std::string date = request.header("X-Amz-Date");
  const auto time = parse_basic(date);
  if (!time) {
    throw Refusal{403, "IncompleteSignatureException",
                  "Authorization header requires existence of an 'X-Amz-Date' header."};
  }
  if (!is_signed("host") || !is_signed("x-amz-date")) {
    throw invalid("'Host' and 'X-Amz-Date' must be a 'SignedHeader' in the Authorization header.");
  }
  if (*time < now - kClockTolerance) {
    throw invalid(fmt::format("Signature expired: {} is now earlier than {} ({} - 5 min.)", date,
                              core::format_basic(now - kClockTolerance), core::format_basic(now)));
  }
  if (*time > now + kClockTolerance) {
    throw invalid(fmt::format("Signature not yet current: {} is still later than {} ({} + 5 min.)",
                              date, core::format_basic(now + kClockTolerance),
                              core::format_basic(now)));
  }
  if (given.date != date.substr(0, 8)) {
    throw invalid(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP");
  }
  if (std::ranges::find(services, given.service) == services.end()) {
    throw invalid(fmt::format("Credential should be scoped to correct service: '{}'.",
                              core::join(services, "', '")));
  }
  if (!regions.empty() && std::ranges::find(regions, given.region) == regions.end()) {
    throw invalid(fmt::format("Credential should be scoped to a valid region: {}.",
                              core::join(regions, ", ")));
  }
  Caller caller;
  caller.region = given.region;
  caller.service = given.service;
  const std::string token = request.header("X-Amz-Security-Token");
  const std::string secret = look_up(given.access_key, token, now, caller);
  if (!token.empty() && !is_signed("x-amz-security-token")) {
    throw invalid("'X-Amz-Security-Token' must be a 'SignedHeader' in the Authorization header.");
  }
  const net::sigv4::Scope scope{*time, given.region, given.service};
  const std::string expected = net::sigv4::signature(
      scope, secret,
      net::sigv4::string_to_sign(
          scope, net::sigv4::canonical_request(
                     {request.method, request.path, request.query, request.headers, request.body},
                     given.signed_headers)));
  if (!core::equal_constant_time(expected, given.signature)) {
    throw invalid(
        "The request signature we calculated does not match the signature you provided. Check your "
        "AWS Secret Access Key and signing method. Consult the service documentation for details.");
  }
  return caller;
}

}  // namespace usaged::sim
