#pragma once

#include <functional>
#include <string>

#include "core/error.h"

namespace usaged::support {

// What the user is told of an action that fails; "no error" of one that does not.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const core::Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace usaged::support
