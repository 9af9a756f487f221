#include <fmt/format.h>

#include <cstdio>

#include "app/process.h"
#include "core/error.h"
#include "daemon/commands.h"

namespace usaged::daemon {
namespace {

int run(int argc, char** argv) {
  CLI::App app{
      "Keeps the history of Amazon Inspector's usage totals: what it costs, what changed, who did "
      "it.\nExit codes: 0 good, 1 failed at run time, 2 wrong usage or configuration."};
  app.name("inspector-usaged");
  app.set_version_flag("--version", "inspector-usaged " USAGED_VERSION);
  Globals globals;
  app.add_option("--config", globals.config_path, "Configuration file")->capture_default_str();
  app.fallthrough();
  app.require_subcommand(1);
  int exit_code = 0;
  add_run(app, globals, exit_code);
  add_demo(app, exit_code);
  add_simulate(app, exit_code);
  add_check_config(app, globals, exit_code);
  add_poll(app, globals, exit_code);
  add_questions(app, globals);
  add_sql(app, globals);
  add_import(app, globals, exit_code);
  add_backtest(app, globals, exit_code);
  add_backup(app, globals, exit_code);
  add_migrate_store(app);
  add_actions(app, globals, exit_code);
  add_doctor(app, globals, exit_code);
  add_version(app);
  add_manual(app, globals);
  try {
    app.parse(argc, argv);
    return exit_code;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const core::Error& e) {
    fmt::print(stderr, "inspector-usaged: {}\n", e.what());
    return core::exit_code(e.code());
  }
}

}  // namespace
}  // namespace usaged::daemon

int main(int argc, char** argv) {
  usaged::app::prepare_process();
  try {
    return usaged::daemon::run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "inspector-usaged: internal error: %s\n", e.what());
    return 1;
  }
}
