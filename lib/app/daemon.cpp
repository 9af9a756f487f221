#include "app/daemon.h"

#include "app/log.h"
#include "app/thread.h"
#include "core/error.h"
#include "store/damage.h"
#include "store/reader.h"

namespace usaged::app {
namespace {

web::ServerOptions server_options(const core::Config& config, const Daemon::World& world) {
  web::ServerOptions options;
  options.address = config.http.address;
  options.port = config.http.port;
  options.socket = config.http.socket;
  options.inherited = world.sockets;
  options.tls = {net::path_of(config.http.tls_certificate, world.environment),
                 net::path_of(config.http.tls_key, world.environment)};
  options.peers = config.http.peers;
  options.allowed_hosts = config.http.allowed_hosts;
  options.max_requests = config.http.max_requests;
  options.tokens = config.http.tokens;
  const core::Access open = config.http.tokens.empty() ? core::Access::kWrite : core::Access::kNone;
  options.anonymous = config.http.anonymous.value_or(open);
  options.database = config.database;
  return options;
}

// Tells the store what is configured, before anything reads it.
void configure(store::Store& store, const core::Config& config, core::Time now) {
  store.set_targets(config.targets, now);
  store.set_accounts(config.accounts);
}

// The same at the start, when nothing can be under way.
void prepare(store::Store& store, const core::Config& config, const Daemon::World& world) {
  const int interrupted = store.recover(world.clock.now());
  if (interrupted > 0) {
    world.log.warn("polls were cut short when the last process ended", {{"count", interrupted}});
  }
  configure(store, config, world.clock.now());
}

// What went wrong here is logged whatever the configuration says.
bool is_logged(const core::Config::Http& http, const web::Request& request) {
  if (request.status >= 500) return true;
  if (http.access_log == "writes") return request.method != "GET" && request.method != "HEAD";
  return http.access_log == "all";
}

// Throws Error(kConfig) for what can't change while the daemon runs.
void refuse_what_takes_a_restart(const core::Config& before, const core::Config& after) {
  const auto refuse = [](const char* key) {
    throw core::Error(core::ErrorCode::kConfig, "{}: has changed, which takes a restart", key);
  };
  if (before.database != after.database) refuse("database");
  if (before.http.address != after.http.address) refuse("http.address");
  if (before.http.port != after.http.port) refuse("http.port");
  if (before.http.socket != after.http.socket) refuse("http.socket");
  if (before.http.tls_certificate.empty() != after.http.tls_certificate.empty()) refuse("http.tls");
  if (before.log.format != after.log.format) refuse("log.format");
}

}  // namespace

struct Daemon::Generation {
  Generation(core::Config c, Daemon& daemon, const std::string& own_url)
      : config(std::move(c)),
        collector(config,
                  {daemon.store_, daemon.world_.clock, daemon.counters_, stop, daemon.world_.stop,
                   daemon.claims_, daemon.world_.log, daemon.world_.environment,
                   [&daemon] { daemon.current()->alerter.notice(); }}),
        alerter(config, {daemon.store_, daemon.world_.clock, stop, daemon.world_.log,
                         [this] { return collector.idle(); }, [this] { notifier.polled(); }}),
        notifier(config, {daemon.store_, daemon.world_.clock, daemon.counters_, stop,
                          daemon.world_.stop, daemon.world_.log, daemon.world_.environment,
                          external_url(config.http, own_url)}) {}

  const core::Config config;
  Stop stop;  // of this generation: it takes on nothing new
  Collector collector;
  Alerter alerter;
  Notifier notifier;
};

Daemon::Daemon(core::Config config, World world)
    : world_(std::move(world)), store_(config.database, world_.clock.now()) {
  for (const std::string& path : store::set_aside(config.database)) {
    world_.log.error("a damaged database was moved aside, and a new one begun",
                     {{"path", path}, {"database", config.database}});
  }
  try {
    prepare(store_, config, world_);
    serve(std::move(config));
  } catch (const store::Damaged& e) {
    store_.note(e);
    throw;
  }
}

void Daemon::serve(core::Config config) {
  server_ = std::make_unique<web::Server>(
      server_options(config, world_),
      web::ServerWorld{[this] { return world_.clock.now(); },
                       [this]() -> std::string {
                         if (world_.stop.requested()) return "the daemon is stopping";
                         return started_ ? "" : "the daemon is starting";
                       },
                       actors(),
                       [this] {
                         const auto generation = current();
                         return generation ? generation->config.rules : std::vector<core::Rule>{};
                       },
                       [this](const web::Request& request) {
                         const auto generation = current();
                         if (generation && is_logged(generation->config.http, request)) {
                           world_.log.request(request);
                         }
                       }},
      counters_);
  current_ = std::make_shared<Generation>(std::move(config), *this, server_->url());
  counters_.configuration_read(world_.clock.now(), "");
}

Daemon::~Daemon() {
  world_.stop.request();
  join();
  server_.reset();
}

std::shared_ptr<Daemon::Generation> Daemon::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

// Requests come as soon as the server listens, which is before the rest is there.
web::Actors Daemon::actors() {
  const auto refuse_unless_started = [this] {
    if (!started_) throw core::Error(core::ErrorCode::kUnavailable, "the daemon is starting");
  };
  return {&store_,
          [this] {
            if (started_) current()->notifier.notice();
          },
          [this, refuse_unless_started](const std::vector<std::string>& targets) {
            refuse_unless_started();
            return current()->collector.poll_soon(targets);
          },
          [this, refuse_unless_started] {
            refuse_unless_started();
            reload();
          }};
}

void Daemon::start() {
  const auto generation = current();
  if (store_.shared()) {
    lead();
    leading_ = std::thread([this] {
      name_thread("leases");
      while (world_.stop.wait_for(store::Leases::kRenewal)) lead();
    });
  }
  generation->collector.start();
  generation->alerter.start();
  generation->notifier.start();
  started_ = true;
}

// Does its share of what the daemons on this store have to do, and notes what others have done.
void Daemon::lead() {
  const auto generation = current();
  std::vector<std::string> duties{store::kRulesDuty};
  for (const core::Target& target : generation->config.targets) {
    duties.push_back(store::target_duty(target.name));
  }
  for (const core::Receiver& receiver : generation->config.receivers) {
    duties.push_back(store::receiver_duty(receiver.name));
  }
  try {
    // Only targets change hands while both live: a message that is on its way would be sent twice.
    const auto led = store_.lead(
        duties,
        [&](const std::string& duty) {
          const auto target = store::target_of(duty);
          return target && claims_.idle(*target);
        },
        world_.clock.now());
    for (const std::string& duty : led.gained) {
      world_.log.info("takes over", {{"duty", duty}});
      if (const auto target = store::target_of(duty)) generation->collector.take_over(*target);
    }
    for (const std::string& duty : led.asked) {
      if (const auto target = store::target_of(duty)) generation->collector.poll_soon({*target});
    }
    if (!observer_) observer_ = std::make_unique<store::Reader>(store_.path());
    std::string revision = observer_->revision();
    if (led.gained.empty() && revision == revision_) return;
    revision_ = std::move(revision);
    generation->alerter.notice();
    generation->notifier.notice();
  } catch (const std::exception& e) {
    world_.log.error("leases could not be renewed", {{"error", e.what()}});
    const auto* error = dynamic_cast<const core::Error*>(&e);
    if (error == nullptr || error->code() != core::ErrorCode::kConfig) return;
    const std::lock_guard lock(mutex_);
    end_ = *error;
  }
}

void Daemon::check() const {
  if (store_.damaged()) {
    throw core::Error(core::ErrorCode::kStorage,
                      "{}: is damaged; ends, so that the next start reads all of it, and moves it "
                      "aside for a new one if it is",
                      store_.path());
  }
  const std::lock_guard lock(mutex_);
  if (end_) throw core::Error(*end_);
}

void Daemon::join() {
  if (leading_.joinable()) leading_.join();
  const std::lock_guard lock(reloading_);
  const auto generation = current();
  if (!generation) return;
  generation->stop.request();
  generation->collector.join();
  generation->alerter.join();
  generation->notifier.join();
  ending_.clear();  // waits for each
  try {
    store_.resign();
  } catch (const std::exception& e) {  // then they run out
    world_.log.error("leases could not be given up", {{"error", e.what()}});
  }
}

void Daemon::reload() {
  const std::lock_guard lock(reloading_);
  if (world_.stop.requested()) {
    throw core::Error(core::ErrorCode::kUnavailable, "the daemon is stopping");
  }
  try {
    if (!world_.configuration) {
      throw core::Error(core::ErrorCode::kInvalid, "there is no configuration to read anew");
    }
    apply(world_.configuration());
    counters_.configuration_read(world_.clock.now(), "");
    world_.log.info("configuration read anew");
  } catch (const core::Error& e) {
    counters_.configuration_read(world_.clock.now(), e.what());
    world_.log.errors("configuration not taken; nothing has changed", e.what());
    throw;
  }
}

void Daemon::apply(core::Config config) {
  const auto before = current();
  refuse_what_takes_a_restart(before->config, config);
  const auto serve_by_it = server_->prepare(server_options(config, world_));
  // Whatever can go wrong does so here, while the old one is still at work.
  const auto after = std::make_shared<Generation>(std::move(config), *this, server_->url());
  configure(store_, after->config, world_.clock.now());
  serve_by_it();
  // Two of these at once would tell everything twice.
  before->stop.request();
  before->alerter.join();
  before->notifier.join();
  {
    const std::lock_guard lock(mutex_);
    current_ = after;
  }
  world_.log.set_level(after->config.log);
  after->collector.start();
  after->alerter.start();
  after->notifier.start();
  after->alerter.notice();
  // Those that have ended meanwhile go.
  std::erase_if(ending_, [](const std::future<void>& one) {
    return one.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
  });
  ending_.push_back(std::async(std::launch::async, [before] { before->collector.join(); }));
}

void Daemon::step() {
  const auto generation = current();
  generation->collector.poll_due();
  generation->alerter.evaluate();
  generation->notifier.deliver_due();
}

bool Daemon::alive() {
  try {
    store_.open_alerts();
  } catch (const core::Error& e) {
    // Another start would not bring a server back.
    if (!store_.shared() || e.code() != core::ErrorCode::kUnavailable) throw;
  }
  return current()->collector.alive();
}

std::string Daemon::status_line() {
  try {
    return summary();
  } catch (const core::Error& e) {
    if (!store_.shared()) throw;
    return e.what();
  }
}

std::string Daemon::summary() {
  store::Reader reader(store_.path());
  int good = 0;
  int bad = 0;
  std::optional<core::Time> newest;
  for (const store::ScopeRow& scope : reader.scopes()) {
    if (scope.removed) continue;
    ++(scope.failures == 0 ? good : bad);
    if (scope.newest_good) {
      newest = std::max(newest.value_or(scope.newest_good->started), scope.newest_good->started);
    }
  }
  std::int64_t waiting = 0;
  for (const store::DeliveryCount& count : reader.delivery_counts()) {
    if (count.state == "pending") waiting += count.count;
  }
  const std::string error = counters_.values().configuration_error;
  return fmt::format(
      "{} targets and regions good, {} failing; last good poll {}; {} messages "
      "waiting; {}{}",
      good, bad, newest ? core::format_time(*newest) : "never", waiting, server_->url(),
      error.empty() ? "" : "; the last reload failed, see the log");
}

std::string local_url(const core::Config::Http& http) {
  if (!http.socket.empty()) return "unix:" + http.socket;
  const bool tls = !http.tls_certificate.empty();
  // Its certificate is for the name that others know it by.
  if (tls && http.external_url.starts_with("https:")) return http.external_url;
  return fmt::format("{}://{}:{}", tls ? "https" : "http", core::bracketed(http.address),
                     http.port);
}

std::string external_url(const core::Config::Http& http, const std::string& own) {
  if (!http.external_url.empty()) return http.external_url;
  return own.starts_with("unix:") ? "http://localhost" : own;
}

std::vector<PollResult> poll_once(const core::Config& config,
                                  const std::vector<std::string>& targets,
                                  const Daemon::World& world) {
  store::Store store(config.database);
  prepare(store, config, world);
  web::Counters counters;
  Claims claims;
  Collector collector(config, {store, world.clock, counters, world.stop, world.stop, claims,
                               world.log, world.environment, nullptr});
  std::vector<PollResult> results = collector.poll_now(targets);
  const std::string own = local_url(config.http);
  Notifier notifier(config, {store, world.clock, counters, world.stop, world.stop, world.log,
                             world.environment, external_url(config.http, own)});
  Alerter alerter(config, {store, world.clock, world.stop, world.log, [] { return true; },
                           [&notifier] { notifier.polled(); }});
  alerter.evaluate();
  notifier.deliver_due();
  return results;
}

}  // namespace usaged::app
