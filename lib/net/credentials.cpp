#include "net/credentials.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.h"
#include "core/region.h"
#include "core/text.h"
#include "net/command.h"
#include "net/json.h"
#include "net/profiles.h"
#include "net/sts.h"

namespace usaged::net {
namespace {

using core::Error;
using core::ErrorCode;
using core::Outcome;
using std::chrono::milliseconds;

constexpr milliseconds kMetadataTimeout{1000};
constexpr milliseconds kContainerTimeout{2000};
constexpr int kContainerAttempts = 3;
constexpr std::size_t kMostReply = 64U << 10U;
constexpr const char* kMetadataHost = "http://169.254.169.254";
constexpr const char* kMetadataHost6 = "http://[fd00:ec2::254]";
constexpr const char* kMetadataTokenSeconds = "21600";
// How long keys of the metadata service are used beyond their end while it has no newer ones.
constexpr core::Seconds kStale{15 * 60};

// Keys as container, metadata service and credential_process write them. `token` is the name of the
// session token there.
FoundCredentials parse_keys(const std::string& where, const std::string& text, const char* token) {
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_object()) throw Error(ErrorCode::kConfig, "{}: the answer is not JSON", where);
  const std::string code = text_member(parsed, "Code");
  if (!code.empty() && code != "Success") {
    throw Error(ErrorCode::kConfig, "{}: {}: {}", where, one_line(code),
                one_line(text_member(parsed, "Message")));
  }
  FoundCredentials found;
  found.provider = where;
  found.keys = {text_member(parsed, "AccessKeyId"), text_member(parsed, "SecretAccessKey"),
                text_member(parsed, token)};
  if (found.keys.access_key_id.empty() || found.keys.secret_access_key.empty()) {
    throw Error(ErrorCode::kConfig, "{}: the answer lacks {}", where,
                found.keys.access_key_id.empty() ? "AccessKeyId" : "SecretAccessKey");
  }
  if (const std::string expires = text_member(parsed, "Expiration"); !expires.empty()) {
    try {
      found.expires = core::parse_time(expires, core::Time{});
    } catch (const Error& e) {
      throw Error(ErrorCode::kConfig, "{}: Expiration: {}", where, e.what());
    }
  }
  return found;
}

// Keys of one of the two files, if they are there. Half a pair is an error.
std::optional<sigv4::Credentials> keys_of(const ProfileSettings& settings,
                                          const std::string& where) {
  const auto text = [&settings](const char* key) {
    const auto found = settings.find(key);
    return found == settings.end() ? "" : found->second;
  };
  sigv4::Credentials keys{text("aws_access_key_id"), text("aws_secret_access_key"),
                          text("aws_session_token")};
  if (keys.access_key_id.empty() != keys.secret_access_key.empty()) {
    throw Error(ErrorCode::kConfig, "{}: {} is set without the other half of the pair", where,
                keys.access_key_id.empty() ? "aws_secret_access_key" : "aws_access_key_id");
  }
  if (keys.access_key_id.empty()) return std::nullopt;
  return keys;
}

std::optional<sigv4::Credentials> environment_keys(const Environment& environment) {
  sigv4::Credentials keys{environment("AWS_ACCESS_KEY_ID").value_or(""),
                          environment("AWS_SECRET_ACCESS_KEY").value_or(""),
                          environment("AWS_SESSION_TOKEN").value_or("")};
  if (keys.access_key_id.empty() != keys.secret_access_key.empty()) {
    throw Error(ErrorCode::kConfig, "environment: {} is set without {}",
                keys.access_key_id.empty() ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID",
                keys.access_key_id.empty() ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
  }
  if (keys.access_key_id.empty()) return std::nullopt;
  return keys;
}

// A request that a provider answers from the machine or its link.
HttpRequest local_request(const std::string& url, milliseconds timeout) {
  HttpRequest request;
  request.url = url;
  request.timeout = timeout;
  request.most_reply_bytes = kMostReply;
  request.direct = true;
  return request;
}

[[noreturn]] void fail(const std::string& where, const HttpReply& reply) {
  if (reply.failure) {
    const Outcome outcome = *reply.failure == TransportFailure::kTimeout   ? Outcome::kTimeout
                            : *reply.failure == TransportFailure::kStopped ? Outcome::kInterrupted
                                                                           : Outcome::kNetwork;
    throw AwsError(outcome, fmt::format("{}: {}", where, reply.failure_text));
  }
  const nlohmann::json body = nlohmann::json::parse(reply.body, nullptr, false);
  const std::string message =
      body.is_object() ? one_line(text_member(body, "code") + " " + text_member(body, "message"))
                       : "";
  throw AwsError(
      reply.status >= 500 ? Outcome::kServer : Outcome::kDenied,
      fmt::format("{}: HTTP {}{}{}", where, reply.status, message.empty() ? "" : ": ", message));
}

class Chain {
 public:
  explicit Chain(const CredentialWorld& world)
      : world_(world), profiles_(read_profiles(world.environment)) {}

  FoundCredentials find(const std::string& named) {
    if (named.empty()) {
      if (const auto keys = environment_keys(world_.environment)) {
        return {*keys, std::nullopt, "environment (AWS_ACCESS_KEY_ID)"};
      }
    }
    const auto from_environment = world_.environment("AWS_PROFILE");
    const std::string name = !named.empty() ? named : from_environment.value_or("default");
    const Profile* profile = profiles_.find(name);
    if (profile == nullptr && (!named.empty() || from_environment)) {
      throw Error(ErrorCode::kConfig, "no AWS credentials: there is no profile '{}'{} in {} or {}",
                  name, named.empty() ? " (AWS_PROFILE)" : "", shown(profiles_.credentials_path),
                  shown(profiles_.config_path));
    }
    if (profile != nullptr && !profile->get("role_arn").empty()) return of_role(name, *profile);
    if (named.empty()) {
      if (auto found = environment_web_identity()) return *found;
    }
    if (profile != nullptr) {
      if (auto found = of_files(name, *profile)) return *found;
      refuse_sso(name, *profile);
    }
    if (auto found = of_container()) return *found;
    std::string reason;
    if (auto found = of_machine(reason)) return *found;
    throw Error(
        ErrorCode::kConfig, "no AWS credentials: {}profile '{}' {}; {}; {}",
        named.empty() ? "AWS_ACCESS_KEY_ID and AWS_WEB_IDENTITY_TOKEN_FILE are not set; " : "",
        name,
        profile == nullptr ? fmt::format("is not in {} or {}", shown(profiles_.credentials_path),
                                         shown(profiles_.config_path))
                           : "has no keys, role or credential_process",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set", reason);
  }

  std::string region(const std::string& named) const {
    const std::string name =
        !named.empty() ? named : world_.environment("AWS_PROFILE").value_or("default");
    const Profile* profile = profiles_.find(name);
    return region_of(profile == nullptr ? Profile{} : *profile);
  }

 private:
  static std::string shown(const std::string& path) {
    return path.empty() ? "(no file: HOME is not set)" : path;
  }

  std::string region_of(const Profile& profile) const {
    const std::string& fallback = world_.sts_region;
    for (const std::string& region :
         {profile.get("region"), world_.environment("AWS_REGION").value_or(""),
          world_.environment("AWS_DEFAULT_REGION").value_or("")}) {
      if (core::is_region_shaped(region) &&
          core::partition_of(region) == core::partition_of(fallback)) {
        return region;
      }
    }
    return fallback;
  }

  // Keys in the files, or from the command that they name.
  std::optional<FoundCredentials> of_files(const std::string& name, const Profile& profile) const {
    const std::string in_credentials =
        fmt::format("profile '{}' of {}", name, profiles_.credentials_path);
    const std::string in_config = fmt::format("profile '{}' of {}", name, profiles_.config_path);
    if (const auto keys = keys_of(profile.credentials_file, in_credentials)) {
      return FoundCredentials{*keys, std::nullopt, in_credentials};
    }
    if (const std::string command = profile.get("credential_process"); !command.empty()) {
      return of_process(fmt::format("credential_process of profile '{}'", name), command);
    }
    if (const auto keys = keys_of(profile.config_file, in_config)) {
      return FoundCredentials{*keys, std::nullopt, in_config};
    }
    return std::nullopt;
  }

  FoundCredentials of_process(const std::string& where, const std::string& command) const {
    std::string output;
    try {
      output = run_command(command, {.stop = world_.stop});
    } catch (const Error& e) {
      throw Error(ErrorCode::kConfig, "{}: the command {}", where, e.what());
    }
    const nlohmann::json parsed = nlohmann::json::parse(output, nullptr, false);
    if (parsed.is_object() && (!parsed.contains("Version") || parsed["Version"] != 1)) {
      throw Error(ErrorCode::kConfig, "{}: the answer's Version must be 1", where);
    }
    FoundCredentials found = parse_keys(where, output, "SessionToken");
    if (found.expires && *found.expires <= world_.now()) {
      throw Error(ErrorCode::kConfig, "{}: it gave keys that expired at {}", where,
                  core::format_time(*found.expires));
    }
    return found;
  }

  // SSO takes a person with a browser.
  static void refuse_sso(const std::string& name, const Profile& profile) {
    for (const char* key : {"sso_session", "sso_start_url", "login_session"}) {
      if (profile.get(key).empty()) continue;
      throw Error(ErrorCode::kConfig,
                  "profile '{}' signs in by {}, which takes a person; give a daemon a role, or "
                  "credential_process = aws configure export-credentials --profile {}",
                  name, key, name);
    }
  }

  FoundCredentials of_role(const std::string& name, const Profile& profile) {
    std::vector<std::string> way{name};
    return of_role(name, profile, way);
  }

  // `way` is how we came here, to see a loop.
  FoundCredentials of_role(const std::string& name, const Profile& profile,
                           std::vector<std::string>& way) {
    RoleRequest request;
    request.role_arn = profile.get("role_arn");
    request.external_id = profile.get("external_id");
    request.session_name = profile.get("role_session_name");
    if (request.session_name.empty()) request.session_name = core::Identity{}.session_name;
    const std::string where = fmt::format("profile '{}'", name);
    if (const std::string text = profile.get("duration_seconds"); !text.empty()) {
      request.duration = core::parse_duration(text + "s");
    }
    if (!profile.get("mfa_serial").empty()) {
      throw Error(ErrorCode::kConfig,
                  "{}: mfa_serial asks for a code, which a daemon can't give; use a role without",
                  where);
    }
    const std::string source = profile.get("source_profile");
    const std::string credential_source = profile.get("credential_source");
    const std::string token_file = profile.get("web_identity_token_file");
    if ((source.empty() ? 0 : 1) + (credential_source.empty() ? 0 : 1) +
            (token_file.empty() ? 0 : 1) !=
        1) {
      throw Error(
          ErrorCode::kConfig,
          "{}: role_arn needs one of source_profile, credential_source and "
          "web_identity_token_file{}",
          where,
          source.empty() && credential_source.empty() && token_file.empty() ? "" : ", not two");
    }
    const std::string region = region_of(profile);
    if (!token_file.empty()) return of_web_identity(where, request, token_file, region);
    const FoundCredentials base =
        source.empty() ? of_source(where, credential_source) : of_source_profile(name, source, way);
    return of_base(base, request, where, region);
  }

  FoundCredentials of_base(const FoundCredentials& base, const RoleRequest& request,
                           const std::string& where, const std::string& region) const {
    try {
      AwsClient sts = world_.sts(region, [&base](const sigv4::Credentials*) { return base.keys; });
      CallStats stats;
      const TemporaryCredentials given = assume_role(sts, request, stats);
      return {given.keys, given.expires,
              fmt::format("role {} of {}, by {}", request.role_arn, where, base.provider)};
    } catch (const AwsError& e) {
      throw AwsError(e.outcome(),
                     fmt::format("{}: role {} can't be assumed with the keys of {}: {}", where,
                                 request.role_arn, base.provider, e.what()));
    }
  }

  FoundCredentials of_source_profile(const std::string& name, const std::string& source,
                                     std::vector<std::string>& way) {
    const Profile* profile = profiles_.find(source);
    if (profile == nullptr) {
      throw Error(ErrorCode::kConfig, "profile '{}': its source_profile '{}' is not in {} or {}",
                  name, source, shown(profiles_.credentials_path), shown(profiles_.config_path));
    }
    // A profile may be its own source, for the keys that it has beside its role.
    const bool known = std::ranges::find(way, source) != way.end();
    if (source != name && known) {
      way.push_back(source);
      throw Error(ErrorCode::kConfig, "profile '{}': source_profile goes round in circles: {}",
                  way.front(), core::join(way, " -> "));
    }
    if (source != name && !profile->get("role_arn").empty()) {
      way.push_back(source);
      return of_role(source, *profile, way);
    }
    if (auto found = of_files(source, *profile)) return *found;
    throw Error(ErrorCode::kConfig, "profile '{}': its source_profile '{}' has no keys{}", name,
                source, source == name ? " beside the role" : "");
  }

  FoundCredentials of_source(const std::string& where, const std::string& source) const {
    if (source == "Environment") {
      if (const auto keys = environment_keys(world_.environment)) {
        return {*keys, std::nullopt, "environment (AWS_ACCESS_KEY_ID)"};
      }
      throw Error(ErrorCode::kConfig,
                  "{}: credential_source = Environment, but AWS_ACCESS_KEY_ID is not set", where);
    }
    if (source == "EcsContainer") {
      if (auto found = of_container()) return *found;
      throw Error(ErrorCode::kConfig,
                  "{}: credential_source = EcsContainer, but neither "
                  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor _FULL_URI is set",
                  where);
    }
    if (source == "Ec2InstanceMetadata") {
      std::string reason;
      if (auto found = of_machine(reason)) return *found;
      throw Error(ErrorCode::kConfig, "{}: credential_source = Ec2InstanceMetadata, but {}", where,
                  reason);
    }
    throw Error(ErrorCode::kConfig,
                "{}: credential_source = {} is not allowed; allowed: Environment, "
                "Ec2InstanceMetadata, EcsContainer",
                where, source);
  }

  std::optional<FoundCredentials> environment_web_identity() const {
    const auto file = world_.environment("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!file) return std::nullopt;
    const auto role = world_.environment("AWS_ROLE_ARN");
    const std::string where = "web identity (AWS_WEB_IDENTITY_TOKEN_FILE)";
    if (!role) throw Error(ErrorCode::kConfig, "{}: AWS_ROLE_ARN is not set", where);
    RoleRequest request;
    request.role_arn = *role;
    request.session_name =
        world_.environment("AWS_ROLE_SESSION_NAME").value_or(core::Identity{}.session_name);
    return of_web_identity(where, request, *file, region_of({}));
  }

  FoundCredentials of_web_identity(const std::string& where, const RoleRequest& request,
                                   const std::string& file, const std::string& region) const {
    std::string token;
    try {
      token = core::trim(core::read_file(file, kMostReply));
    } catch (const Error& e) {
      throw Error(ErrorCode::kConfig, "{}: the token: {}", where, e.what());
    }
    if (token.empty()) throw Error(ErrorCode::kConfig, "{}: {} is empty", where, file);
    try {
      AwsClient sts = world_.sts(region, nullptr);
      CallStats stats;
      const TemporaryCredentials given = assume_role_with_web_identity(sts, request, token, stats);
      return {given.keys, given.expires, fmt::format("role {} by {}", request.role_arn, where)};
    } catch (const AwsError& e) {
      throw AwsError(e.outcome(), fmt::format("{}: role {} can't be assumed: {}", where,
                                              request.role_arn, e.what()));
    }
  }

  // Amazon ECS, and EKS's Pod Identity.
  std::optional<FoundCredentials> of_container() const {
    const auto relative = world_.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const auto full = world_.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative && !full) return std::nullopt;
    const std::string where =
        fmt::format("container (AWS_CONTAINER_CREDENTIALS_{}_URI)", relative ? "RELATIVE" : "FULL");
    HttpRequest request =
        local_request(relative ? world_.container_host + *relative : *full, kContainerTimeout);
    if (relative && !relative->starts_with('/')) {
      throw Error(ErrorCode::kConfig, "{}: must begin with /", where);
    }
    if (!relative) {
      try {
        check_container_url(*full);
      } catch (const Error& e) {
        throw Error(ErrorCode::kConfig, "{}: {}", where, e.what());
      }
    }
    request.headers = {{"Accept", "application/json"}};
    if (const std::string token = container_token(where); !token.empty()) {
      request.headers.emplace_back("Authorization", token);
    }
    HttpReply reply;
    for (int attempt = 0; attempt < kContainerAttempts; ++attempt) {
      reply = world_.http->send(request);
      if (!reply.failure && reply.status < 500) break;
      if (reply.failure == TransportFailure::kStopped) break;
    }
    if (reply.failure || reply.status != 200) fail(where, reply);
    return parse_keys(where, reply.body, "Token");
  }

  std::string container_token(const std::string& where) const {
    std::string token;
    std::string from = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
    if (const auto file = world_.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
      from = *file;
      try {
        token = core::read_file(*file, kMostReply);
      } catch (const Error& e) {
        throw Error(ErrorCode::kConfig, "{}: the token: {}", where, e.what());
      }
    } else {
      token = world_.environment(from).value_or("");
    }
    if (token.find_first_of("\r\n") != std::string::npos) {
      throw Error(ErrorCode::kConfig, "{}: the token of {} has a line break in it", where, from);
    }
    return token;
  }

  // The instance metadata service, version 2. nullopt with a reason if it has no role for us.
  std::optional<FoundCredentials> of_machine(std::string& reason) const {
    if (environment_flag(world_.environment, "AWS_EC2_METADATA_DISABLED", false)) {
      reason = "the instance metadata service is switched off (AWS_EC2_METADATA_DISABLED)";
      return std::nullopt;
    }
    const bool version6 =
        core::lower(world_.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").value_or("")) ==
        "ipv6";
    std::string host = world_.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT")
                           .value_or(version6 ? kMetadataHost6 : kMetadataHost);
    while (host.ends_with('/')) host.pop_back();
    HttpRequest put = local_request(host + "/latest/api/token", kMetadataTimeout);
    put.method = "PUT";
    put.headers = {{"x-aws-ec2-metadata-token-ttl-seconds", kMetadataTokenSeconds}};
    const HttpReply token = world_.http->send(put);
    if (token.failure == TransportFailure::kStopped) fail("instance metadata", token);
    if (token.failure) {
      reason =
          fmt::format("the instance metadata service does not answer ({})", token.failure_text);
      return std::nullopt;
    }
    const std::string where = fmt::format("instance metadata ({})", host);
    if (token.status != 200 || token.body.empty() ||
        token.body.find_first_of("\r\n") != std::string::npos) {
      fail(where + ": no session token (IMDSv2)", token);
    }
    const std::string path = "/latest/meta-data/iam/security-credentials/";
    const auto get = [&](const std::string& url) {
      HttpRequest request = local_request(url, kMetadataTimeout);
      request.headers = {{"x-aws-ec2-metadata-token", token.body}};
      return world_.http->send(request);
    };
    const HttpReply roles = get(host + path);
    if (!roles.failure && roles.status == 404) {
      reason = "this machine has no role (instance profile)";
      return std::nullopt;
    }
    if (roles.failure || roles.status != 200) fail(where, roles);
    const std::string role(core::trim(roles.body.substr(0, roles.body.find('\n'))));
    if (role.empty()) {
      reason = "this machine has no role (instance profile)";
      return std::nullopt;
    }
    const HttpReply keys = get(host + path + core::percent_encode(role, "+=,@"));
    if (keys.failure || keys.status != 200) fail(where, keys);
    FoundCredentials found =
        parse_keys(fmt::format("{}, role {}", where, one_line(role)), keys.body, "Token");
    if (found.expires && *found.expires <= world_.now()) found.expires = world_.now() + kStale;
    return found;
  }

  const CredentialWorld& world_;
  Profiles profiles_;
};

// The host of a URL that check_url() has accepted, without brackets.
std::string host_of(const std::string& url) {
  const std::string rest = url.substr(url.find("//") + 2);
  const std::string authority = rest.substr(0, rest.find_first_of("/?"));
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  return core::lower(authority.substr(0, authority.find(':')));
}

bool is_local(const std::string& host) {
  if (host == "localhost") return true;
  in_addr four{};
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) {
    const std::uint32_t address = ntohl(four.s_addr);
    return address >> 24U == 127 || address == 0xa9feaa02U || address == 0xa9feaa17U;
  }
  in6_addr six{};
  if (inet_pton(AF_INET6, host.c_str(), &six) != 1) return false;
  in6_addr eks{};
  inet_pton(AF_INET6, "fd00:ec2::23", &eks);
  const auto same = [&six](const in6_addr& other) {
    return std::ranges::equal(six.s6_addr, other.s6_addr);
  };
  return same(in6addr_loopback) || same(eks);
}

}  // namespace

FoundCredentials find_credentials(const std::string& profile, const CredentialWorld& world) {
  return Chain(world).find(profile);
}

std::string sts_region(const std::string& profile, const CredentialWorld& world) {
  return Chain(world).region(profile);
}

void check_container_url(const std::string& url) {
  core::check_url(url);
  if (url.starts_with("https://") || is_local(host_of(url))) return;
  throw Error(ErrorCode::kConfig,
              "{} may not be asked by http; allowed are https, this machine, 169.254.170.2, "
              "169.254.170.23 and fd00:ec2::23",
              host_of(url));
}

}  // namespace usaged::net
