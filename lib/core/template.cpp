#include "core/template.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace usaged::core {
namespace {

const std::vector<std::string>& names() {
  static const std::vector<std::string> kNames{
      "account_id", "region",       "usage_type", "cloud_provider", "target",
      "trial",      "currency",     "alertname",  "severity",       "summary",
      "reason",     "contributors", "duration",   "account_name",   "before",
      "after",      "peak",         "score",      "starts_at",      "ends_at"};
  return kNames;
}

// Calls `place` with the name in each place, and puts what it returns there.
std::string walk(const std::string& text,
                 const std::function<std::string(const std::string&)>& place) {
  std::string result;
  std::size_t at = 0;
  for (std::size_t open = 0; (open = text.find("{{", at)) != std::string::npos;) {
    const std::size_t close = text.find("}}", open);
    if (close == std::string::npos) {
      throw Error(ErrorCode::kInvalid, "a place begins with {{{{ and has no }}}}");
    }
    result += text.substr(at, open - at);
    result += place(std::string(trim(text.substr(open + 2, close - open - 2))));
    at = close + 2;
  }
  return result + text.substr(at);
}

}  // namespace

void check_template(const std::string& text) {
  walk(text, [](const std::string& name) -> std::string {
    if (name.starts_with("tag.") || std::ranges::find(names(), name) != names().end()) return "";
    const std::string near = nearest(name, names());
    throw Error(ErrorCode::kInvalid, "there is nothing called '{}'; {}", name,
                near.empty() ? "there are " + join(names(), ", ") + ", tag.NAME"
                             : fmt::format("did you mean '{}'?", near));
  });
}

std::string fill_template(const std::string& text,
                          const std::map<std::string, std::string>& values) {
  return walk(text, [&values](const std::string& name) -> std::string {
    const auto found = values.find(name);
    return found == values.end() ? "" : found->second;
  });
}

}  // namespace usaged::core
