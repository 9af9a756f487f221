#pragma once

#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/temp_folder.h"

// The program as a user has it: the real binary, before a simulator of its own.
namespace usaged {

inline const std::string kBinary = USAGED_BINARY;
inline const std::map<std::string, std::string> kCredentials{
    {"AWS_ACCESS_KEY_ID", "AKIASIMULATOR"},
    {"AWS_SECRET_ACCESS_KEY", "simulator-secret"},
    {"AWS_CONFIG_FILE", "/dev/null"},
    {"AWS_MAX_ATTEMPTS", "1"},
    {"AWS_PAGER", ""}};

class BinaryTest : public ::testing::Test {
 protected:
  // Starts a simulator with these flags; its URL.
  std::string simulate(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {kBinary, "simulate", "--listen", "127.0.0.1:0"});
    simulator_ = std::make_unique<support::Process>(flags);
    EXPECT_TRUE(simulator_->read_until("endpoint-url http://127.0.0.1:")) << simulator_->output();
    EXPECT_TRUE(simulator_->read_until("\n"));
    std::smatch found;
    const std::string output = simulator_->output();
    EXPECT_TRUE(std::regex_search(output, found, std::regex("listens on (http://[0-9.:]+)")));
    return found[1];
  }

  // Writes a configuration with one target and whatever comes after.
  void configure(const std::string& endpoint, const std::string& regions,
                 const std::string& more_of_target = "", const std::string& more = "") {
    std::ofstream(folder_.path("c.yaml"))
        << "database: " << database() << "\nhttp: {port: 0}\ntargets:\n  - name: t\n    regions: ["
        << regions << "]\n    endpoint: " << endpoint << "\n"
        << more_of_target << more;
  }
  std::string database() const { return folder_.path("u.db"); }

  support::Ran command(std::vector<std::string> words) {
    words.insert(words.begin(), kBinary);
    words.insert(words.end(), {"--config", folder_.path("c.yaml")});
    return support::run(words, kCredentials);
  }
  nlohmann::json command_json(const std::vector<std::string>& words) {
    const support::Ran ran = command(words);
    EXPECT_EQ(ran.code, 0) << ran.output;
    return nlohmann::json::parse(ran.output);
  }

  // AWS's own client: `aws WORDS...`
  static support::Ran aws_client(const std::string& url, std::vector<std::string> words,
                                 const std::map<std::string, std::string>& environment) {
    words.insert(words.begin(), "aws");
    words.insert(words.end(), {"--region", "us-east-1", "--output", "json", "--endpoint-url", url});
    return support::run(words, environment);
  }
  static support::Ran aws(const std::string& url, std::vector<std::string> words,
                          const std::string& secret = "simulator-secret") {
    words.insert(words.begin(), {"inspector2", "list-usage-totals"});
    auto environment = kCredentials;
    environment["AWS_SECRET_ACCESS_KEY"] = secret;
    return aws_client(url, words, environment);
  }

  support::TempFolder folder_;
  std::unique_ptr<support::Process> simulator_;
};

}  // namespace usaged
