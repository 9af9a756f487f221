#include "core/access.h"

#include <openssl/crypto.h>

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
