#include "app/doctor.h"

#include <Poco/URI.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "app/aws.h"
#include "app/daemon.h"
#include "app/diagnosis.h"
#include "app/versions.h"
#include "core/error.h"
#include "core/text.h"
#include "net/command.h"
#include "net/endpoint.h"
#include "net/http.h"
#include "store/backup.h"
#include "store/damage.h"
#include "store/reader.h"

namespace usaged::app {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Seconds;

constexpr std::int64_t kLeastFree = 256LL << 20U;
// AWS refuses signatures from 5 minutes on.
constexpr Seconds kMostSkew{240};

std::string megabytes(std::int64_t bytes) { return fmt::format("{} MB", bytes >> 20U); }

// Why a name has no address; empty: it has one.
std::string unresolved(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return ::gai_strerror(error);
  ::freeaddrinfo(found);
  return "";
}

}  // namespace

std::string_view result_name(Symptom::Result result) {
  switch (result) {
    case Symptom::Result::kGood:
      return "good";
    case Symptom::Result::kDoubtful:
      return "doubtful";
    case Symptom::Result::kBad:
      break;
  }
  return "bad";
}

void Doctor::good(std::string what, std::string found) {
  symptoms_.push_back({Symptom::Result::kGood, std::move(what), std::move(found), ""});
}

void Doctor::doubtful(std::string what, std::string found, std::string advice) {
  symptoms_.push_back(
      {Symptom::Result::kDoubtful, std::move(what), std::move(found), std::move(advice)});
}

void Doctor::bad(std::string what, std::string found, std::string advice) {
  symptoms_.push_back(
      {Symptom::Result::kBad, std::move(what), std::move(found), std::move(advice)});
}

std::vector<Symptom> Doctor::examine(bool online) {
  symptoms_.clear();
  versions();
  clock();
  if (configuration()) {
    named_files();
    folder();
    disk();
    database();
    collection();
    daemon();
  }
  unit();
  if (online && !config_.targets.empty()) {
    connections();
    credentials();
  }
  return symptoms_;
}

void Doctor::versions() {
  std::string all = "inspector-usaged " USAGED_VERSION;
  const std::vector<LibraryVersion> libraries = library_versions();
  for (const LibraryVersion& one : libraries) {
    all += fmt::format(", {} {}", one.name, one.version);
  }
  good("versions", all);
  for (const LibraryVersion& one : libraries) {
    if (one.fault.empty()) continue;
    doubtful(one.name, fmt::format("{} {}", one.version, one.fault), one.advice);
  }
}

void Doctor::clock() {
  timex state{};
  const bool synchronised = ::adjtimex(&state) != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  if (synchronised) {
    good("clock", "is synchronised");
  } else {
    doubtful("clock", "the kernel knows of no synchronisation",
             "let systemd-timesyncd or chrony keep it; AWS refuses what is 5 minutes off");
  }
}

bool Doctor::configuration() {
  try {
    config_ = core::load_config(config_path_);
    net::check_endpoints(config_path_, config_, world_.environment);
  } catch (const Error& e) {
    for (const std::string& line : core::split(e.what(), '\n')) {
      bad("configuration", line,
          "mend it; `inspector-usaged check-config` says whether it is good");
    }
    return false;
  }
  if (config_.targets.empty()) {
    bad("configuration", config_path_ + ": there is no target",
        "name the accounts and regions to ask: `targets`");
  } else {
    good("configuration",
         fmt::format("{}: {} targets, {} rules, {} receivers", config_path_, config_.targets.size(),
                     config_.rules.size(), config_.receivers.size()));
  }
  return true;
}

void Doctor::named_files() {
  std::map<std::string, std::string> files;  // to the key that names it
  for (const core::Receiver& receiver : config_.receivers) {
    const std::string place = fmt::format("receiver {}", receiver.name);
    files.emplace(receiver.url_file, place + ": url_file");
    files.emplace(receiver.secret_file, place + ": secret_file");
  }
  files.emplace(config_.http.tls_key, "http.tls.key");
  for (const auto& [file, key] : files) {
    // Credentials are systemd's to give, to the service alone.
    if (file.empty() || file.starts_with(core::kCredentialPrefix)) continue;
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) {
      bad(key, fmt::format("{}: {}", file, core::errno_text(errno)),
          "put it there, readable for the daemon");
    } else if ((info.st_mode & S_IRWXO) != 0) {
      bad(key, file + ": is open to everybody", "chmod o= " + file);
    } else {
      good(key, file);
    }
  }
}

void Doctor::folder() {
  if (store::is_postgres(config_.database)) return;
  const fs::path path = fs::path(config_.database).parent_path();
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    bad("folder", fmt::format("{}: {}", path.string(), core::errno_text(errno)),
        "start the service, which makes it, or make it for the daemon's user");
    return;
  }
  // Whatever a command run by root left there is root's.
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    const std::string file = config_.database + suffix;
    struct stat own {};
    if (::stat(file.c_str(), &own) != 0 || own.st_uid == info.st_uid) continue;
    bad("permissions",
        fmt::format("{} belongs to user {}, its folder to {}", file, own.st_uid, info.st_uid),
        fmt::format("chown {}:{} {}", info.st_uid, info.st_gid, file));
    return;
  }
  good("permissions",
       fmt::format("{} and what is in it belong to user {}", path.string(), info.st_uid));
}

void Doctor::disk() {
  if (store::is_postgres(config_.database)) return;
  const std::string path = fs::path(config_.database).parent_path().string();
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0) return;  // said of the folder
  const auto free =
      static_cast<std::int64_t>(info.f_bavail) * static_cast<std::int64_t>(info.f_frsize);
  std::error_code error;
  const std::uintmax_t size = fs::file_size(config_.database, error);
  const std::int64_t database = error ? 0 : static_cast<std::int64_t>(size);
  const std::string found =
      fmt::format("{} are free, the database has {}", megabytes(free), megabytes(database));
  if ((info.f_flag & ST_RDONLY) != 0) {
    bad("disk", path + ": is mounted read-only", "mount it for writing");
  } else if (free < kLeastFree || info.f_favail == 0) {
    bad("disk", found, "make room: nothing is stored on a full disk");
  } else if (free < database) {
    doubtful("disk", found, "make room, or take backups elsewhere: a copy does not fit");
  } else {
    good("disk", found);
  }
}

void Doctor::database() {
  for (const std::string& path : store::set_aside(config_.database)) {
    bad("database", path + ": was damaged, and is not served any more",
        "restore a backup, import what was polled since, and take these files away");
  }
  if (store::is_postgres(config_.database)) {
    server();
    return;
  }
  if (!fs::exists(config_.database)) {
    doubtful("database", config_.database + ": is not there yet",
             "start the daemon, which makes it");
    return;
  }
  try {
    const store::Verification found = store::verify(config_.database);
    for (const std::string& problem : found.problems) {
      bad("database", fmt::format("{}: {}", config_.database, problem),
          "stop the daemon, and `inspector-usaged restore` the newest good backup");
    }
    if (found.problems.empty()) {
      good("database", fmt::format("{}: whole, {} polls, schema {}", config_.database, found.polls,
                                   found.schema));
    }
  } catch (const Error& e) {
    bad("database", e.what(), "see what it says; `inspector-usaged verify` tries again");
  }
}

void Doctor::server() {
  try {
    store::Reader reader(config_.database);
    good("database",
         fmt::format("{}: answers, schema {}", reader.place(), store::schema_version()));
  } catch (const Error& e) {
    bad("database", e.what(),
        "see that the server runs, and what it says of this user; the daemon makes the tables");
  }
}

void Doctor::collection() {
  if (!store::is_postgres(config_.database) && !fs::exists(config_.database)) return;
  try {
    store::Reader reader(config_.database);
    int fine = 0;
    for (const store::ScopeRow& scope : reader.scopes()) {
      if (scope.removed || scope.newest.target.starts_with("import")) continue;
      const std::string what =
          fmt::format("collection {}/{}", scope.newest.target, scope.newest.region);
      const Seconds age = world_.clock.now() - scope.newest.started;
      if (scope.failures > 0) {
        bad(what, fmt::format("the last {} polls failed: {}", scope.failures, scope.newest.error),
            "`inspector-usaged check-config --online` says what is missing");
      } else if (age > 2 * scope.newest.interval) {
        bad(what, fmt::format("the last poll was {} ago", core::format_duration(age)),
            "start the daemon: what is not polled is lost");
      } else {
        ++fine;
      }
    }
    if (fine > 0) good("collection", fmt::format("{} targets and regions are up to date", fine));
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): said of the database
  }
}

void Doctor::unit() {
  std::map<std::string, std::string> state;
  try {
    const std::string text = net::run_command(
        "systemctl show inspector-usaged.service --property=LoadState,ActiveState,UnitFileState,"
        "NRestarts,NeedDaemonReload,Result,FragmentPath",
        {std::chrono::seconds{5}});
    for (const std::string& line : core::split(text, '\n')) {
      const std::size_t at = line.find('=');
      if (at != std::string::npos) state[line.substr(0, at)] = line.substr(at + 1);
    }
  } catch (const Error&) {
    doubtful("unit", "systemd can't be asked", "look after the daemon by other means");
    return;
  }
  if (state["LoadState"] != "loaded") {
    doubtful("unit", "systemd knows no inspector-usaged.service",
             "install the package, or systemd/inspector-usaged.service");
    return;
  }
  if (state["NeedDaemonReload"] == "yes") {
    doubtful("unit", "has changed since systemd read it", "systemctl daemon-reload");
  }
  if (state["ActiveState"] != "active") {
    bad("unit", fmt::format("is {} ({})", state["ActiveState"], state["Result"]),
        "systemctl start inspector-usaged; journalctl -u inspector-usaged says why it ended");
  } else if (state["NRestarts"] != "0") {
    doubtful("unit", fmt::format("was restarted {} times", state["NRestarts"]),
             "journalctl -u inspector-usaged -p warning says why");
  } else {
    good("unit", "is active");
  }
  if (state["UnitFileState"] == "disabled") {
    doubtful("unit", "does not start with the machine", "systemctl enable inspector-usaged");
  }
}

void Doctor::daemon() {
  const std::string url = local_url(config_.http);
  net::CurlClient client(nullptr, "inspector-usaged");
  net::HttpRequest request = net::local_request(url, "/-/ready");
  request.timeout = std::chrono::seconds{5};
  // A certificate of its own is trusted here.
  if (!config_.http.tls_certificate.starts_with(core::kCredentialPrefix)) {
    request.ca_file = config_.http.tls_certificate;
  }
  const net::HttpReply reply = client.send(request);
  if (reply.failure) {
    doubtful("daemon", fmt::format("does not answer at {}: {}", url, reply.failure_text),
             "start it, if it should run; with a socket unit it may be elsewhere");
  } else if (reply.status != 200) {
    bad("daemon", fmt::format("is not ready: HTTP {}: {}", reply.status, reply.body.substr(0, 300)),
        "`inspector-usaged status` and the log say more");
  } else {
    good("daemon", "is ready at " + url);
  }
}

void Doctor::connections() {
  std::map<std::string, std::string> urls;  // to who asks there
  for (const core::Target& target : config_.targets) {
    for (const std::string& region : target.regions) {
      try {
        urls.emplace(net::aws_endpoint("inspector2", region, net::inspector_options(target),
                                       world_.environment)
                         .url,
                     fmt::format("connection {}/{}", target.name, region));
      } catch (const Error& e) {
        bad(fmt::format("connection {}/{}", target.name, region), e.what(), "mend the environment");
      }
    }
  }
  const auto bundle = world_.environment("AWS_CA_BUNDLE");
  net::CurlClient client(world_.stop.flag(), "inspector-usaged", bundle.value_or(""));
  const bool proxy = world_.environment("HTTPS_PROXY") || world_.environment("https_proxy") ||
                     world_.environment("ALL_PROXY") || world_.environment("all_proxy");
  for (const auto& [url, what] : urls) {
    const std::string host = Poco::URI(url).getHost();
    // Behind a proxy it is the proxy that resolves names.
    const std::string unknown = proxy ? "" : unresolved(host);
    if (!unknown.empty()) {
      bad(what, fmt::format("DNS: {}: {}", host, unknown),
          "see /etc/resolv.conf, or name a proxy (HTTPS_PROXY)");
      continue;
    }
    net::HttpRequest request;
    request.url = url + "/";
    request.timeout = std::chrono::seconds{10};
    // Whatever it answers, it is there.
    const net::HttpReply reply = client.send(request);
    if (reply.failure) {
      bad(what, fmt::format("{}: {}", url, reply.failure_text),
          "open the way to it, or set HTTPS_PROXY, or AWS_CA_BUNDLE for an authority of your own");
    } else {
      good(what, url + " answers");
    }
  }
  for (const core::Receiver& receiver : config_.receivers) {
    if (receiver.url.empty() || proxy) continue;
    const std::string host = Poco::URI(receiver.url).getHost();
    const std::string unknown = unresolved(host);
    if (!unknown.empty()) {
      bad("receiver " + receiver.name, fmt::format("DNS: {}: {}", host, unknown),
          "mend its url; `inspector-usaged test-notify` tries it");
    }
  }
}

void Doctor::credentials() {
  try {
    Aws aws({config_, world_.clock, world_.stop, world_.environment});
    for (const Finding& finding : diagnose(config_, aws)) {
      const std::string what = fmt::format("credentials {}/{}{}", finding.target, finding.region,
                                           finding.account.empty() ? "" : " " + finding.account);
      if (finding.clock_skew && std::chrono::abs(*finding.clock_skew) > kMostSkew) {
        bad("clock", fmt::format("AWS's is {} s ahead", finding.clock_skew->count()),
            "set it; AWS refuses what is 5 minutes off");
      }
      if (!finding.error.empty()) {
        bad(what, finding.error, "see `credentials` in the sample configuration");
      } else if (!finding.missing_actions().empty()) {
        bad(what,
            fmt::format("{} may not {}", finding.arn, core::join(finding.missing_actions(), ", ")),
            "`inspector-usaged check-config --online` prints the policy that is needed");
      } else if (!finding.good()) {
        bad(what, fmt::format("{} can't ask", finding.arn),
            "`inspector-usaged check-config --online` says more");
      } else {
        good(what, fmt::format("{} from {}", finding.arn, finding.provider));
      }
    }
  } catch (const Error& e) {
    bad("credentials", e.what(), "mend the environment");
  }
}

}  // namespace usaged::app
