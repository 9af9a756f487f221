#include "net/profiles.h"

#include <filesystem>

#include "core/error.h"
#include "core/text.h"

namespace usaged::net {
namespace {

using core::Error;
using core::ErrorCode;

constexpr std::size_t kMostBytes = 1U << 20U;

// Without a comment at its end.
std::string_view value_of(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    const bool after_space = text[i - 1] == ' ' || text[i - 1] == '\t';
    if (after_space && (text[i] == '#' || text[i] == ';')) return core::trim(text.substr(0, i));
  }
  return core::trim(text);
}

std::map<std::string, ProfileSettings> read(const std::string& path) {
  std::error_code ignored;
  if (path.empty() || !std::filesystem::exists(path, ignored)) return {};
  return parse_profile_file(path, core::read_file(path, kMostBytes));
}

// The profile that a section of the config file describes; "" if it describes something else.
std::string profile_of(std::string_view section) {
  if (section == "default") return "default";
  constexpr std::string_view kPrefix = "profile";
  if (!section.starts_with(kPrefix)) return "";
  std::string_view name = section.substr(kPrefix.size());
  if (name.empty() || (name.front() != ' ' && name.front() != '\t')) return "";
  name = core::trim(name);
  const bool quoted = name.size() > 2 && (name.front() == '"' || name.front() == '\'') &&
                      name.back() == name.front();
  return std::string(quoted ? name.substr(1, name.size() - 2) : name);
}

}  // namespace

std::string Profile::get(const std::string& key) const {
  for (const ProfileSettings* settings : {&credentials_file, &config_file}) {
    const auto found = settings->find(key);
    if (found != settings->end() && !found->second.empty()) return found->second;
  }
  return "";
}

const Profile* Profiles::find(const std::string& name) const {
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : &found->second;
}

Profiles read_profiles(const Environment& environment) {
  const auto path = [&environment](const char* variable, const char* usual) -> std::string {
    if (const auto given = environment(variable)) return *given;
    const auto home = environment("HOME");
    return home ? *home + usual : "";
  };
  Profiles profiles;
  profiles.credentials_path = path("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
  profiles.config_path = path("AWS_CONFIG_FILE", "/.aws/config");
  for (auto& [section, settings] : read(profiles.config_path)) {
    const std::string name = profile_of(section);
    if (!name.empty()) profiles.by_name[name].config_file = std::move(settings);
  }
  for (auto& [section, settings] : read(profiles.credentials_path)) {
    profiles.by_name[section].credentials_file = std::move(settings);
  }
  return profiles;
}

std::map<std::string, ProfileSettings> parse_profile_file(const std::string& name,
                                                          const std::string& text) {
  std::map<std::string, ProfileSettings> sections;
  ProfileSettings* section = nullptr;
  std::size_t indentation = std::string::npos;  // of the key that came last; npos: none did
  int number = 0;
  for (const std::string& raw : core::split(text, '\n')) {
    ++number;
    const std::string_view line = core::trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    const std::size_t indented = raw.find_first_not_of(" \t");
    if (indentation != std::string::npos && indented > indentation) continue;
    if (line.front() == '[') {
      const std::size_t end = line.find(']');
      if (end == std::string_view::npos) {
        throw Error(ErrorCode::kConfig, "{}:{}: a section must end with ]", name, number);
      }
      section = &sections[std::string(core::trim(line.substr(1, end - 1)))];
      indentation = std::string::npos;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw Error(ErrorCode::kConfig, "{}:{}: expected `key = value`", name, number);
    }
    if (section == nullptr) {
      throw Error(ErrorCode::kConfig, "{}:{}: a [section] must come first", name, number);
    }
    indentation = indented;
    (*section)[core::lower(core::trim(line.substr(0, equals)))] = value_of(line.substr(equals + 1));
  }
  return sections;
}

}  // namespace usaged::net
