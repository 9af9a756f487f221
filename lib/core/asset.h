#pragma once

#include <string_view>

namespace usaged::core {

// A file that is part of the program (usaged_embed in cmake).
struct Asset {
  std::string_view name;
  std::string_view text;
};

}  // namespace usaged::core
