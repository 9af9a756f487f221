#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace usaged::net {

// A member of an object that is a text; "" if it is absent or something else.
inline std::string text_member(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace usaged::net
