#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"

namespace usaged::core {

class YamlMap;

// A YAML file that is read strictly: unknown and duplicate keys, wrong types and bad values are
// collected with line and column, and finish() throws them all at once.
class YamlFile {
 public:
  // Throws Error(kConfig) if the text is no YAML or not a map. An empty text is an empty map.
  YamlFile(std::string name, const std::string& text);

  YamlMap root();

  // Notes an error at a node: "name:line:column: path: message".
  void fail(const YAML::Mark& mark, const std::string& path, const std::string& message);

  // Throws Error(kConfig) with every error noted, in the order of the file; nothing if none was.
  void finish() const;

  const std::string& name() const { return name_; }

 private:
  struct Problem {
    int line;
    int column;
    std::string text;
  };

  std::string name_;
  YAML::Node root_;
  std::vector<Problem> problems_;
};

// One scalar of the file, or one item of a list, with its place.
struct YamlScalar {
  std::string text;
  std::string path;  // "targets[0].name"
  YAML::Mark mark;
};

// One map of the file. Ask for each key that may stand there, then call done(), which notes
// whatever was not asked for as unknown.
class YamlMap {
 public:
  YamlMap(YamlFile& file, const YAML::Node& node, std::string path);

  // If the key is there: sets `out` to parse(text). What parse throws as Error is noted at the
  // value's place.
  template <typename T, typename Parse>
  void read(const std::string& key, T& out, Parse parse) {
    if (const auto value = scalar(key)) {
      attempt(*value, [&] { out = parse(value->text); });
    }
  }

  void read(const std::string& key, std::string& out);
  void read(const std::string& key, bool& out);
  void read(const std::string& key, std::optional<bool>& out);
  void read(const std::string& key, double& out, double least, double most);
  void read(const std::string& key, int& out, int least, int most);

  // The value of a key that must be a scalar.
  std::optional<YamlScalar> scalar(const std::string& key);
  // The items of a key that must be a list of scalars. One scalar counts as a list of one.
  std::optional<std::vector<YamlScalar>> scalars(const std::string& key);
  std::optional<YamlMap> map(const std::string& key);
  std::optional<std::vector<YamlMap>> maps(const std::string& key);
  // Every key with its scalar, for maps with free keys; done() is not needed then.
  std::vector<std::pair<std::string, YamlScalar>> entries();

  bool has(const std::string& key);
  bool is_list(const std::string& key);
  bool is_map(const std::string& key);

  // Notes an error if the key is not there.
  void require(const std::string& key, std::string_view what);
  void fail(const std::string& key, const std::string& message);
  // Runs `action`, and notes the Error that it throws at the value's place.
  void attempt(const YamlScalar& value, const std::function<void()>& action);
  void done();

  const std::string& path() const { return path_; }

 private:
  const YAML::Node* find(const std::string& key);
  std::string path_of(const std::string& key) const;

  YamlFile* file_;
  YAML::Mark mark_;
  std::string path_;
  std::vector<std::pair<YAML::Node, YAML::Node>> pairs_;
  std::vector<std::string> asked_;
};

}  // namespace usaged::core
