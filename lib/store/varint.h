#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"

// Numbers as LEB128 varints (https://dwarfstd.org/doc/DWARF5.pdf, 7.6), those with a sign
// zigzag-coded.
namespace usaged::store {

inline std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }

inline void put(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

// Differences wrap around, so that those of any two numbers can be told.
inline void put_signed(std::string& out, std::uint64_t value) {
  put(out, (value << 1) ^ (value >> 63 != 0 ? ~std::uint64_t{0} : 0));
}

[[noreturn]] inline void throw_damaged(std::string_view what) {
  throw core::Error(core::ErrorCode::kStorage, "{} is damaged", what);
}

// Reads them. Throws Error(kStorage), naming `what`, where there is no number.
class Bytes {
 public:
  Bytes(std::string_view bytes, const char* what)
      : next_(bytes.data()), end_(next_ + bytes.size()), what_(what) {}

  std::uint8_t byte() {
    if (next_ == end_) throw_damaged(what_);
    return static_cast<std::uint8_t>(*next_++);
  }
  std::uint64_t number() {
    if (next_ != end_ && static_cast<std::uint8_t>(*next_) < 0x80) return byte();  // most are short
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t part = byte();
      value |= std::uint64_t{part & 0x7fU} << shift;
      if (part < 0x80) return value;
    }
    throw_damaged(what_);
  }
  std::uint64_t signed_number() {
    const std::uint64_t value = number();
    return (value >> 1) ^ ((value & 1) != 0 ? ~std::uint64_t{0} : 0);
  }
  std::string_view take(std::uint64_t size) {
    if (size > static_cast<std::uint64_t>(end_ - next_)) throw_damaged(what_);
    const std::string_view taken(next_, static_cast<std::size_t>(size));
    next_ += size;
    return taken;
  }

 private:
  const char* next_;
  const char* end_;
  const char* what_;
};

}  // namespace usaged::store
