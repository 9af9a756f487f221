#pragma once

#include <spdlog/common.h>
#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>

#include "core/config.h"
#include "web/server.h"

namespace usaged::app {

// A line says what happened in words that are always the same, and what it happened to in fields:
//   time=2026-03-01T12:00:00Z level=info msg=polled target=t region=eu-west-1 series=112
// as logfmt or, with format "json", as an object; a field of no text is left out. Under systemd a
// line begins with its priority as
// "<n>" (sd-daemon(3)), and logfmt leaves out what the journal adds itself. Of one message
// kMostAMinute lines a minute are written; how many more there were is said in the next minute.
// Safe for every thread.
class Log {
 public:
  using Value = std::variant<std::string, std::int64_t, double>;
  struct Field {
    template <typename T>
    Field(std::string_view n, const T& v) : name(n), value(value_of(v)) {}
    std::string_view name;
    Value value;

   private:
    template <typename T>
    static Value value_of(const T& v) {
      if constexpr (std::is_floating_point_v<T>) {
        return static_cast<double>(v);
      } else if constexpr (std::is_integral_v<T>) {
        return static_cast<std::int64_t>(v);
      } else {
        return std::string(v);
      }
    }
  };
  using Fields = std::initializer_list<Field>;
  using Clock = std::function<std::chrono::system_clock::time_point()>;

  static constexpr int kMostAMinute = 600;

  // Writes to standard error, or to a sink and with a clock for tests.
  explicit Log(const core::Config::Log& config);
  Log(const core::Config::Log& config, spdlog::sink_ptr sink, bool journal,
      Clock clock = std::chrono::system_clock::now);
  // One that says nothing.
  static std::shared_ptr<Log> quiet();

  void debug(std::string_view message, Fields fields = {}) {
    write(spdlog::level::debug, message, fields);
  }
  void info(std::string_view message, Fields fields = {}) {
    write(spdlog::level::info, message, fields);
  }
  void warn(std::string_view message, Fields fields = {}) {
    write(spdlog::level::warn, message, fields);
  }
  void error(std::string_view message, Fields fields = {}) {
    write(spdlog::level::err, message, fields);
  }
  void write(spdlog::level::level_enum level, std::string_view message, Fields fields);
  // An error of several lines, as a configuration has them, as a line each.
  void errors(std::string_view message, const std::string& lines);
  // A request, whatever the limit.
  void request(const web::Request& request);

  void set_level(const core::Config::Log& config);
  spdlog::level::level_enum level() const { return logger_.level(); }

 private:
  struct Kind {
    std::chrono::system_clock::time_point since;
    int written = 0;
    std::int64_t left_out = 0;
  };

  // True if another line of this kind may be written; `left_out` is how many were not before it.
  bool admit(std::string_view message, std::int64_t& left_out);
  static bool is_empty(const Field& field);
  void put(spdlog::level::level_enum level, std::string_view message, Fields fields);

  bool json_;
  bool journal_;
  Clock clock_;
  spdlog::logger logger_;
  std::mutex mutex_;
  std::map<std::string, Kind, std::less<>> kinds_;
};

}  // namespace usaged::app
