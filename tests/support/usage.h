#pragma once

#include <optional>
#include <string>

#include "core/usage.h"

namespace usaged::support {

// A usage total of AWS in USD.
inline core::UsageTotal usage(const std::string& account, const std::string& type,
                              std::optional<double> total, std::optional<double> cost) {
  return {account, type, "AWS", "USD", total, cost};
}

}  // namespace usaged::support
