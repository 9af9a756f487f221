#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <memory>

#include "core/error.h"
#include "core/region.h"
#include "core/text.h"
#include "daemon/commands.h"
#include "sim/simulator.h"

namespace usaged::daemon {
namespace {

using core::Error;
using core::ErrorCode;

struct SimulateFlags {
  sim::SimulatorOptions options;
  std::string listen = "127.0.0.1:10331";
  std::string regions = "us-east-1,eu-central-1";
  std::string faults;
  std::string now;
  std::string reply;
  std::string clock_skew;
};

void set_listen(const std::string& text, sim::SimulatorOptions& options) {
  const std::size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  int number = -1;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || error != std::errc{} || end != port.data() + port.size() || number < 0 ||
      number > 65535) {
    throw Error(ErrorCode::kInvalid, "--listen: '{}' is not ADDRESS:PORT", text);
  }
  if (colon > 0) options.address = text.substr(0, colon);
  options.port = number;
}

void simulate(const SimulateFlags& flags) {
  const app::SystemClock clock;
  sim::SimulatorOptions options = flags.options;
  set_listen(flags.listen, options);
  options.organization.regions = flags.regions == "all"
                                     ? core::regions_of(core::Partition::kCommercial)
                                     : core::split(flags.regions, ',');
  for (const std::string& region : options.organization.regions) {
    if (!core::is_region_shaped(region)) {
      throw Error(ErrorCode::kInvalid, "--regions: '{}' is not a region", region);
    }
  }
  if (!flags.reply.empty()) options.reply = core::read_file(flags.reply);
  if (!flags.faults.empty()) {
    options.faults = sim::parse_faults(flags.faults, core::read_file(flags.faults));
  }
  if (!flags.clock_skew.empty()) {
    const bool behind = flags.clock_skew.front() == '-';
    options.clock_skew = core::parse_duration(flags.clock_skew.substr(behind ? 1 : 0));
    if (behind) options.clock_skew = -options.clock_skew;
  }
  options.now = options.signing_now = [&clock] { return clock.now(); };

  block_signals();
  sim::Simulator simulator(options);
  if (!flags.now.empty()) simulator.freeze(core::parse_time(flags.now, clock.now()));
  fmt::print(
      "A simulated Amazon Inspector listens on {}\n"
      "  {} accounts, regions {}, data of {}\n"
      "Ask it with the AWS command-line client, its key id {} and its secret:\n"
      "  aws inspector2 list-usage-totals --region {} --endpoint-url {}\n"
      "STS, Organizations, instance metadata (below /latest/) and a container's credentials\n"
      "(/v2/credentials/simulator) answer at the same address; roles are of {} or any account.\n",
      simulator.url(), options.organization.accounts, flags.regions,
      core::format_time(simulator.now()), options.credentials.access_key_id,
      options.organization.regions.front(), simulator.url(), sim::kAdministrator);
  std::fflush(stdout);
  wait_for_signal(std::nullopt);
}

}  // namespace

void add_simulate(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("simulate", "Run a simulated Amazon Inspector");
  auto flags = std::make_shared<SimulateFlags>();
  sim::SimulatorOptions& options = flags->options;
  command->add_option("--listen", flags->listen, "ADDRESS:PORT; port 0 takes any free one")
      ->capture_default_str();
  command->add_option("--accounts", options.organization.accounts, "How many")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--regions", flags->regions, "Which, separated by commas, or all")
      ->capture_default_str();
  command->add_option("--seed", options.organization.seed, "Another seed, another organization")
      ->capture_default_str();
  command->add_option("--faults", flags->faults, "A plan of what goes wrong (YAML)");
  command->add_option("--access-key", options.credentials.access_key_id, "Key id that is accepted")
      ->capture_default_str();
  command->add_option("--secret-key", options.credentials.secret_access_key,
                      "Its secret (default simulator-secret)");
  command->add_option("--session-token", options.credentials.session_token, "Its session token");
  command->add_option("--now", flags->now,
                      "Time of the data, which then stands still (default: the machine's clock)");
  command->add_option("--reply", flags->reply, "Send this file as every good reply");
  command->add_option("--clock-skew", flags->clock_skew,
                      "How far AWS's clock is ahead, like 10m, or behind, like -10m");
  command->add_option("--external-id", options.sts.external_id,
                      "That AssumeRole wants (default: any)");
  command
      ->add_option("--web-identity-token", options.sts.web_identity_token,
                   "That AssumeRoleWithWebIdentity wants")
      ->capture_default_str();
  command->add_option("--container-token", options.container_token,
                      "Authorization that a container's credentials take (default: any)");
  command->callback([flags, &exit_code] {
    simulate(*flags);
    exit_code = 0;
  });
}

}  // namespace usaged::daemon
