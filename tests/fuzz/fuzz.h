#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.h"

// What the fuzzers share. Each is a file of its own with libFuzzer's entry point
// (https://llvm.org/docs/LibFuzzer.html) and a folder of the same name in corpus.
namespace usaged::fuzz {

inline std::string text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// True if it went well; false if it was refused as it ought to be. Everything else is a finding.
template <typename Action>
bool accepted(const Action& action) {
  try {
    action();
    return true;
  } catch (const core::Error&) {
    return false;
  }
}

// A promise that was broken.
inline void require(bool kept) {
  if (!kept) __builtin_trap();
}

}  // namespace usaged::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
