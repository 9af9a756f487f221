#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace usaged::core {

// What somebody may do with the API, each all of the one before.
enum class Access { kNone, kRead, kWrite };

std::string_view access_name(Access access);  // "none", "read", "write"

// Who may do more than anybody: whoever has the token. Only its hash is kept.
struct Token {
  std::string name;
  Access scope = Access::kRead;  // kRead or kWrite
  std::string sha256;            // 64 hexadecimal digits, of the token's bytes
  bool operator==(const Token&) const = default;
};

// A user of this machine, by whom the kernel says that a unix socket was connected to.
struct Peer {
  std::string user;  // a name, or a number
  std::uint32_t uid = 0;
  Access scope = Access::kRead;  // kRead or kWrite
  bool operator==(const Peer&) const = default;
};

// What a user may do: root and the one that this process runs as anything, whoever is listed what
// the list says, others nothing.
Access access_of(const std::vector<Peer>& peers, std::uint32_t uid);

// An address as URLs and Host headers have it: IPv6 in brackets.
std::string bracketed(const std::string& address);

// True for an address of the machine itself: 127.0.0.0/8, ::1.
bool is_loopback(const std::string& address);

// The token that an Authorization header (RFC 6750: "Bearer TOKEN") has; nullptr if it is none of
// these. How long it takes does not depend on how much of a hash agrees.
const Token* find_token(const std::vector<Token>& tokens, std::string_view authorization);

}  // namespace usaged::core
