#include "store/leases.h"

#include <unistd.h>

#include <array>
#include <climits>

#include "core/error.h"
#include "store/postgres.h"
#include "store/rows.h"

namespace usaged::store {
namespace {

constexpr const char* kNow = "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)";

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  return ::gethostname(name.data(), HOST_NAME_MAX) == 0 ? name.data() : "unknown";
}

}  // namespace

std::vector<Member> members(Connection& db) {
  std::vector<Member> all;
  if (!is_postgres(db.engine().place())) return all;
  Query query(db, fmt::format("SELECT m.id, l.duty FROM member m LEFT JOIN lease l ON l.holder = "
                              "m.id AND l.until > {} WHERE m.until > {} ORDER BY m.id, l.duty",
                              kNow, kNow));
  while (query.step()) {
    const std::string name = query.text(0);
    const std::string duty = query.text(1);  // "" if it has none
    if (all.empty() || all.back().name != name) all.emplace_back().name = name;
    Member& member = all.back();
    if (const auto target = target_of(duty)) member.targets.push_back(*target);
    if (duty.starts_with(kReceiverDuty)) {
      member.receivers.push_back(duty.substr(kReceiverDuty.size()));
    }
    member.rules = member.rules || duty == kRulesDuty;
  }
  return all;
}

Leases::Leases(Connection& db) : db_(db), self_(fmt::format("{}-{}", host_name(), random_name())) {}

Leases::Renewal Leases::renew(const std::vector<std::string>& duties,
                              const std::function<bool(const std::string&)>& may_give_up) {
  const auto began = std::chrono::steady_clock::now();
  Query clock(db_, fmt::format("SELECT {}", kNow));
  clock.step();
  const double now = clock.real(0);
  const double until = now + static_cast<double>(kTerm.count());
  Query alive(db_, upsert("member", {"id"}, {"until"}));
  alive.bind(1, self_);
  alive.bind(2, until);
  alive.run();
  Query dead(db_, "DELETE FROM member WHERE until < ?");
  dead.bind(1, now);
  dead.run();
  const auto members = static_cast<std::size_t>(db_.integer("SELECT count(*) FROM member"));

  struct Lease {
    bool ours;
    bool free;
    std::int64_t token;
    bool asked;
  };
  std::map<std::string, Lease> leases;
  Query all(db_, "SELECT duty, holder, token, until, asked FROM lease");
  while (all.step()) {
    leases[all.text(0)] = {all.text(1) == self_, all.real(3) < now, all.integer(2),
                           all.integer(4) != 0};
  }
  std::vector<std::string> ours;
  std::vector<std::string> free;
  for (const std::string& duty : duties) {
    const auto lease = leases.find(duty);
    if (lease != leases.end() && lease->second.ours) {
      ours.push_back(duty);
    } else if (lease == leases.end() || lease->second.free) {
      free.push_back(duty);
    }
  }
  const std::size_t share = (duties.size() + members - 1) / members;
  Query write(db_, upsert("lease", {"duty"}, {"holder", "token", "until", "asked"}));
  const auto set = [&](const std::string& duty, std::int64_t token, double end) {
    write.bind(1, duty);
    write.bind(2, self_);
    write.bind(3, token);
    write.bind(4, end);
    write.bind(5, 0);
    write.run();
    write.reset();
  };
  Renewal renewal;
  std::size_t kept = ours.size();
  for (const std::string& duty : ours) {
    if (kept > share && may_give_up(duty)) {
      set(duty, leases[duty].token, 0);
      --kept;
      continue;
    }
    set(duty, leases[duty].token, until);
    renewal.held[duty] = {leases[duty].token, began + kTerm};
    if (leases[duty].asked) renewal.asked.push_back(duty);
  }
  for (const std::string& duty : free) {
    if (kept >= share) break;
    const auto lease = leases.find(duty);
    const std::int64_t token = lease == leases.end() ? 1 : lease->second.token + 1;
    set(duty, token, until);
    renewal.held[duty] = {token, began + kTerm};
    renewal.gained.push_back(duty);
    ++kept;
  }
  return renewal;
}

std::vector<std::string> Leases::adopt(const Renewal& renewal) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  std::vector<std::string> resumed = renewal.gained;
  for (const auto& [duty, lease] : renewal.held) {
    const auto before = held_.find(duty);
    // One that had run out, and that nobody took.
    if (before != held_.end() && before->second.token == lease.token &&
        before->second.until < now) {
      resumed.push_back(duty);
    }
  }
  for (auto& [duty, old] : held_) old.until = {};
  for (const auto& [duty, lease] : renewal.held) held_[duty] = lease;
  renewed_ = true;
  return resumed;
}

void Leases::resign() {
  Query write(db_, "UPDATE lease SET until = 0 WHERE holder = ?");
  write.bind(1, self_);
  write.run();
  Query member(db_, "DELETE FROM member WHERE id = ?");
  member.bind(1, self_);
  member.run();
  const std::lock_guard lock(mutex_);
  for (auto& [duty, old] : held_) old.until = {};
}

bool Leases::holds(const std::string& duty) const {
  const std::lock_guard lock(mutex_);
  if (!renewed_) return true;
  const auto found = held_.find(duty);
  return found != held_.end() && std::chrono::steady_clock::now() < found->second.until;
}

bool Leases::taken(const std::string& duty) {
  Query query(db_, fmt::format("SELECT holder, until > {} FROM lease WHERE duty = ?", kNow));
  query.bind(1, duty);
  return query.step() && query.text(0) != self_ && query.integer(1) != 0;
}

bool Leases::ask(const std::string& duty) {
  Query query(db_, fmt::format("UPDATE lease SET asked = 1 WHERE duty = ? AND holder <> ? AND "
                               "until > {}",
                               kNow));
  query.bind(1, duty);
  query.bind(2, self_);
  return query.run_for_count() > 0;
}

void Leases::fence(const std::string& duty) {
  std::int64_t token = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(duty);
    if (found != held_.end()) token = found->second.token;
  }
  Query query(db_, fmt::format("SELECT holder, token, until > {} FROM lease WHERE duty = ?", kNow));
  query.bind(1, duty);
  if (!query.step()) return;
  const bool ours = query.text(0) == self_ && query.integer(1) == token;
  const bool nobodys = token == 0 && query.integer(2) == 0;
  if (!ours && !nobodys) {
    throw core::Error(core::ErrorCode::kConflict, "{}: another process does that now", duty);
  }
}

}  // namespace usaged::store
