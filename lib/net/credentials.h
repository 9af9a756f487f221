#pragma once

#include <functional>
#include <optional>
#include <string>

#include "net/sigv4.h"

namespace usaged::net {

// Reads one variable of the environment; nullopt if it is not set or empty.
using Environment = std::function<std::optional<std::string>(const std::string&)>;

Environment process_environment();

// Finds the credentials of a target: with a profile named, that profile of the shared credentials
// file (AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/credentials); without, AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment, else the profile AWS_PROFILE or
// "default". Read anew each time, so that a file replaced under way counts. Throws Error(kConfig)
// that says where it looked; no secret is in the message.
sigv4::Credentials find_credentials(const std::string& profile, const Environment& environment);

// One profile of the text of a shared credentials file; nullopt if it isn't there.
// Throws Error(kConfig) with the line for what can't be read.
std::optional<sigv4::Credentials> parse_credentials_file(const std::string& name,
                                                         const std::string& text,
                                                         const std::string& profile);

}  // namespace usaged::net
