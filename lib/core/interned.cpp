#include "core/interned.h"

#include <mutex>
#include <shared_mutex>
#include <unordered_set>

namespace usaged::core {
namespace {

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

const std::string* intern(std::string_view text) {
  static std::shared_mutex mutex;
  static std::unordered_set<std::string, Hash, std::equal_to<>> texts;
  {
    const std::shared_lock lock(mutex);
    if (const auto found = texts.find(text); found != texts.end()) return &*found;
  }
  const std::unique_lock lock(mutex);
  return &*texts.emplace(text).first;
}

}  // namespace

const std::string Interned::kEmpty;

Interned::Interned(std::string_view text) : text_(text.empty() ? &kEmpty : intern(text)) {}

}  // namespace usaged::core
