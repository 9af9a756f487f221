#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace usaged::web {

// Reads along what comes on a connection and tells whether every reader of HTTP would see the same
// requests in it (RFC 9112): a proxy that takes a line otherwise than we do could let somebody hide
// a request in another. Poco's parser is lenient; what it makes of a head counts only if there is
// nothing wrong here.
class Framing {
 public:
  void feed(std::string_view bytes);

  // What is wrong, for people; "" so far nothing is. Once something is, it stays.
  const std::string& wrong() const { return wrong_; }

 private:
  void end_line();
  void request_line();
  void header_line();

  std::string wrong_;
  std::string line_;
  std::size_t head_bytes_ = 0;
  bool first_line_ = true;
  bool has_length_ = false;
  std::uint64_t length_ = 0;  // of the body, or of what is left of it
  bool in_body_ = false;
};

// Whether a text is a token (RFC 9110, 5.6.2): the name of a header, or of a method.
bool is_token(std::string_view name);

}  // namespace usaged::web
