#include "net/environment.h"

#include <cstdlib>

#include "core/config.h"
#include "core/error.h"
#include "core/text.h"

namespace usaged::net {

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): never set
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::string(value);
  };
}

bool environment_flag(const Environment& environment, const std::string& name, bool otherwise) {
  const auto value = environment(name);
  if (!value) return otherwise;
  const std::string text = core::lower(*value);
  if (text != "true" && text != "false") {
    throw core::Error(core::ErrorCode::kConfig, "{}: '{}' is neither true nor false", name, *value);
  }
  return text == "true";
}

std::string path_of(const std::string& file, const Environment& environment) {
  if (!file.starts_with(core::kCredentialPrefix)) return file;
  const auto folder = environment("CREDENTIALS_DIRECTORY");
  if (!folder) {
    throw core::Error(core::ErrorCode::kConfig,
                      "{}: systemd gave no credentials; add LoadCredential= to the unit", file);
  }
  return *folder + "/" + file.substr(core::kCredentialPrefix.size());
}

}  // namespace usaged::net
