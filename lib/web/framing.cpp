#include "web/framing.h"

#include <algorithm>
#include <charconv>

#include "core/text.h"

namespace usaged::web {
namespace {

constexpr std::size_t kMostHead = 65536;

}  // namespace

bool is_token(std::string_view name) {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

void Framing::feed(std::string_view bytes) {
  while (!bytes.empty() && wrong_.empty()) {
    if (in_body_) {
      const std::uint64_t part = std::min<std::uint64_t>(length_, bytes.size());
      bytes.remove_prefix(part);
      length_ -= part;
      in_body_ = length_ > 0;
      continue;
    }
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    head_bytes_ += part.size();
    if (head_bytes_ > kMostHead) {
      wrong_ = "the head of a request has 65536 bytes at most";
      return;
    }
    line_ += part;
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    end_line();
    line_.clear();
  }
}

void Framing::end_line() {
  if (!line_.ends_with('\r')) {
    wrong_ = "a line of the head must end with CR and LF";
    return;
  }
  line_.pop_back();
  const auto is_control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  };
  if (std::ranges::any_of(line_, is_control)) {
    wrong_ = "a line of the head has control characters";
  } else if (first_line_) {
    request_line();
    first_line_ = false;
  } else if (!line_.empty()) {
    header_line();
  } else {
    in_body_ = length_ > 0;
    first_line_ = true;
    has_length_ = false;
    head_bytes_ = 0;
  }
}

void Framing::request_line() {
  const std::string_view line = line_;
  const std::size_t method = line.find(' ');
  const std::size_t target = line.find(' ', method + 1);
  const bool good =
      line.find('\t') == std::string_view::npos && method != std::string_view::npos &&
      target != std::string_view::npos && is_token(line.substr(0, method)) && target > method + 1 &&
      (line.substr(target + 1) == "HTTP/1.1" || line.substr(target + 1) == "HTTP/1.0");
  if (!good) wrong_ = "the first line of a request is METHOD TARGET HTTP/1.1";
  length_ = 0;
}

void Framing::header_line() {
  const std::string_view line = line_;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    wrong_ = "a line of the head is no header";
    return;
  }
  const std::string name = core::lower(line.substr(0, colon));
  if (name == "transfer-encoding") {
    wrong_ = "a body is sent with a Content-Length";
  } else if (name == "content-length") {
    const std::string_view value = core::trim(line.substr(colon + 1));
    const char* const end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, length_);
    if (value.empty() || error != std::errc{} || stop != end) {
      wrong_ = "Content-Length must be a number";
    } else if (has_length_) {
      wrong_ = "there is more than one Content-Length";
    }
    has_length_ = true;
  }
}

}  // namespace usaged::web
