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

// As the README has it: nothing is lost but what was polled between the backup and the damage, and
// that lies beside.
TEST_F(BackupTest, ADamagedDatabaseIsMovedAsideAndItsHistoryComesBack) {
  ASSERT_EQ(command({"poll"}).code, 0);
  const std::string copy = folder_.path("good.db");
  ASSERT_EQ(command({"backup", copy}).code, 0);
  const json page =
      command_json({"sql", "SELECT rootpage FROM sqlite_schema WHERE name = 'poll'", "--json"});
  {
    std::fstream file(database(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp((page["rootpage"].get<std::streamoff>() - 1) * 4096 + 200);
    file << "damage";
  }
  const std::string damaged = core::read_file(database());
  EXPECT_EQ(command({"poll"}).code, 1);
  const std::vector<std::string> run{kBinary, "run", "--config", folder_.path("c.yaml")};
  const Ran first = support::run(run, kCredentials);
  EXPECT_EQ(first.code, 1);
  EXPECT_THAT(first.output, HasSubstr("has been damaged"));
  std::string aside;
  {
    Process daemon(run, kCredentials);
    ASSERT_TRUE(daemon.read_until("was moved aside, and a new one begun")) << daemon.output();
    ASSERT_TRUE(daemon.read_until("series")) << daemon.output();
    aside = command_json({"status", "--json"})["data"]["database"]["set_aside"][0];
    EXPECT_TRUE(core::read_file(aside) == damaged);
    EXPECT_THAT(command({"status"}).output, HasSubstr(aside + ": was damaged"));
    EXPECT_THAT(command({"doctor", "--offline"}).output, HasSubstr(aside + ": was damaged"));
  }
  EXPECT_EQ(polls(), 1);
  std::ofstream(folder_.path("since.csv")) << command({"export"}).output;
  ASSERT_EQ(command({"restore", copy}).code, 0);
  const Ran imported = command({"import", folder_.path("since.csv")});
  ASSERT_EQ(imported.code, 0) << imported.output;
  EXPECT_EQ(polls(), 2);
  EXPECT_EQ(command({"verify"}).code, 0);
  EXPECT_TRUE(core::read_file(aside) == damaged);
}

}  // namespace
}  // namespace usaged
