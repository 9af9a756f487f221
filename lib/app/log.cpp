#include "app/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "core/time.h"

namespace usaged::app {
namespace {

using Level = spdlog::level::level_enum;

// The priorities of syslog(3).
int priority_of(Level level) {
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

// As the configuration calls it.
std::string_view name_of(Level level) {
  return level == spdlog::level::err    ? "error"
         : level == spdlog::level::warn ? "warn"
         : level == spdlog::level::info ? "info"
                                        : "debug";
}

Level level_of(const core::Config::Log& config) {
  return config.level == "debug"  ? spdlog::level::debug
         : config.level == "info" ? spdlog::level::info
         : config.level == "warn" ? spdlog::level::warn
                                  : spdlog::level::err;
}

std::string json_text(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string logfmt_text(std::string_view text) {
  const bool plain = !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c != '"' && c != '=' && c != '\\' && c != 0x7f;
  });
  // The escapes of JSON are those that readers of logfmt know.
  return plain ? std::string(text) : json_text(std::string(text));
}

std::string value_text(const Log::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return logfmt_text(*text);
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  return fmt::format("{:.3f}", std::get<double>(value));
}

bool is_journal() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the environment is never written
  return std::getenv("JOURNAL_STREAM") != nullptr;
}

}  // namespace

Log::Log(const core::Config::Log& config)
    : Log(config, std::make_shared<spdlog::sinks::stderr_sink_mt>(), is_journal()) {}

Log::Log(const core::Config::Log& config, spdlog::sink_ptr sink, bool journal, Clock clock)
    : json_(config.format == "json"),
      journal_(journal),
      clock_(std::move(clock)),
      logger_("inspector-usaged", std::move(sink)) {
  logger_.set_pattern("%v");
  logger_.flush_on(spdlog::level::trace);
  set_level(config);
}

std::shared_ptr<Log> Log::quiet() {
  return std::make_shared<Log>(core::Config::Log{}, std::make_shared<spdlog::sinks::null_sink_mt>(),
                               false);
}

void Log::set_level(const core::Config::Log& config) { logger_.set_level(level_of(config)); }

void Log::write(Level level, std::string_view message, Fields fields) {
  if (!logger_.should_log(level)) return;
  std::int64_t left_out = 0;
  if (!admit(message, left_out)) return;
  if (left_out > 0) {
    put(spdlog::level::warn, "lines were left out", {{"of", message}, {"count", left_out}});
  }
  put(level, message, fields);
}

void Log::errors(std::string_view message, const std::string& lines) {
  for (const std::string& line : core::split(lines, '\n')) error(message, {{"error", line}});
}

void Log::request(const web::Request& request) {
  put(spdlog::level::info, "request",
      {{"method", request.method},
       {"target", request.target},
       {"status", request.status},
       {"bytes", request.bytes},
       {"seconds", request.seconds},
       {"from", request.from},
       {"by", request.by},
       {"request_id", request.id}});
}

bool Log::admit(std::string_view message, std::int64_t& left_out) {
  const std::lock_guard lock(mutex_);
  const auto now = clock_();
  auto found = kinds_.find(message);
  if (found == kinds_.end()) found = kinds_.emplace(message, Kind{now}).first;
  Kind& kind = found->second;
  if (now - kind.since >= std::chrono::minutes{1} || now < kind.since) {
    left_out = kind.left_out;
    kind = {now};
  }
  if (kind.written >= kMostAMinute) {
    ++kind.left_out;
    return false;
  }
  ++kind.written;
  return true;
}

// What has no value is left out.
bool Log::is_empty(const Field& field) {
  const auto* text = std::get_if<std::string>(&field.value);
  return text != nullptr && text->empty();
}

void Log::put(Level level, std::string_view message, Fields fields) {
  const std::string time = core::format_time(std::chrono::floor<core::Seconds>(clock_()));
  std::string line = journal_ ? fmt::format("<{}>", priority_of(level)) : "";
  if (json_) {
    nlohmann::ordered_json object{{"time", time}, {"level", name_of(level)}, {"msg", message}};
    for (const Field& field : fields) {
      if (is_empty(field)) continue;
      std::visit([&](const auto& value) { object[std::string(field.name)] = value; }, field.value);
    }
    line += json_text(object);
  } else {
    if (!journal_) line += fmt::format("time={} level={} ", time, name_of(level));
    line += "msg=" + logfmt_text(message);
    for (const Field& field : fields) {
      if (is_empty(field)) continue;
      line += fmt::format(" {}={}", field.name, value_text(field.value));
    }
  }
  logger_.log(level, "{}", line);
}

}  // namespace usaged::app
