// What a version of this major number stored, took and promised, a later one reads, takes and
// keeps.
#include <yaml-cpp/yaml.h>

#include <set>
#include <sstream>

#include "core/text.h"
#include "e2e/binary.h"

namespace usaged {
namespace {

using nlohmann::json;
using support::Ran;
using ::testing::HasSubstr;

const std::string kOld = std::string(SOURCE_DIR) + "/tests/data/1.0/";

class StabilityTest : public BinaryTest {
 protected:
  // The history of then, as an operator would have it now.
  void restore() {
    std::ofstream(folder_.path("c.yaml")) << "database: " << database() << "\n";
    const Ran ran = command({"restore", kOld + "history.db.gz"});
    ASSERT_EQ(ran.code, 0) << ran.output;
  }
};

TEST_F(StabilityTest, AHistoryOf10IsReadWhole) {
  restore();
  const Ran verified = command({"verify"});
  EXPECT_EQ(verified.code, 0) << verified.output;
  EXPECT_EQ(core::hex(core::sha256(command({"export"}).output)),
            "fa75ac70e4842f08cfe70a366ab43857dfd4d7c29465d1bd44f7e19dc79a86d5");
  const json alerts = command_json({"alerts", "--json"})["data"];
  ASSERT_EQ(alerts.size(), 2U);
  for (const json& alert : alerts) EXPECT_EQ(alert["state"], "firing");
  EXPECT_THAT(alerts.dump(), HasSubstr("will be resized"));
  EXPECT_EQ(command_json({"silences", "--json"})["data"][0]["comment"], "known");
  const json messages = command_json({"notifications", "--json"})["data"];
  for (const json& message : messages) {
    EXPECT_EQ(message["state"], "delivered");
  }
}

// What the README shows, on that history.
TEST_F(StabilityTest, TheReadmeShowsWhatIsPrinted) {
  restore();
  std::istringstream readme(core::read_file(std::string(SOURCE_DIR) + "/README.md"));
  const std::string prompt = "    $ inspector-usaged ";
  std::string line;
  int shown = 0;
  while (std::getline(readme, line)) {
    while (line.starts_with(prompt)) {
      std::istringstream rest(line.substr(prompt.size()));
      std::vector<std::string> words;
      for (std::string word; rest >> word;) words.push_back(word);
      std::string expected;
      while (std::getline(readme, line) && line.starts_with("    ") && !line.starts_with(prompt)) {
        expected += line.substr(4) + "\n";
      }
      words.insert(words.begin(), kBinary);
      words.insert(words.end(), {"--config", folder_.path("c.yaml")});
      // Trends take a terminal that knows more than ASCII.
      EXPECT_EQ(support::run(words, {{"LC_ALL", "C.UTF-8"}}).output, expected);
      ++shown;
    }
  }
  EXPECT_GE(shown, 3);
}

TEST_F(StabilityTest, ReleasedMigrationsStayAsTheyAre) {
  std::istringstream list(core::read_file(kOld + "migrations.sha256"));
  int count = 0;
  for (std::string sum, name; list >> sum >> name; ++count) {
    const std::string text = core::read_file(std::string(SOURCE_DIR) + "/migrations/" + name);
    EXPECT_EQ(core::hex(core::sha256(text)), sum) << name;
  }
  EXPECT_EQ(count, 4);
}

std::string name_of(const YAML::Node& node) {
  if (node.IsScalar()) return node.Scalar();
  if (node["$ref"]) return node["$ref"].Scalar();
  return node["name"] ? node["name"].Scalar() : "";
}

// Whether a document still has all that an older one promised: every key, every parameter, every
// required member and every value of a list; and asks for nothing more.
void compare(const YAML::Node& before, const YAML::Node& after, const std::string& place,
             std::vector<std::string>& lost) {
  static const std::set<std::string> kMeaning{"type", "format", "in", "name", "$ref", "default"};
  if (before.IsMap()) {
    for (const auto& entry : before) {
      const std::string key = entry.first.Scalar();
      const std::string at = place + "/" + key;
      if (key == "description" || key == "summary" || key.starts_with("x-")) continue;
      if (!after.IsMap() || !after[key]) {
        lost.push_back(at);
      } else if (kMeaning.contains(key) && entry.second.IsScalar()) {
        if (!after[key].IsScalar() || after[key].Scalar() != entry.second.Scalar()) {
          lost.push_back(at);
        }
      } else {
        compare(entry.second, after[key], at, lost);
      }
    }
  }
  if (!before.IsSequence() || !after.IsSequence()) return;
  std::map<std::string, YAML::Node> there;
  for (const auto& one : after) there.emplace(name_of(one), one);
  std::set<std::string> known;
  for (const auto& one : before) {
    const std::string name = name_of(one);
    known.insert(name);
    if (name.empty()) continue;
    const auto found = there.find(name);
    if (found == there.end()) {
      lost.push_back(place + "/" + name);
    } else {
      compare(one, found->second, place + "/" + name, lost);
    }
  }
  for (const auto& [name, one] : there) {
    if (!known.contains(name) && one.IsMap() && one["required"] && one["required"].IsScalar() &&
        one["required"].as<bool>()) {
      lost.push_back(place + "/" + name + " is required now");
    }
  }
}

std::vector<std::string> lost_from(const YAML::Node& before, const YAML::Node& after) {
  std::vector<std::string> lost;
  for (const char* part : {"paths", "components"}) compare(before[part], after[part], part, lost);
  return lost;
}

TEST_F(StabilityTest, TheApiHasAllThat10Promised) {
  const YAML::Node before = YAML::LoadFile(kOld + "openapi.yaml");
  EXPECT_THAT(lost_from(before, YAML::LoadFile(std::string(SOURCE_DIR) + "/lib/web/openapi.yaml")),
              ::testing::IsEmpty());
  // That something would be missed.
  YAML::Node less = YAML::Clone(before);
  less["paths"].remove("/api/v1/alerts");
  less["components"]["parameters"]["limit"]["in"] = "header";
  YAML::Node more;
  more["name"] = "mine";
  more["in"] = "query";
  more["required"] = "true";
  less["paths"]["/api/v1/polls"]["get"]["parameters"].push_back(more);
  EXPECT_THAT(
      lost_from(before, less),
      ::testing::UnorderedElementsAre("paths//api/v1/alerts", "components/parameters/limit/in",
                                      "paths//api/v1/polls/get/parameters/mine is required now"));
}

}  // namespace
}  // namespace usaged
