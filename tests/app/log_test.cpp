#include "app/log.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/text.h"

namespace usaged::app {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using json = nlohmann::json;

class LogTest : public ::testing::Test {
 protected:
  Log make(const std::string& format, bool journal = false) {
    return Log({"info", format}, std::make_shared<spdlog::sinks::ostream_sink_mt>(out_), journal,
               [this] { return now_; });
  }
  std::vector<std::string> lines() const { return core::split(out_.str(), '\n'); }

  std::ostringstream out_;
  std::chrono::system_clock::time_point now_{seconds{1772366400}};
};

TEST_F(LogTest, LogfmtQuotesWhatIsNotPlain) {
  Log log = make("logfmt");
  log.info("poll failed", {{"target", "t"},
                           {"error", "a \"b\"\nmsg=forged\x1b[31m"},
                           {"empty", ""},
                           {"series", 112},
                           {"seconds", 0.25}});
  EXPECT_EQ(out_.str(),
            "time=2026-03-01T12:00:00Z level=info msg=\"poll failed\" target=t "
            "error=\"a \\\"b\\\"\\nmsg=forged\\u001b[31m\" series=112 seconds=0.250\n");
}

TEST_F(LogTest, JsonIsAnObjectALine) {
  Log log = make("json");
  log.warn("poll failed", {{"error", "bad \xff byte\n"}, {"series", 112}, {"seconds", 0.25}});
  const json line = json::parse(out_.str());
  EXPECT_EQ(line["time"], "2026-03-01T12:00:00Z");
  EXPECT_EQ(line["level"], "warn");
  EXPECT_EQ(line["msg"], "poll failed");
  EXPECT_EQ(line["series"], 112);
  EXPECT_EQ(line["seconds"], 0.25);
}

TEST_F(LogTest, TheJournalGetsPriorities) {
  Log log = make("logfmt", true);
  log.info("a");
  log.warn("b");
  log.errors("bad", "one\ntwo");
  log.debug("not at this level");
  EXPECT_EQ(out_.str(), "<6>msg=a\n<4>msg=b\n<3>msg=bad error=one\n<3>msg=bad error=two\n");
  out_.str("");
  make("json", true).info("a");
  EXPECT_TRUE(out_.str().starts_with("<6>{")) << out_.str();
}

TEST_F(LogTest, OfOneMessageSoManyAMinuteAreWritten) {
  Log log = make("logfmt");
  for (int i = 0; i < Log::kMostAMinute + 5; ++i) log.info("polled", {{"series", i}});
  log.info("stopping");  // another message is not held up
  EXPECT_EQ(lines().size(), static_cast<std::size_t>(Log::kMostAMinute) + 2);
  out_.str("");
  now_ += seconds{59};
  log.info("polled");
  EXPECT_EQ(out_.str(), "");
  now_ += seconds{1};
  log.info("polled");
  EXPECT_THAT(out_.str(), HasSubstr("msg=\"lines were left out\" of=polled count=6\n"));
  EXPECT_EQ(lines().size(), 3U);
  // Requests are the operator's choice.
  out_.str("");
  for (int i = 0; i < Log::kMostAMinute + 5; ++i) log.request({});
  EXPECT_EQ(lines().size(), static_cast<std::size_t>(Log::kMostAMinute) + 6);
}

TEST_F(LogTest, ItsLevelCanChange) {
  Log log = make("logfmt");
  log.set_level({"error", "logfmt"});
  log.warn("a");
  log.set_level({"debug", "logfmt"});
  log.debug("b");
  EXPECT_THAT(out_.str(), HasSubstr("level=debug msg=b"));
  EXPECT_EQ(lines().size(), 2U);
}

}  // namespace
}  // namespace usaged::app
