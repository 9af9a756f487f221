#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/time.h"
#include "core/usage.h"

namespace usaged::sim {

// An event in the usage of one series that a detector should find, or should know to leave alone.
struct Label {
  std::string account;
  std::string region;
  std::string type;
  std::string
      kind;  // "spike" (several times the usual, 1 to 3 days) or "burst" (up to twice, 1 day)
  core::Time from;
  core::Time to;
  double factor = 1;  // of the usual usage
};

// Usage beyond what the organization does by itself: `factor` times the usual from `from` to `to`.
struct Surge {
  std::string account;
  std::string region;
  std::string type;
  core::Time from;
  core::Time to;
  double factor = 1;
};

// When an account's free trials run.
struct Trial {
  core::Time start;
  core::Time end;
};

struct OrganizationSpec {
  int accounts = 50;
  std::vector<std::string> regions{"us-east-1", "eu-central-1"};
  std::uint64_t seed = 1;
  std::vector<Surge> surges;
};

// A synthetic organization: what each of its accounts uses on each day is a pure function of the
// seed, the account, the region, the type and the day, so that any moment can be asked for in any
// order. Accounts differ in size by two orders of magnitude; most have weekends, all drift, step
// with deployments, and now and then burst or spike. Some join and some leave; an account's first
// 15 days are a free trial. Every account has the six types of AWS's example in each region, some
// have code repositories or machines at Azure too.
class Organization {
 public:
  explicit Organization(OrganizationSpec spec);

  const std::vector<std::string>& regions() const { return spec_.regions; }
  // The id of every account that ever is a member, in the order in which they are listed.
  const std::vector<std::string>& account_ids() const { return ids_; }
  // Index of an id; nullopt if it never is a member.
  std::optional<int> find(std::string_view id) const;

  bool is_member(int account, core::Time t) const;

  // The 15 days after the account joined.
  Trial trial(int account) const;

  // The totals of the 30 days before t, per type with any usage in them. Doubles as AWS sends them:
  // hours to the fraction, scans whole, costs to 10 decimals.
  std::vector<core::UsageTotal> totals(int account, const std::string& region, core::Time t) const;

  // What an account uses in the UTC day that begins at `day`, in the unit of the type;
  // without surges.
  double daily(int account, const std::string& region, std::string_view type, core::Time day) const;

  // Every spike and burst that touches [from, to), of all accounts and regions.
  std::vector<Label> labels(core::Time from, core::Time to) const;

 private:
  struct Member {
    double size;
    std::int64_t joined;  // days since the epoch
    std::int64_t left;
    bool weekends;              // rests on weekends
    double growth;              // a day
    std::int64_t deploy_every;  // days
  };
  struct Series;

  Series series(int account, const std::string& region, std::size_t type) const;
  double daily(const Series& series, std::int64_t day) const;

  OrganizationSpec spec_;
  std::vector<std::string> ids_;
  std::vector<Member> members_;
  std::vector<std::pair<std::string, int>> by_id_;
};

}  // namespace usaged::sim
