// doctor, with the real binary: a line for whatever an operator would look at.
#include <sys/stat.h>
#include <unistd.h>

#include "e2e/binary.h"
#include "support/wait.h"

namespace usaged {
namespace {

using support::Process;
using support::Ran;
using ::testing::HasSubstr;
using json = nlohmann::json;

class DoctorTest : public BinaryTest {
 protected:
  // What doctor says of one thing: [result, found, advice], each with a line for each finding.
  struct Said {
    std::string result;
    std::string found;
    std::string advice;
  };
  Said doctor(const std::string& what, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"doctor", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Ran ran = command(words);
    code_ = ran.code;
    const json answer = json::parse(ran.output);
    Said said;
    for (const json& row : answer["data"]) {
      EXPECT_EQ(row["result"] == "good", row["advice"].is_null()) << row;
      if (!row["what"].get<std::string>().starts_with(what)) continue;
      said.result += row["result"].get<std::string>() + "\n";
      said.found += row["found"].get<std::string>() + "\n";
      if (!row["advice"].is_null()) said.advice += row["advice"].get<std::string>() + "\n";
    }
    return said;
  }

  int code_ = 0;
};

TEST_F(DoctorTest, FindsNothingBadWhereAllIsWell) {
  const int port = support::free_port();
  const std::string endpoint = simulate({});
  configure(endpoint, "us-east-1");
  std::ofstream(folder_.path("c.yaml"))
      << "database: " << database() << "\nhttp: {port: " << port << "}\ntargets:\n  - {name: t, "
      << "regions: [us-east-1], endpoint: '" << endpoint << "'}\n";
  auto environment = kCredentials;
  environment["AWS_ENDPOINT_URL"] = endpoint;
  const Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, environment);
  ASSERT_TRUE(support::eventually([&] { return doctor("daemon").result == "good\n"; }));
  ASSERT_TRUE(support::eventually([&] { return doctor("collection").result == "good\n"; }));
  for (const char* what : {"configuration", "permissions", "disk", "database", "daemon",
                           "collection", "connection t/us-east-1", "versions"}) {
    const Said said = doctor(what);
    EXPECT_EQ(said.result, "good\n") << what << ": " << said.found;
  }
  const Ran table = command({"doctor", "--offline"});
  EXPECT_THAT(table.output, HasSubstr("is ready at http://127.0.0.1:"));
  EXPECT_THAT(table.output, ::testing::Not(HasSubstr("credentials t")));
}

TEST_F(DoctorTest, SaysWhatIsWrongAndWhatToDo) {
  std::ofstream(folder_.path("c.yaml")) << "lgo: {}\nretention: {samples: 1d}\n";
  const Said lines = doctor("configuration");
  EXPECT_EQ(lines.result, "bad\nbad\n");
  EXPECT_THAT(lines.found, HasSubstr("c.yaml:1:1: lgo: "));
  EXPECT_EQ(code_, 1);

  std::ofstream(folder_.path("secret")) << "s";
  ASSERT_EQ(::chmod(folder_.path("secret").c_str(), 0644), 0);
  std::ofstream(folder_.path("c.yaml"))
      << "database: " << folder_.path("nowhere/u.db") << "\nhttp: {port: 1}\n"
      << "targets: [{name: t, regions: [us-east-1], endpoint: 'http://no-such-host.invalid'}]\n"
      << "receivers: [{name: hook, url: 'https://127.0.0.1/', secret_file: secret},\n"
      << "            {name: gone, url_file: no-such-file}]\n";
  EXPECT_THAT(doctor("receiver hook").found, HasSubstr("is open to everybody"));
  EXPECT_THAT(doctor("receiver hook").advice, HasSubstr("chmod o= "));
  EXPECT_THAT(doctor("receiver gone").found, HasSubstr("no-such-file: No such file"));
  EXPECT_EQ(doctor("folder").result, "bad\n");
  EXPECT_EQ(doctor("daemon").result, "doubtful\n");
  EXPECT_THAT(doctor("connection").found, HasSubstr("DNS: no-such-host.invalid"));
  EXPECT_EQ(doctor("connection", {"--offline"}).result, "");
}

TEST_F(DoctorTest, LooksAtTheDatabaseAndTheCollection) {
  const std::string endpoint = simulate({});
  configure(endpoint, "us-east-1");
  ASSERT_EQ(command({"poll"}).code, 0);
  configure("http://127.0.0.1:1", "us-east-1");
  EXPECT_EQ(command({"poll"}).code, 1);
  EXPECT_THAT(doctor("collection t/us-east-1", {"--offline"}).found,
              HasSubstr("the last 1 polls failed"));
  EXPECT_EQ(doctor("credentials", {}).result, "bad\n");  // nobody to ask there
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown((database() + ".lock").c_str(), 12345, 12345), 0);
    EXPECT_THAT(doctor("permissions", {"--offline"}).advice, HasSubstr("chown 0:0 "));
  }
  // A page of it is overwritten.
  std::fstream file(database(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(8192);
  file << std::string(4096, 'x');
  file.close();
  EXPECT_THAT(doctor("database", {"--offline"}).result, HasSubstr("bad\n"));
  EXPECT_EQ(code_, 1);
}

}  // namespace
}  // namespace usaged
