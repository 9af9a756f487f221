// migrate-store: a history from a file to a server, or back.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "daemon/commands.h"
#include "store/move.h"
#include "store/postgres.h"
#include "web/replies.h"

namespace usaged::daemon {
namespace {

constexpr int kBar = 40;

struct MoveFlags {
  std::string from;
  std::string to;
  bool as_json = false;
};

void show(double done) {
  const int full = static_cast<int>(done * kBar);
  fmt::print(stderr, "\r[{}{}] {:3.0f} %", std::string(static_cast<std::size_t>(full), '#'),
             std::string(static_cast<std::size_t>(kBar - full), '.'), 100 * done);
  if (done >= 1) fmt::print(stderr, "\n");
}

void run(const MoveFlags& given) {
  const bool shown = isatty(STDERR_FILENO) != 0;
  const store::Moved moved = store::move_store(given.from, given.to, [shown](double done) {
    if (shown) show(done);
  });
  if (given.as_json) {
    write_out(web::to_text({{"data",
                             {{"from", store::place_of(given.from)},
                              {"to", store::place_of(given.to)},
                              {"rows", moved.rows},
                              {"resumed", moved.resumed},
                              {"sha256", moved.sha256}}}},
                           2) +
              "\n");
    return;
  }
  write_out(fmt::format(
      "{} has the {} rows of {}{}; both have SHA-256 {}\n", store::place_of(given.to), moved.rows,
      store::place_of(given.from),
      moved.resumed > 0 ? fmt::format(", {} of them since an earlier attempt", moved.resumed) : "",
      moved.sha256));
}

}  // namespace

void add_migrate_store(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "migrate-store",
      "Copy the history from a file to a PostgreSQL server, or back, and compare the two; not "
      "while a daemon writes either. One that was cut short goes on where it was");
  const auto given = std::make_shared<MoveFlags>();
  command->add_option("from", given->from, "A database file, or postgresql://...")->required();
  command->add_option("to", given->to, "The other: a new one, or one that was begun")->required();
  command->add_flag("--json", given->as_json, "Print JSON");
  command->callback([given] { run(*given); });
}

}  // namespace usaged::daemon
