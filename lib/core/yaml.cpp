#include "core/yaml.h"

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "core/text.h"

namespace usaged::core {
namespace {

std::string_view kind(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      return "a map";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Scalar:
      return "a single value";
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      break;
  }
  return "nothing";
}

template <typename T>
T parse_number(const std::string& text, T least, T most) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc{} && end == text.data() + text.size();
  if (!good || !(value >= least && value <= most)) {
    throw Error(ErrorCode::kInvalid, "'{}' is not a number from {} to {}", text, least, most);
  }
  return value;
}

// Looks at no more than two: to yaml-cpp a text like "," is documents without end.
bool has_two_documents(const std::string& text) {
  class Nothing : public YAML::EventHandler {
    using Mark = YAML::Mark;
    using Style = YAML::EmitterStyle::value;
    void OnDocumentStart(const Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const Mark&, YAML::anchor_t) override {}
    void OnAlias(const Mark&, YAML::anchor_t) override {}
    void OnScalar(const Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
    void OnSequenceStart(const Mark&, const std::string&, YAML::anchor_t, Style) override {}
    void OnSequenceEnd() override {}
    void OnMapStart(const Mark&, const std::string&, YAML::anchor_t, Style) override {}
    void OnMapEnd() override {}
  };
  std::istringstream in(text);
  YAML::Parser parser(in);
  Nothing nothing;
  return parser.HandleNextDocument(nothing) && parser.HandleNextDocument(nothing);
}

}  // namespace

YamlFile::YamlFile(std::string name, const std::string& text) : name_(std::move(name)) {
  try {
    if (has_two_documents(text)) {
      throw Error(ErrorCode::kConfig,
                  "{}: more than one YAML document in the file, or a line of it begins with what "
                  "is no key",
                  name_);
    }
    root_ = YAML::Load(text);
  } catch (const YAML::Exception& e) {
    throw Error(ErrorCode::kConfig, "{}:{}:{}: {}", name_, e.mark.line + 1, e.mark.column + 1,
                e.msg);
  }
  if (!root_.IsNull() && !root_.IsMap()) {
    throw Error(ErrorCode::kConfig, "{}: must be a map of keys, but is {}", name_, kind(root_));
  }
}

YamlMap YamlFile::root() { return {*this, root_, ""}; }

void YamlFile::fail(const YAML::Mark& mark, const std::string& path, const std::string& message) {
  const int line = std::max(mark.line, 0) + 1;
  const int column = std::max(mark.column, 0) + 1;
  const std::string where = path.empty() ? "" : path + ": ";
  problems_.push_back(
      {line, column, fmt::format("{}:{}:{}: {}{}", name_, line, column, where, message)});
}

void YamlFile::finish() const {
  if (problems_.empty()) return;
  std::vector<Problem> sorted = problems_;
  std::ranges::stable_sort(sorted, [](const Problem& a, const Problem& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  std::vector<std::string> lines;
  for (const Problem& problem : sorted) lines.push_back(problem.text);
  throw Error(ErrorCode::kConfig, join(lines, "\n"));
}

YamlMap::YamlMap(YamlFile& file, const YAML::Node& node, std::string path)
    : file_(&file), mark_(node.Mark()), path_(std::move(path)) {
  for (const auto& pair : node) {
    if (!pair.first.IsScalar()) {
      file.fail(pair.first.Mark(), path_, "a key must be a single word");
      continue;
    }
    const std::string& key = pair.first.Scalar();
    const bool seen = std::ranges::any_of(
        pairs_, [&key](const auto& earlier) { return earlier.first.Scalar() == key; });
    if (seen) {
      file.fail(pair.first.Mark(), path_of(key), "the key is there twice");
    } else {
      pairs_.emplace_back(pair.first, pair.second);
    }
  }
}

std::string YamlMap::path_of(const std::string& key) const {
  return path_.empty() ? key : path_ + "." + key;
}

const YAML::Node* YamlMap::find(const std::string& key) {
  if (std::ranges::find(asked_, key) == asked_.end()) asked_.push_back(key);
  for (const auto& [name, value] : pairs_) {
    if (name.Scalar() == key) return &value;
  }
  return nullptr;
}

bool YamlMap::has(const std::string& key) { return find(key) != nullptr; }

bool YamlMap::is_list(const std::string& key) {
  const YAML::Node* node = find(key);
  return node != nullptr && node->IsSequence();
}

bool YamlMap::is_map(const std::string& key) {
  const YAML::Node* node = find(key);
  return node != nullptr && node->IsMap();
}

std::optional<YamlScalar> YamlMap::scalar(const std::string& key) {
  const YAML::Node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (!node->IsScalar()) {
    file_->fail(node->Mark(), path_of(key),
                fmt::format("must be a single value, but is {}", kind(*node)));
    return std::nullopt;
  }
  return YamlScalar{node->Scalar(), path_of(key), node->Mark()};
}

std::optional<std::vector<YamlScalar>> YamlMap::scalars(const std::string& key) {
  const YAML::Node* node = find(key);
  if (node == nullptr) return std::nullopt;
  std::vector<YamlScalar> items;
  if (node->IsScalar()) {
    items.push_back({node->Scalar(), path_of(key), node->Mark()});
    return items;
  }
  if (!node->IsSequence()) {
    file_->fail(node->Mark(), path_of(key), fmt::format("must be a list, but is {}", kind(*node)));
    return std::nullopt;
  }
  for (std::size_t i = 0; i < node->size(); ++i) {
    const YAML::Node item = (*node)[i];
    const std::string path = fmt::format("{}[{}]", path_of(key), i);
    if (item.IsScalar()) {
      items.push_back({item.Scalar(), path, item.Mark()});
    } else {
      file_->fail(item.Mark(), path, fmt::format("must be a single value, but is {}", kind(item)));
    }
  }
  return items;
}

std::optional<YamlMap> YamlMap::map(const std::string& key) {
  const YAML::Node* node = find(key);
  if (node == nullptr) return std::nullopt;
  if (!node->IsMap()) {
    file_->fail(node->Mark(), path_of(key), fmt::format("must be a map, but is {}", kind(*node)));
    return std::nullopt;
  }
  return YamlMap(*file_, *node, path_of(key));
}

std::optional<std::vector<YamlMap>> YamlMap::maps(const std::string& key) {
  const YAML::Node* node = find(key);
  if (node == nullptr) return std::nullopt;
  std::vector<YamlMap> items;
  if (!node->IsSequence()) {
    file_->fail(node->Mark(), path_of(key),
                fmt::format("must be a list of maps, but is {}", kind(*node)));
    return std::nullopt;
  }
  for (std::size_t i = 0; i < node->size(); ++i) {
    const YAML::Node item = (*node)[i];
    const std::string path = fmt::format("{}[{}]", path_of(key), i);
    if (item.IsMap()) {
      items.emplace_back(*file_, item, path);
    } else {
      file_->fail(item.Mark(), path, fmt::format("must be a map, but is {}", kind(item)));
    }
  }
  return items;
}

std::vector<std::pair<std::string, YamlScalar>> YamlMap::entries() {
  std::vector<std::pair<std::string, YamlScalar>> result;
  for (const auto& [name, value] : pairs_) {
    const std::string& key = name.Scalar();
    if (const auto text = scalar(key)) result.emplace_back(key, *text);
  }
  return result;
}

void YamlMap::read(const std::string& key, std::string& out) {
  if (const auto value = scalar(key)) out = value->text;
}

void YamlMap::read(const std::string& key, std::optional<bool>& out) {
  read(key, out, [](const std::string& text) {
    if (text != "true" && text != "false") {
      throw Error(ErrorCode::kInvalid, "'{}' is neither true nor false", text);
    }
    return text == "true";
  });
}

void YamlMap::read(const std::string& key, bool& out) {
  std::optional<bool> given;
  read(key, given);
  out = given.value_or(out);
}

void YamlMap::read(const std::string& key, double& out, double least, double most) {
  read(key, out, [=](const std::string& text) { return parse_number(text, least, most); });
}

void YamlMap::read(const std::string& key, int& out, int least, int most) {
  read(key, out, [=](const std::string& text) { return parse_number(text, least, most); });
}

void YamlMap::require(const std::string& key, std::string_view what) {
  if (!has(key)) file_->fail(mark_, path_of(key), fmt::format("is missing: {}", what));
}

void YamlMap::fail(const std::string& key, const std::string& message) {
  const YAML::Node* node = find(key);
  file_->fail(node != nullptr ? node->Mark() : mark_, path_of(key), message);
}

void YamlMap::attempt(const YamlScalar& value, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    file_->fail(value.mark, value.path, e.what());
  }
}

void YamlMap::done() {
  for (const auto& [name, value] : pairs_) {
    const std::string& key = name.Scalar();
    if (std::ranges::find(asked_, key) != asked_.end()) continue;
    const std::string near = nearest(key, asked_);
    std::string hint;
    if (!near.empty()) {
      hint = fmt::format("did you mean '{}'?", near);
    } else {
      std::vector<std::string> sorted = asked_;
      std::ranges::sort(sorted);
      hint = fmt::format("allowed: {}", join(sorted, ", "));
    }
    file_->fail(name.Mark(), path_of(key), fmt::format("unknown key; {}", hint));
  }
}

}  // namespace usaged::core
