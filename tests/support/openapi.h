#pragma once

#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace usaged::support {

// As much of JSON Schema as openapi.yaml uses: $ref, oneOf, type, enum, required, properties (no
// others unless additionalProperties is given), items, maxItems, and maxLength in bytes.
class OpenApi {
 public:
  explicit OpenApi(const std::string& text) : root_(YAML::Load(text)) {}

  YAML::Node root() const { return root_; }

  YAML::Node resolve(YAML::Node node) const {
    while (node["$ref"]) {
      const std::string path = node["$ref"].as<std::string>();
      YAML::Node at = YAML::Clone(root_);
      for (std::size_t begin = 2; begin <= path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        at = at[path.substr(begin, end - begin)];
        begin = end + 1;
      }
      node.reset(at);
    }
    return node;
  }

  // The schema of the JSON that the path gives, with a status.
  YAML::Node schema_of(const std::string& path, const std::string& method = "get",
                       const std::string& status = "200") const {
    return resolve(
        root_["paths"][path][method]["responses"][status])["content"]["application/json"]["schema"];
  }

  // What is wrong with a value; "" if nothing.
  std::string check(const YAML::Node& schema_node, const nlohmann::json& value,
                    const std::string& where = "$") const {
    const YAML::Node schema = resolve(schema_node);
    if (schema.IsMap() && schema.size() == 0) return "";  // anything
    if (schema["oneOf"]) {
      std::string first;
      for (const auto& option : schema["oneOf"]) {
        const std::string problem = check(option, value, where);
        if (problem.empty()) return "";
        if (first.empty()) first = problem;
      }
      return first;
    }
    if (!type_matches(schema["type"], value)) {
      return where + ": wrong type: " + value.dump().substr(0, 60);
    }
    if (schema["maxLength"] && value.is_string() &&
        value.get_ref<const std::string&>().size() > schema["maxLength"].as<std::size_t>()) {
      return where + ": longer than " + schema["maxLength"].as<std::string>();
    }
    if (schema["maxItems"] && value.size() > schema["maxItems"].as<std::size_t>()) {
      return where + ": more items than " + schema["maxItems"].as<std::string>();
    }
    if (schema["enum"] && value.is_string()) {
      bool found = false;
      for (const auto& allowed : schema["enum"]) {
        found = found || allowed.as<std::string>() == value.get<std::string>();
      }
      if (!found) return where + ": not in the enum: " + value.dump();
    }
    if (value.is_object()) return check_object(schema, value, where);
    if (value.is_array() && schema["items"]) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        const std::string problem =
            check(schema["items"], value[i], where + "[" + std::to_string(i) + "]");
        if (!problem.empty()) return problem;
      }
    }
    return "";
  }

 private:
  static bool type_is(const std::string& type, const nlohmann::json& value) {
    return type == "null"      ? value.is_null()
           : type == "string"  ? value.is_string()
           : type == "integer" ? value.is_number_integer()
           : type == "number"  ? value.is_number()
           : type == "boolean" ? value.is_boolean()
           : type == "array"   ? value.is_array()
                               : value.is_object();
  }

  static bool type_matches(const YAML::Node& type, const nlohmann::json& value) {
    if (!type) return true;
    if (type.IsScalar()) return type_is(type.as<std::string>(), value);
    for (const auto& one : type) {
      if (type_is(one.as<std::string>(), value)) return true;
    }
    return false;
  }

  std::string check_object(const YAML::Node& schema, const nlohmann::json& value,
                           const std::string& where) const {
    if (schema["required"]) {
      for (const auto& name : schema["required"]) {
        if (!value.contains(name.as<std::string>())) {
          return where + ": lacks " + name.as<std::string>();
        }
      }
    }
    for (const auto& [name, member] : value.items()) {
      const std::string place = where + "." + name;
      YAML::Node of_member;
      if (schema["properties"] && schema["properties"][name]) {
        of_member.reset(schema["properties"][name]);
      } else if (schema["additionalProperties"]) {
        of_member.reset(schema["additionalProperties"]);
      } else {
        return place + ": is not documented";
      }
      const std::string problem = check(of_member, member, place);
      if (!problem.empty()) return problem;
    }
    return "";
  }

  YAML::Node root_;
};

}  // namespace usaged::support
