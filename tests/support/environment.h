#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "net/environment.h"

namespace usaged::support {

// An environment of these variables; empty ones are not set.
inline net::Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end() || found->second.empty()) return std::nullopt;
    return found->second;
  };
}

}  // namespace usaged::support
