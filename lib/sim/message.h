#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/time.h"
#include "net/http.h"

// What the simulated services are asked and answer, apart from any server.
namespace usaged::sim {

struct Request {
  std::string method;
  std::string path;
  std::string query;  // without "?"
  net::Headers headers;
  std::string body;

  // The first value of a header, in any case; "" without one.
  std::string header(const std::string& name) const;
};

struct Reply {
  std::string body;
  std::string content_type = "application/json";
  int status = 200;
  net::Headers headers{};
  bool cut = false;  // breaks off in the middle
};

// One thing wrong with a request.
struct FieldError {
  std::string name;
  std::string message;
};

// An error reply, which each service puts into its own format.
struct Refusal {
  int status;
  std::string name;
  std::string message;
  std::string reason{};  // of a ValidationException
  std::vector<FieldError> fields{};
  std::optional<core::Seconds> retry_after{};
};

}  // namespace usaged::sim
