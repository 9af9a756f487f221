#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "app/clock.h"
#include "core/config.h"
#include "core/error.h"

namespace usaged::daemon {

// What every command may need of the command line.
struct Globals {
  std::string config_path = USAGED_SYSCONFDIR "/inspector-usaged.yaml";
};

// The database that a command works on: the one that it was given, else the configuration's.
inline std::string database_of(const Globals& globals, const std::string& given) {
  return given.empty() ? core::load_config(globals.config_path).database : given;
}

// Throws Error(kUnavailable) if it can't.
inline void write_out(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    throw core::Error(core::ErrorCode::kUnavailable, "standard output can't be written");
  }
}

// Each adds its subcommand, whose callback runs it and sets the exit code.
void add_run(CLI::App& app, const Globals& globals, int& exit_code);
void add_demo(CLI::App& app, int& exit_code);
void add_simulate(CLI::App& app, int& exit_code);
void add_check_config(CLI::App& app, const Globals& globals, int& exit_code);
void add_poll(CLI::App& app, const Globals& globals, int& exit_code);
void add_import(CLI::App& app, const Globals& globals, int& exit_code);
void add_backtest(CLI::App& app, const Globals& globals, int& exit_code);
// backup, restore, verify.
void add_backup(CLI::App& app, const Globals& globals, int& exit_code);
void add_migrate_store(CLI::App& app);
// silence, ack, redrive, test-notify.
void add_actions(CLI::App& app, const Globals& globals, int& exit_code);
// All that only read: status, latest, history, ..., export.
void add_questions(CLI::App& app, const Globals& globals);
void add_sql(CLI::App& app, const Globals& globals);

// version, with the libraries.
void add_version(CLI::App& app);
void add_doctor(CLI::App& app, const Globals& globals, int& exit_code);
// manual and completion, of all that `app` has when they run.
void add_manual(CLI::App& app, const Globals& globals);

// Blocks the signals that end the program in every thread begun from now on, and ignores SIGPIPE.
void block_signals();
// Waits for one of them and returns it; 0 if none has come within `limit`.
int wait_for_signal(std::optional<core::Seconds> limit);

}  // namespace usaged::daemon
