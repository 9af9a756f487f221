// backup, verify and restore with the real binary.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "core/text.h"
#include "e2e/binary.h"
#include "support/wait.h"

namespace usaged {
namespace {

namespace fs = std::filesystem;
using support::eventually;
using support::Process;
using support::Ran;
using ::testing::HasSubstr;
using json = nlohmann::json;

class BackupTest : public BinaryTest {
 protected:
  void SetUp() override {
    configure(simulate({"--accounts", "20", "--regions", "us-east-1"}), "us-east-1");
    fs::create_directory(copies());
  }
  std::string copies() const { return folder_.path("copies"); }
  std::int64_t polls() {
    return static_cast<std::int64_t>(command_json({"polls", "--json"})["data"].size());
  }
};

TEST_F(BackupTest, CopiesWhileTheDaemonRunsAndRestoresWhenItDoesNot) {
  {
    Process daemon({kBinary, "run", "--config", folder_.path("c.yaml")}, kCredentials);
    ASSERT_TRUE(daemon.read_until("series"));
    for (const bool gzip : {false, true}) {
      std::vector<std::string> words{"backup", copies(), "--json"};
      if (gzip) words.emplace_back("--gzip");
      const json made = command_json(words)["data"];
      const std::string copy = made["copy"];
      EXPECT_TRUE(copy.ends_with(gzip ? ".db.gz" : ".db")) << copy;
      EXPECT_EQ(made["bytes"], fs::file_size(copy));
      const json found = command_json({"verify", copy, "--json"})["data"];
      EXPECT_EQ(found["whole"], true);
      EXPECT_EQ(found["polls"], 1);
    }
    EXPECT_EQ(command({"verify"}).code, 0);
    // Not under a daemon.
    std::string copy;
    for (const auto& entry : fs::directory_iterator(copies())) copy = entry.path().string();
    const Ran refused = command({"restore", copy});
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.output, HasSubstr("stop it first"));
  }
  const std::int64_t before = polls();
  for (const auto& entry : fs::directory_iterator(copies())) {
    ASSERT_EQ(command({"poll"}).code, 0);
    const json restored = command_json({"restore", entry.path().string(), "--json"})["data"];
    EXPECT_TRUE(fs::exists(restored["aside"].get<std::string>()));
    EXPECT_EQ(polls(), before);
    std::this_thread::sleep_for(std::chrono::milliseconds{1100});  // names have the second
  }
  EXPECT_EQ(command({"poll"}).code, 0);
  EXPECT_EQ(polls(), before + 1);
}

TEST_F(BackupTest, KeepsTheNewestAndNothingOfAnybodyElse) {
  ASSERT_EQ(command({"poll"}).code, 0);
  for (const char* name : {"inspector-usaged-2020-01-01T000000Z.db",
                           "inspector-usaged-2020-01-02T000000Z.db.gz", "notes.txt", "other.db"}) {
    std::ofstream(copies() + "/" + name) << "x";
  }
  const Ran ran = command({"backup", copies(), "--keep", "2"});
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("checked; 1 older ones removed"));
  EXPECT_FALSE(fs::exists(copies() + "/inspector-usaged-2020-01-01T000000Z.db"));
  EXPECT_TRUE(fs::exists(copies() + "/inspector-usaged-2020-01-02T000000Z.db.gz"));
  EXPECT_TRUE(fs::exists(copies() + "/notes.txt"));
  EXPECT_TRUE(fs::exists(copies() + "/other.db"));
}

TEST_F(BackupTest, WhatIsDamagedIsSaidToBe) {
  ASSERT_EQ(command({"poll"}).code, 0);
  const std::string copy = folder_.path("one.db.gz");
  ASSERT_EQ(command({"backup", copy, "--gzip"}).code, 0);
  const std::string good = core::read_file(copy);
  const std::string database = core::read_file(this->database());
  std::string flipped = good;
  flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 0x55);
  for (const std::string& bad : {good.substr(0, good.size() / 2), std::string("x"), flipped}) {
    std::ofstream(copy, std::ios::binary | std::ios::trunc) << bad;
    EXPECT_EQ(command({"verify", copy}).code, 1);
    const Ran ran = command({"restore", copy});
    EXPECT_EQ(ran.code, 1) << ran.output;
    EXPECT_EQ(core::read_file(this->database()), database);
  }
  EXPECT_EQ(command({"restore", folder_.path("nothing.db")}).code, 2);
  EXPECT_EQ(command({"backup", copy, "--gzip"}).code, 1);  // it is there already
  EXPECT_EQ(command({"backup", folder_.path("two.db"), "--gzip"}).code, 2);
  EXPECT_EQ(command({"backup", folder_.path("two.db"), "--keep", "2"}).code, 2);
  EXPECT_EQ(command({"backup", folder_.path("no/such/folder.db")}).code, 1);
  for (const auto& entry : fs::directory_iterator(folder_.path(""))) {
    const std::string name = entry.path().filename().string();
    EXPECT_TRUE(name.find("partial") == std::string::npos &&
                name.find("plain") == std::string::npos &&
                name.find("unpacked") == std::string::npos)
        << name;
  }
}

}  // namespace
}  // namespace usaged
