#pragma once

#include <string>
#include <vector>

namespace usaged::app {

// A library that runs here: as the system has it, or as it was compiled in.
struct LibraryVersion {
  std::string name;
  std::string version;
  std::string fault;   // that this version is known for; "" if it is not
  std::string advice;  // what to do about it
};

std::vector<LibraryVersion> library_versions();

}  // namespace usaged::app
