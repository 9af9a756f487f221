#pragma once

#include <cstdint>
#include <fstream>
#include <string>

namespace usaged::support {

// A line of /proc/self/status ("VmRSS", "VmHWM"), in bytes.
inline std::int64_t memory(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stoll(line.substr(name.size() + 1)) * 1024;
  }
  return 0;
}

}  // namespace usaged::support
