#include "app/log.h"

#include <spdlog/formatter.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/time.h"

namespace usaged::app {
namespace {

// The priorities of syslog(3).
int priority_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::critical:
      return 2;
    case spdlog::level::err:
      return 3;
    case spdlog::level::warn:
      return 4;
    case spdlog::level::info:
      return 6;
    case spdlog::level::trace:
    case spdlog::level::debug:
    case spdlog::level::off:
    case spdlog::level::n_levels:
      break;
  }
  return 7;
}

void append(spdlog::memory_buf_t& out, const std::string& text) {
  out.append(text.data(), text.data() + text.size());
}

std::string text_of(const spdlog::details::log_msg& message) {
  return {message.payload.data(), message.payload.size()};
}

class JournalFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string prefix = fmt::format("<{}>", priority_of(message.level));
    append(out, prefix);
    // Each line of a message is an entry of its own.
    for (const char c : text_of(message)) {
      out.push_back(c);
      if (c == '\n') append(out, prefix);
    }
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JournalFormatter>();
  }
};

class JsonFormatter : public spdlog::formatter {
 public:
  explicit JsonFormatter(bool journal) : journal_(journal) {}
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto level = spdlog::level::to_string_view(message.level);
    const nlohmann::ordered_json line{
        {"time", core::format_time(std::chrono::floor<core::Seconds>(message.time))},
        {"level", std::string(level.data(), level.size())},
        {"message", text_of(message)}};
    if (journal_) append(out, fmt::format("<{}>", priority_of(message.level)));
    append(out, line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>(journal_);
  }

 private:
  bool journal_;
};

}  // namespace

std::shared_ptr<spdlog::logger> make_logger(const core::Config::Log& config) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>("inspector-usaged", sink);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written
  const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  if (config.format == "json") {
    logger->set_formatter(std::make_unique<JsonFormatter>(journal));
  } else if (journal) {
    logger->set_formatter(std::make_unique<JournalFormatter>());
  } else {
    logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%SZ %-5l %v", spdlog::pattern_time_type::utc));
  }
  logger->set_level(level_of(config));
  logger->flush_on(spdlog::level::trace);
  return logger;
}

spdlog::level::level_enum level_of(const core::Config::Log& config) {
  return config.level == "debug"  ? spdlog::level::debug
         : config.level == "info" ? spdlog::level::info
         : config.level == "warn" ? spdlog::level::warn
                                  : spdlog::level::err;
}

std::shared_ptr<spdlog::logger> quiet_logger() {
  return std::make_shared<spdlog::logger>("quiet", std::make_shared<spdlog::sinks::null_sink_mt>());
}

}  // namespace usaged::app
