#include "net/credentials.h"

#include <cstdlib>

#include "core/error.h"
#include "core/text.h"

namespace usaged::net {
namespace {

using core::Error;
using core::ErrorCode;

std::string credentials_path(const Environment& environment) {
  if (const auto path = environment("AWS_SHARED_CREDENTIALS_FILE")) return *path;
  return environment("HOME").value_or("") + "/.aws/credentials";
}

void check_complete(const sigv4::Credentials& found, const std::string& where) {
  if (found.access_key_id.empty() != found.secret_access_key.empty()) {
    throw Error(ErrorCode::kConfig, "{}: {} is set without the other half of the pair", where,
                found.access_key_id.empty() ? "the secret access key" : "the access key id");
  }
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): never set
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::string(value);
  };
}

std::optional<sigv4::Credentials> parse_credentials_file(const std::string& name,
                                                         const std::string& text,
                                                         const std::string& profile) {
  std::optional<sigv4::Credentials> found;
  bool inside = false;
  int number = 0;
  for (const std::string& raw : core::split(text, '\n')) {
    ++number;
    const std::string_view line = core::trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      if (line.back() != ']') {
        throw Error(ErrorCode::kConfig, "{}:{}: a section must end with ]", name, number);
      }
      inside = core::trim(line.substr(1, line.size() - 2)) == profile;
      if (inside && !found) found.emplace();
      continue;
    }
    if (!inside) continue;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      throw Error(ErrorCode::kConfig, "{}:{}: expected `key = value`", name, number);
    }
    const std::string key = core::lower(core::trim(line.substr(0, equals)));
    const std::string value(core::trim(line.substr(equals + 1)));
    if (key == "aws_access_key_id") {
      found->access_key_id = value;
    } else if (key == "aws_secret_access_key") {
      found->secret_access_key = value;
    } else if (key == "aws_session_token") {
      found->session_token = value;
    }
  }
  return found;
}

sigv4::Credentials find_credentials(const std::string& profile, const Environment& environment) {
  if (profile.empty()) {
    sigv4::Credentials found{environment("AWS_ACCESS_KEY_ID").value_or(""),
                             environment("AWS_SECRET_ACCESS_KEY").value_or(""),
                             environment("AWS_SESSION_TOKEN").value_or("")};
    check_complete(found, "environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)");
    if (!found.access_key_id.empty()) return found;
  }
  const std::string wanted =
      !profile.empty() ? profile : environment("AWS_PROFILE").value_or("default");
  const std::string path = credentials_path(environment);
  std::string text;
  try {
    text = core::read_file(path, 1U << 20U);
  } catch (const Error& e) {
    throw Error(ErrorCode::kConfig, "no AWS credentials: {}profile '{}' can't be read: {}",
                profile.empty() ? "AWS_ACCESS_KEY_ID is not set, and " : "", wanted, e.what());
  }
  const auto found = parse_credentials_file(path, text, wanted);
  if (!found) {
    throw Error(ErrorCode::kConfig, "no AWS credentials: {}{} has no profile '{}'",
                profile.empty() ? "AWS_ACCESS_KEY_ID is not set, and " : "", path, wanted);
  }
  const std::string where = fmt::format("{}: profile '{}'", path, wanted);
  check_complete(*found, where);
  if (found->access_key_id.empty()) {
    throw Error(ErrorCode::kConfig,
                "no AWS credentials: {} has no aws_access_key_id and aws_secret_access_key", where);
  }
  return *found;
}

}  // namespace usaged::net
