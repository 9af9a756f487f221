#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace usaged::core {

// The candidate nearest to `word` by edit distance, for "did you mean"; "" if none is near.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
std::string lower(std::string_view text);
std::string join(std::span<const std::string> parts, std::string_view separator);

// Percent-encodes all bytes but RFC 3986's unreserved ones and those of `keep`.
std::string percent_encode(std::string_view text, std::string_view keep = "");

// What an errno means, for people.
std::string errno_text(int error);

// Lower-case hexadecimal.
std::string hex(std::string_view bytes);
// SHA-256 as 32 raw bytes, and HMAC-SHA256 likewise.
std::string sha256(std::string_view text);
std::string hmac_sha256(std::string_view key, std::string_view text);
// Base64 with padding (RFC 4648, section 4).
std::string base64(std::string_view bytes);
// The bytes of a base64 text; throws Error(kInvalid) if it isn't one.
std::string base64_decode(std::string_view text);
// True if both are equal; takes as long whichever byte differs.
bool equal_constant_time(std::string_view a, std::string_view b);

// A number of 64 bits that depends on nothing but the text (FNV-1a, then mixed): for jitter and
// other choices that must come out alike after a restart.
std::uint64_t stable_hash(std::string_view text);

// The whole file; throws Error(`kConfig`) naming it if it can't be read or is over `most` bytes.
std::string read_file(const std::string& path, std::size_t most = 64u << 20u);

}  // namespace usaged::core
