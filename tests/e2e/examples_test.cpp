// The examples for AWS and Kubernetes, as far as they can be run without either.
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <set>

#include "core/text.h"
#include "e2e/binary.h"
#include "support/wait.h"

namespace usaged {
namespace {

using nlohmann::json;
using support::Process;
using support::Ran;

const std::string kExamples = std::string(SOURCE_DIR) + "/etc/examples/";

json json_of(const YAML::Node& node) {
  if (node.IsMap()) {
    json object = json::object();
    for (const auto& entry : node) object[entry.first.Scalar()] = json_of(entry.second);
    return object;
  }
  if (node.IsSequence()) {
    json array = json::array();
    for (const auto& entry : node) array.push_back(json_of(entry));
    return array;
  }
  return node.IsNull() ? json(nullptr) : json(node.Scalar());
}

YAML::Node load(const std::string& name) { return YAML::LoadFile(kExamples + name); }

json role_of(const std::string& name) {
  return json_of(load(name)["Resources"]["Role"]["Properties"]);
}

class ExamplesTest : public BinaryTest {
 protected:
  // What the program says that a configuration needs, each a policy.
  std::vector<json> needed(const std::string& configuration) {
    // Said where something is missing, so that nothing is allowed.
    std::ofstream(folder_.path("faults.yaml")) << "faults: [{kind: denied}]\n";
    const std::string url = simulate({"--regions", "us-east-1,eu-central-1", "--accounts", "3",
                                      "--faults", folder_.path("faults.yaml")});
    std::ofstream(folder_.path("c.yaml")) << configuration;
    auto environment = kCredentials;
    environment["AWS_ENDPOINT_URL"] = url;
    const Ran ran = support::run(
        {kBinary, "check-config", "--online", "--json", "--config", folder_.path("c.yaml")},
        environment);
    const json told = json::parse(ran.output);
    std::vector<json> policies;
    for (const json& one : told["policies"]) policies.push_back(one["policy"]);
    return policies;
  }
  std::vector<json> needed_by(const std::string& name) {
    return needed(core::read_file(kExamples + name));
  }
};

TEST_F(ExamplesTest, EachRoleMayDoTheLeastThatItsConfigurationNeeds) {
  EXPECT_EQ(role_of("ec2.cfn.yaml")["Policies"][0]["PolicyDocument"], needed_by("ec2.yaml").at(0));
  for (const std::string name : {"administrator-role", "member-role"}) {
    const std::vector<json> policies = needed_by(name + ".yaml");
    ASSERT_EQ(policies.size(), 3U);
    json role = role_of(name + ".cfn.yaml");
    EXPECT_EQ(role["Policies"][0]["PolicyDocument"], policies[1]);
    // Whoever is told to be put in is a parameter.
    json trust = policies[2];
    trust["Statement"][0]["Principal"]["AWS"] = "Asker";
    if (name == "administrator-role") {
      trust["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"] = "ExternalId";
    }
    EXPECT_EQ(role["AssumeRolePolicyDocument"], trust);
    EXPECT_THAT(core::read_file(kExamples + name + ".yaml"),
                ::testing::HasSubstr("role/" + role["RoleName"].get<std::string>()));
  }
}

// Names that a template refers to by !Ref and !GetAtt.
void references(const YAML::Node& node, std::set<std::string>& names) {
  if (node.IsScalar() && (node.Tag() == "!Ref" || node.Tag() == "!GetAtt")) {
    names.insert(node.Scalar().substr(0, node.Scalar().find('.')));
  }
  if (node.IsMap()) {
    for (const auto& entry : node) references(entry.second, names);
  }
  if (node.IsSequence()) {
    for (const auto& entry : node) references(entry, names);
  }
}

TEST_F(ExamplesTest, TemplatesReferToWhatTheyHave) {
  int templates = 0;
  for (const auto& file : std::filesystem::directory_iterator(kExamples)) {
    const std::string name = file.path().filename();
    if (!name.ends_with(".cfn.yaml")) continue;
    ++templates;
    const YAML::Node root = load(name);
    std::set<std::string> used;
    references(root, used);
    for (const std::string& one : used) {
      const bool parameter = root["Parameters"] && root["Parameters"][one];
      EXPECT_TRUE(parameter || root["Resources"][one]) << name << ": " << one;
    }
    if (!root["Parameters"]) continue;
    for (const auto& parameter : root["Parameters"]) {
      EXPECT_TRUE(used.contains(parameter.first.Scalar())) << name << ": nothing uses it";
    }
  }
  EXPECT_EQ(templates, 4);
}

// The pod of eks.yaml: its command with its configuration and the credentials of Pod Identity, then
// its probes.
TEST_F(ExamplesTest, ThePodRunsAndItsProbesSucceed) {
  std::map<std::string, YAML::Node> parts;
  for (const YAML::Node& one : YAML::LoadAllFromFile(kExamples + "eks.yaml")) {
    parts[one["kind"].Scalar()] = one;
  }
  std::string configuration = parts["ConfigMap"]["data"]["inspector-usaged.yaml"].Scalar();
  EXPECT_EQ(role_of("eks.cfn.yaml")["Policies"][0]["PolicyDocument"], needed(configuration).at(0));

  const json pod = json_of(parts["Deployment"]["spec"]["template"]["spec"]);
  const json container = pod["containers"][0];
  EXPECT_EQ(pod["serviceAccountName"], parts["ServiceAccount"]["metadata"]["name"].Scalar());
  const json association = json_of(load("eks.cfn.yaml")["Resources"]["Association"]["Properties"]);
  EXPECT_EQ(association["ServiceAccount"], pod["serviceAccountName"]);
  EXPECT_EQ(association["Namespace"], parts["Namespace"]["metadata"]["name"].Scalar());
  // The volumes are where the program is told that they are.
  std::map<std::string, std::string> mounts;
  for (const json& mount : container["volumeMounts"]) mounts[mount["name"]] = mount["mountPath"];
  const auto folder = configuration.find(mounts["history"]);
  ASSERT_NE(folder, std::string::npos);
  EXPECT_EQ(container["command"][3], mounts["configuration"] + "/inspector-usaged.yaml");
  configuration.replace(folder, mounts["history"].size(), folder_.path(""));

  const int port = support::free_port();
  std::ofstream(folder_.path("c.yaml")) << configuration << "http: {port: " << port << "}\n";
  const std::string url = simulate({"--regions", "us-east-1,eu-central-1", "--accounts", "3",
                                    "--container-token", "a-token-of-the-pod"});
  std::ofstream(folder_.path("token")) << "a-token-of-the-pod";
  auto words = container["command"].get<std::vector<std::string>>();
  words.front() = kBinary;
  words.back() = folder_.path("c.yaml");
  Process daemon(words, {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url + "/v2/credentials/simulator"},
                         {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", folder_.path("token")},
                         {"AWS_ENDPOINT_URL", url},
                         {"AWS_CONFIG_FILE", "/dev/null"},
                         {"AWS_SHARED_CREDENTIALS_FILE", "/dev/null"}});
  ASSERT_TRUE(daemon.read_until("msg=polled")) << daemon.output();
  for (const char* name : {"startupProbe", "livenessProbe"}) {
    auto probe = container[name]["exec"]["command"].get<std::vector<std::string>>();
    const auto at = probe.back().find(":10330");
    ASSERT_NE(at, std::string::npos);
    probe.back().replace(at, 6, ":" + std::to_string(port));
    const Ran ran = support::run(probe);
    EXPECT_EQ(ran.code, 0) << name << ": " << ran.output;
  }
}

}  // namespace
}  // namespace usaged
