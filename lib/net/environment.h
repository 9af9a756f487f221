#pragma once

#include <functional>
#include <optional>
#include <string>

namespace usaged::net {

// Reads one variable of the environment; nullopt if it is not set or empty.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

Environment process_environment();

// A variable that is "true" or "false" in any case; `otherwise` if it is not set. Throws
// Error(kConfig) for anything else.
bool environment_flag(const Environment& environment, const std::string& name, bool otherwise);

// The file that a configured path means: itself, or a credential of systemd ("credential:NAME"), in
// $CREDENTIALS_DIRECTORY. Throws Error(kConfig) if systemd gave none.
std::string path_of(const std::string& file, const Environment& environment);

}  // namespace usaged::net
