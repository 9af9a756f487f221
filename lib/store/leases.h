#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/connection.h"

namespace usaged::store {

// The names of duties. Who polls a target:
inline constexpr std::string_view kTargetDuty = "target/";
inline std::string target_duty(const std::string& target) {
  return std::string(kTargetDuty) + target;
}
// The target whose duty that is; nullopt if it is another duty.
inline std::optional<std::string> target_of(const std::string& duty) {
  return duty.starts_with(kTargetDuty) ? std::optional(duty.substr(kTargetDuty.size()))
                                       : std::nullopt;
}
// Who sends a receiver's messages:
inline constexpr std::string_view kReceiverDuty = "receiver/";
inline std::string receiver_duty(const std::string& receiver) {
  return std::string(kReceiverDuty) + receiver;
}
// Who evaluates the rules:
inline constexpr const char* kRulesDuty = "rules";

// A daemon that lives, and what is leased to it.
struct Member {
  std::string name;  // "HOST-" and something random
  std::vector<std::string> targets;
  std::vector<std::string> receivers;
  bool rules = false;
};
// Those that share this database. A file has none: whoever writes it does all.
std::vector<Member> members(Connection& db);

// Of several daemons with one database, which does what: each duty is leased to one of them, for a
// while that it prolongs. Whoever dies, or can't reach the database, loses what it has to the
// others then. Times are those of the database's server, or of the own steady clock: nobody's clock
// has to be right. What a holder writes is fenced: it fails once somebody else has had the duty.
class Leases {
 public:
  // How long a lease is good for without being prolonged, and how often it is.
  static constexpr std::chrono::seconds kTerm{20};
  static constexpr std::chrono::seconds kRenewal{5};

  explicit Leases(Connection& db);

  struct Held {
    std::int64_t token = 0;
    std::chrono::steady_clock::time_point until;
  };
  struct Renewal {
    std::map<std::string, Held> held;
    std::vector<std::string> gained;
    std::vector<std::string> asked;  // of those held, what is to be done now
  };
  // Prolongs what is held of these duties, takes what nobody holds up to a fair share, and lets
  // others have what is beyond it and may be given up. Within a transaction; once that is
  // committed, what came of it is to be adopted: what this process does from now on, and did not.
  Renewal renew(const std::vector<std::string>& duties,
                const std::function<bool(const std::string&)>& may_give_up);
  std::vector<std::string> adopt(const Renewal& renewal);
  // Lets others have all of it at once. Within a transaction.
  void resign();

  // Whether a duty is surely this process's now. One that never renewed has them all.
  bool holds(const std::string& duty) const;
  // Whether somebody else holds a duty.
  bool taken(const std::string& duty);
  // Asks whoever else holds a duty to do it now, with the next renewal; false if nobody does.
  // Within a transaction.
  bool ask(const std::string& duty);
  // Throws Error(kConflict) unless a duty is this process's, or nobody's. Within the transaction
  // that it is to protect.
  void fence(const std::string& duty);

 private:
  Connection& db_;
  std::string self_;
  mutable std::mutex mutex_;
  bool renewed_ = false;
  std::map<std::string, Held> held_;  // what was ours once stays, with its token
};

}  // namespace usaged::store
