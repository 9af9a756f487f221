// Writes a database for a daemon to serve, whose last poll is of this hour:
// make_history DATABASE ACCOUNTS REGION,... DAYS HOURLY_DAYS
// and DATABASE.csv, an accounts file, since a daemon goes by its configuration.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "core/text.h"
#include "support/year.h"

int main(int argc, char** argv) {
  if (argc != 6) {
    fmt::print(stderr, "usage: make_history DATABASE ACCOUNTS REGION,... DAYS HOURLY_DAYS\n");
    return 2;
  }
  usaged::support::Year year;
  year.accounts = std::atoi(argv[2]);
  year.regions = usaged::core::split(argv[3], ',');
  year.days = std::atoi(argv[4]);
  year.hourly_days = std::atoi(argv[5]);
  const auto now = std::chrono::floor<std::chrono::hours>(std::chrono::system_clock::now());
  year.now = usaged::core::from_unix(std::chrono::system_clock::to_time_t(now));
  std::ofstream file(std::string(argv[1]) + ".csv");
  file << "account_id,name,team\n";
  const usaged::sim::Organization organization(usaged::support::spec_of(year));
  for (const auto& [id, account] : usaged::support::name_accounts(organization)) {
    const auto team = account.tags.find("team");
    file << id << ',' << account.name << ',' << (team == account.tags.end() ? "" : team->second)
         << '\n';
  }
  file.close();
  const auto stored = usaged::support::store_year(argv[1], year);
  fmt::print("stored {} rows in {:.1f} s, summed their days in {:.1f} s\n", stored.rows,
             stored.seconds, stored.sum_seconds);
}
