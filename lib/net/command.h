#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>

namespace usaged::net {

struct CommandLimits {
  std::chrono::milliseconds timeout{60000};
  std::size_t most_bytes = 64U << 10U;
  const std::atomic<bool>* stop = nullptr;  // while it is true, the command is ended at once
};

// Runs a command by `sh -c` and returns its standard output; standard input is empty, standard
// error goes nowhere, since it may hold secrets. It gets this process's environment, none of its
// open files, and is killed with all it started when a limit is passed. Throws Error(kRemote) if it
// can't be run, fails, or passes a limit; nothing it said is in the message.
std::string run_command(const std::string& command, const CommandLimits& limits);

}  // namespace usaged::net
