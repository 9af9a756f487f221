#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace usaged::core {

// A text of which there are few, kept once for the whole process and for as long as it lives: the
// size of a pointer. Compares as its text does. Safe for use by many threads.
class Interned {
 public:
  Interned() : text_(&kEmpty) {}
  Interned(std::string_view text);  // NOLINT(google-explicit-constructor): as a string is
  Interned(const std::string& text) : Interned(std::string_view(text)) {}  // NOLINT
  Interned(const char* text) : Interned(std::string_view(text)) {}         // NOLINT

  operator const std::string&() const { return *text_; }  // NOLINT(google-explicit-constructor)
  operator std::string_view() const { return *text_; }    // NOLINT(google-explicit-constructor)
  const std::string& text() const { return *text_; }
  bool empty() const { return text_->empty(); }

  friend bool operator==(const Interned& a, const Interned& b) { return a.text_ == b.text_; }
  friend std::strong_ordering operator<=>(const Interned& a, const Interned& b) {
    return a.text_ == b.text_ ? std::strong_ordering::equal : *a.text_ <=> *b.text_;
  }

 private:
  static const std::string kEmpty;
  const std::string* text_;
};

}  // namespace usaged::core
