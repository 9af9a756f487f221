#include "net/sigv4.h"

#include <algorithm>
#include <array>
#include <map>

#include "core/error.h"
#include "core/text.h"

namespace usaged::net::sigv4 {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

constexpr std::array<std::string_view, 10> kUnsigned{
    "authorization", "connection", "expect",     "keep-alive",        "te",
    "trailer",       "upgrade",    "user-agent", "transfer-encoding", "x-amzn-trace-id"};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string percent_decode(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      result += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string canonical_path(std::string_view path) {
  std::vector<std::string> parts;
  for (const std::string& part : core::split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  std::string normal = "/" + core::join(parts, "/");
  if (normal.size() > 1 && path.ends_with('/')) normal += '/';
  return core::percent_encode(normal, "/");
}

std::string canonical_query(std::string_view query) {
  if (query.empty()) return "";
  std::vector<std::pair<std::string, std::string>> parameters;
  for (const std::string& parameter : core::split(query, '&')) {
    if (parameter.empty()) continue;
    const std::size_t equals = parameter.find('=');
    const std::string name = parameter.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : parameter.substr(equals + 1);
    parameters.emplace_back(core::percent_encode(percent_decode(name)),
                            core::percent_encode(percent_decode(value)));
  }
  std::ranges::sort(parameters);
  std::vector<std::string> parts;
  for (const auto& [name, value] : parameters) parts.push_back(name + "=" + value);
  return core::join(parts, "&");
}

// Runs of spaces become one, none at the ends.
std::string canonical_value(std::string_view value) {
  std::string result;
  for (const char c : core::trim(value)) {
    const char plain = c == '\t' || c == '\n' || c == '\r' ? ' ' : c;
    if (plain != ' ' || result.empty() || result.back() != ' ') result += plain;
  }
  return result;
}

// Name in lower case -> values in order, of the headers that are signed.
std::map<std::string, std::string> canonical_headers(const Headers& headers,
                                                     const std::string& headers_to_sign) {
  const std::vector<std::string> wanted = core::split(headers_to_sign, ';');
  std::map<std::string, std::string> result;
  for (const auto& [name, value] : headers) {
    const std::string key = core::lower(name);
    const bool chosen =
        headers_to_sign.empty() ? is_signed(key) : std::ranges::find(wanted, key) != wanted.end();
    if (!chosen) continue;
    const auto [place, fresh] = result.emplace(key, canonical_value(value));
    if (!fresh) place->second += "," + canonical_value(value);
  }
  return result;
}

}  // namespace

bool is_signed(std::string_view lower_name) {
  return std::ranges::find(kUnsigned, lower_name) == kUnsigned.end() &&
         !lower_name.starts_with("proxy-");
}

std::string signed_headers(const Headers& headers) {
  std::vector<std::string> names;
  for (const auto& [name, value] : canonical_headers(headers, "")) names.push_back(name);
  return core::join(names, ";");
}

std::string canonical_request(const Request& request, const std::string& headers_to_sign) {
  std::string text = request.method + "\n" + canonical_path(request.path) + "\n" +
                     canonical_query(request.query) + "\n";
  std::vector<std::string> names;
  for (const auto& [name, value] : canonical_headers(request.headers, headers_to_sign)) {
    text += name + ":" + value + "\n";
    names.push_back(name);
  }
  return text + "\n" + core::join(names, ";") + "\n" + core::hex(core::sha256(request.body));
}

std::string credential_scope(const Scope& scope) {
  return fmt::format("{}/{}/{}/aws4_request", core::format_basic(scope.time).substr(0, 8),
                     scope.region, scope.service);
}

std::string string_to_sign(const Scope& scope, const std::string& canonical_request) {
  return fmt::format("{}\n{}\n{}\n{}", kAlgorithm, core::format_basic(scope.time),
                     credential_scope(scope), core::hex(core::sha256(canonical_request)));
}

std::string signing_key(const Scope& scope, const std::string& secret_access_key) {
  const std::string date =
      core::hmac_sha256("AWS4" + secret_access_key, core::format_basic(scope.time).substr(0, 8));
  const std::string region = core::hmac_sha256(date, scope.region);
  const std::string service = core::hmac_sha256(region, scope.service);
  return core::hmac_sha256(service, "aws4_request");
}

std::string signature(const Scope& scope, const std::string& secret_access_key,
                      const std::string& string_to_sign) {
  return core::hex(core::hmac_sha256(signing_key(scope, secret_access_key), string_to_sign));
}

void sign(Request& request, const Scope& scope, const Credentials& credentials) {
  // What an earlier signature left: a request that is signed again has one of each.
  std::erase_if(request.headers, [](const auto& header) {
    const std::string name = core::lower(header.first);
    return name == "x-amz-date" || name == "x-amz-security-token" || name == "authorization";
  });
  request.headers.emplace_back("X-Amz-Date", core::format_basic(scope.time));
  if (!credentials.session_token.empty()) {
    request.headers.emplace_back("X-Amz-Security-Token", credentials.session_token);
  }
  const std::string names = signed_headers(request.headers);
  const std::string to_sign = string_to_sign(scope, canonical_request(request));
  request.headers.emplace_back(
      "Authorization",
      fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                  credentials.access_key_id, credential_scope(scope), names,
                  signature(scope, credentials.secret_access_key, to_sign)));
}

}  // namespace usaged::net::sigv4
