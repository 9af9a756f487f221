#include <gmock/gmock.h>

#include <regex>
#include <sstream>

#include "core/config.h"
#include "core/text.h"

namespace usaged::core {
namespace {

const std::string kPath = std::string(SOURCE_DIR) + "/etc/inspector-usaged.yaml";

// Those that are shipped, and that were with 1.0: what was good stays good.
class SampleConfig : public ::testing::TestWithParam<std::string> {
 protected:
  std::string path_ = std::string(SOURCE_DIR) + GetParam();
};
INSTANTIATE_TEST_SUITE_P(Versions, SampleConfig,
                         ::testing::Values("/etc/inspector-usaged.yaml",
                                           "/tests/data/1.0/inspector-usaged.yaml"));

std::string transform(const std::string& path, const std::regex& line_of_interest, std::size_t cut,
                      bool keep_others) {
  std::istringstream text(read_file(path));
  std::string result;
  for (std::string line; std::getline(text, line);) {
    if (std::regex_search(line, line_of_interest)) {
      result += line.substr(cut) + "\n";
    } else if (keep_others) {
      result += line + "\n";
    }
  }
  return result;
}

// A key is commented out by a # at the line's beginning and an even number of spaces.
TEST_P(SampleConfig, AsShippedIsTheDefaults) {
  EXPECT_EQ(parse_config(path_, read_file(path_), "."), Config{});
}

TEST_P(SampleConfig, UncommentedIsTheDefaults) {
  const std::string text = transform(path_, std::regex("^#(  )*[a-z-]"), 1, true);
  EXPECT_NE(text, read_file(path_));
  EXPECT_EQ(parse_config("uncommented", text, "."), Config{});
}

TEST(TheSampleConfig, NamesEveryKey) {
  const std::string text = read_file(kPath);
  // As the reader of the configuration asks for them.
  const std::string reader = read_file(std::string(SOURCE_DIR) + "/lib/core/config.cpp");
  const std::regex key(R"re((?:read|scalar|scalars|map|maps|require)\((?:map, )?"([a-z_]+)")re");
  int keys = 0;
  for (std::sregex_iterator it(reader.begin(), reader.end(), key), end; it != end; ++it) {
    const std::string name = (*it)[1];
    EXPECT_TRUE(std::regex_search(text, std::regex("(^|[^a-z_])" + name + ":"))) << name;
    ++keys;
  }
  EXPECT_GT(keys, 40);
}

// Those of `http`, indented by two.
TEST_P(SampleConfig, ItsExamplesOfHttpAreGood) {
  std::istringstream text(read_file(path_));
  std::string examples = "http:\n";
  bool inside = false;
  for (std::string line; std::getline(text, line);) {
    if (std::regex_match(line, std::regex("  # (tokens|peers|tls|anonymous):.*"))) inside = true;
    const bool part = std::regex_match(line, std::regex("  # ([a-z_]+:|  ).*"));
    if (inside && part) examples += "  " + line.substr(4) + "\n";
    if (!part) inside = false;
  }
  const Config config = parse_config("examples", examples, "/etc");
  ASSERT_EQ(config.http.tokens.size(), 1U) << examples;
  EXPECT_EQ(config.http.anonymous, Access::kRead);
  ASSERT_EQ(config.http.peers.size(), 1U);
  EXPECT_EQ(config.http.peers[0].scope, Access::kRead);
  EXPECT_EQ(config.http.tls_key, "credential:tls.key");
}

TEST_P(SampleConfig, ItsExamplesAreGood) {
  // The examples begin with "# key:" and go on with an odd number of spaces.
  std::istringstream text(read_file(path_));
  std::string examples;
  bool inside = false;
  for (std::string line; std::getline(text, line);) {
    if (std::regex_match(line, std::regex("# (accounts|targets|rules|receivers):"))) inside = true;
    if (line.empty()) inside = false;
    if (inside) examples += line.substr(2) + "\n";
  }
  const Config config = parse_config("examples", examples, ".");
  ASSERT_EQ(config.targets.size(), 1U);
  EXPECT_EQ(config.targets[0].regions.size(), 2U);
  EXPECT_EQ(config.accounts.size(), 1U);
  ASSERT_EQ(config.receivers.size(), 8U);  // one of each kind
  ASSERT_EQ(config.rules.size(), 3U);
  EXPECT_EQ(config.rules[0].kind, RuleKind::kBudget);
  // The optional keys of a target show their defaults.
  Target plain;
  plain.name = config.targets[0].name;
  plain.regions = config.targets[0].regions;
  plain.interval = config.collection.interval;
  plain.fips = plain.dual_stack = false;
  EXPECT_EQ(config.targets[0], plain);
}

}  // namespace
}  // namespace usaged::core
