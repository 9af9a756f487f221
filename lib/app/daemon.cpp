#include "app/daemon.h"

#include <spdlog/spdlog.h>

#include "core/error.h"
#include "store/reader.h"

namespace usaged::app {
namespace {

web::ServerOptions server_options(const core::Config& config) {
  web::ServerOptions options;
  options.address = config.http.address;
  options.port = config.http.port;
  options.allowed_hosts = config.http.allowed_hosts;
  options.max_requests = config.http.max_requests;
  options.database = config.database;
  return options;
}

std::string external_url(const core::Config& config, const std::string& own) {
  return config.http.external_url.empty() ? own : config.http.external_url;
}

// Tells the store what is configured, before anything reads it. Returns how many polls were cut
// short when the last process ended.
int prepare(store::Store& store, const core::Config& config, const Daemon::World& world) {
  const int interrupted = store.recover(world.clock.now());
  if (interrupted > 0) {
    world.log.warn("{} polls were cut short when the last process ended", interrupted);
  }
  store.set_targets(config.targets, world.clock.now());
  store.set_accounts(config.accounts);
  return interrupted;
}

}  // namespace

Daemon::Daemon(core::Config config, World world)
    : config_(std::move(config)),
      world_(std::move(world)),
      store_(config_.database),
      interrupted_(prepare(store_, config_, world_)),
      server_(std::make_unique<web::Server>(
          server_options(config_),
          web::ServerWorld{[this] { return world_.clock.now(); },
                           [this]() -> std::string {
                             if (world_.stop.requested()) return "the daemon is stopping";
                             return started_ ? "" : "the daemon is starting";
                           },
                           actors(), [this] { return config_.rules; }},
          counters_)),
      collector_(config_, {store_, world_.clock, counters_, world_.stop, world_.log,
                           world_.environment, [this] { alerter_.notice(); }}),
      alerter_(config_, {store_, world_.clock, world_.stop, world_.log,
                         [this] { return collector_.idle(); }, [this] { notifier_.polled(); }}),
      notifier_(config_, {store_, world_.clock, counters_, world_.stop, world_.log,
                          world_.environment, external_url(config_, server_->url())}) {}

Daemon::~Daemon() {
  world_.stop.request();
  join();
  server_.reset();
}

// Requests come as soon as the server listens, which is before the rest is there.
web::Actors Daemon::actors() {
  return {&store_,
          [this] {
            if (started_) notifier_.notice();
          },
          [this](const std::vector<std::string>& targets) {
            if (!started_) {
              throw core::Error(core::ErrorCode::kUnavailable, "the daemon is starting");
            }
            return collector_.poll_soon(targets);
          }};
}

void Daemon::start() {
  collector_.start();
  alerter_.start();
  notifier_.start();
  started_ = true;
}

void Daemon::join() {
  collector_.join();
  alerter_.join();
  notifier_.join();
}

void Daemon::step() {
  collector_.poll_due();
  alerter_.evaluate();
  notifier_.deliver_due();
}

bool Daemon::alive() {
  store_.open_alerts();
  return collector_.alive();
}

std::string Daemon::status_line() {
  store::Reader reader(config_.database);
  int good = 0;
  int bad = 0;
  for (const store::ScopeRow& scope : reader.scopes()) {
    if (scope.removed) continue;
    ++(scope.failures == 0 ? good : bad);
  }
  return fmt::format("{} targets and regions good, {} failing; {}", good, bad, server_->url());
}

std::vector<PollResult> poll_once(const core::Config& config,
                                  const std::vector<std::string>& targets,
                                  const Daemon::World& world) {
  store::Store store(config.database);
  prepare(store, config, world);
  web::Counters counters;
  Collector collector(
      config, {store, world.clock, counters, world.stop, world.log, world.environment, nullptr});
  std::vector<PollResult> results = collector.poll_now(targets);
  const std::string own = fmt::format("http://{}:{}", config.http.address, config.http.port);
  Notifier notifier(config, {store, world.clock, counters, world.stop, world.log, world.environment,
                             external_url(config, own)});
  Alerter alerter(config, {store, world.clock, world.stop, world.log, [] { return true; },
                           [&notifier] { notifier.polled(); }});
  alerter.evaluate();
  notifier.deliver_due();
  return results;
}

}  // namespace usaged::app
