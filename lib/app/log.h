#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "core/config.h"

namespace usaged::app {

// A logger to standard error. Under systemd a line begins with its priority as "<n>" (sd-daemon(3))
// instead of the time, which the journal adds itself; with format "json" it is an object.
std::shared_ptr<spdlog::logger> make_logger(const core::Config::Log& config);

// What a configured level is for spdlog.
spdlog::level::level_enum level_of(const core::Config::Log& config);

// One that says nothing.
std::shared_ptr<spdlog::logger> quiet_logger();

}  // namespace usaged::app
