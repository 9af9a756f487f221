#include "sim/message.h"

#include "core/text.h"

namespace usaged::sim {

std::string Request::header(const std::string& name) const {
  const std::string wanted = core::lower(name);
  for (const auto& [key, value] : headers) {
    if (core::lower(key) == wanted) return value;
  }
  return "";
}

}  // namespace usaged::sim
