#pragma once

#include <string>
#include <vector>

#include "sim/organization.h"
#include "store/store.h"

namespace usaged::support {

// A history to ask questions of: a synthetic organization, polled once a day, and every hour in the
// last days.
struct Year {
  int accounts = 770;
  std::vector<std::string> regions = sim::OrganizationSpec{}.regions;
  int days = 365;
  int hourly_days = 30;
  core::Time now;  // of the last poll
};

struct Stored {
  std::int64_t rows = 0;
  double seconds = 0;      // to store and settle them
  double sum_seconds = 0;  // to sum up all of their days
};

inline sim::OrganizationSpec spec_of(const Year& year) {
  sim::OrganizationSpec spec;
  spec.accounts = year.accounts;
  spec.regions = year.regions;
  return spec;
}

// Names and teams of its accounts.
inline core::AccountDirectory name_accounts(const sim::Organization& organization) {
  core::AccountDirectory directory;
  const std::vector<std::string> teams{"commerce", "data", "growth", "platform", ""};
  for (std::size_t i = 0; i < organization.account_ids().size(); ++i) {
    core::Account account{"account-" + std::to_string(i), {}};
    const std::string& team = teams[i % teams.size()];
    if (!team.empty()) account.tags["team"] = team;
    directory.emplace(organization.account_ids()[i], account);
  }
  return directory;
}

// Writes it to a new database; the target is "organization".
inline Stored store_year(const std::string& path, const Year& year) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point began) {
    return std::chrono::duration<double>(Clock::now() - began).count();
  };
  const sim::Organization organization(spec_of(year));
  store::Store store(path);
  store.set_accounts(name_accounts(organization));
  Stored stored;
  const core::Time hourly_from = year.now - year.hourly_days * core::kDay;
  for (core::Time t = year.now - year.days * core::kDay; t <= year.now;
       t += t < hourly_from ? core::kDay : core::kHour) {
    const core::Seconds interval = t < hourly_from ? core::kDay : core::kHour;
    for (const std::string& region : year.regions) {
      store::Snapshot snapshot;
      for (int i = 0; i < year.accounts; ++i) {
        if (!organization.is_member(i, t)) continue;
        for (auto& total : organization.totals(i, region, t)) {
          snapshot.totals.push_back(std::move(total));
        }
      }
      stored.rows += static_cast<std::int64_t>(snapshot.totals.size());
      const auto began = Clock::now();
      const auto id = store.begin_poll("organization", region, t, interval, t);
      store.finish_poll(id, snapshot, {t, core::Outcome::kOk, 1, 1, "", ""});
      store.settle("organization", region, t);
      stored.seconds += since(began);
    }
  }
  const auto began = Clock::now();
  store.sum_days();
  stored.sum_seconds = since(began);
  return stored;
}

}  // namespace usaged::support
