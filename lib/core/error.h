#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace usaged::core {

// What kind of thing went wrong, for whoever has to answer for it: the command line picks its exit
// code by it, the web side its HTTP status.
enum class ErrorCode {
  kConfig,       // the configuration file, or a file that it names
  kInvalid,      // a question or an argument that makes no sense
  kNotFound,     // asks for something that isn't there
  kConflict,     // somebody else holds what is needed
  kUnavailable,  // may work later: busy, stopping, out of time
  kStorage,      // the database or the disk under it
  kRemote,       // AWS, a receiver or the network between
  kInternal,     // a mistake of ours
};

// The one exception of the program. The message is for the user: what was wrong, where, what to do.
// Caught at three doors: main(), the poll of one target, one HTTP request.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  template <typename... Args>
  Error(ErrorCode code, fmt::format_string<Args...> format,
        Args&&... args) requires(sizeof...(Args) > 0)
      : Error(code, fmt::format(format, std::forward<Args>(args)...)) {}

  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// Exit codes of the command: 2 for usage and configuration, 1 for everything at run time.
constexpr int exit_code(ErrorCode code) {
  return code == ErrorCode::kConfig || code == ErrorCode::kInvalid ? 2 : 1;
}

}  // namespace usaged::core
