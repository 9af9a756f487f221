#include "core/access.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>

#include "core/text.h"

namespace usaged::core {

std::string_view access_name(Access access) {
  switch (access) {
    case Access::kNone:
      return "none";
    case Access::kRead:
      return "read";
    case Access::kWrite:
      break;
  }
  return "write";
}

Access access_of(const std::vector<Peer>& peers, std::uint32_t uid) {
  if (uid == 0 || uid == ::geteuid()) return Access::kWrite;
  const auto found = std::ranges::find(peers, uid, &Peer::uid);
  return found == peers.end() ? Access::kNone : found->scope;
}

std::string bracketed(const std::string& address) {
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24U == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

const Token* find_token(const std::vector<Token>& tokens, std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (lower(authorization.substr(0, kScheme.size())) != kScheme) return nullptr;
  const std::string hash = hex(sha256(trim(authorization.substr(kScheme.size()))));
  const Token* found = nullptr;
  for (const Token& token : tokens) {
    const bool same = token.sha256.size() == hash.size() &&
                      CRYPTO_memcmp(token.sha256.data(), hash.data(), hash.size()) == 0;
    if (same) found = &token;
  }
  return found;
}

}  // namespace usaged::core
