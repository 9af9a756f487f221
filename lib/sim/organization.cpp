#include "sim/organization.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/text.h"

namespace usaged::sim {
namespace {

struct TypeSpec {
  std::string_view name;
  std::string_view provider;
  double scale;  // units a day of an account of size 1
  double price;  // USD a unit: the example's, or for the undocumented ones a guess
  bool whole;    // counts
  double share;  // of the accounts that have it
};

constexpr std::array<TypeSpec, 11> kTypes{{
    {"EC2_INSTANCE_HOURS", "AWS", 24 * 12, 1.25 / 720, false, 1},
    {"EC2_AGENTLESS_INSTANCE_HOURS", "AWS", 24 * 4, 1.75 / 720, false, 1},
    {"ECR_INITIAL_SCAN", "AWS", 6, 0.09, true, 1},
    {"ECR_RESCAN", "AWS", 60, 0.01, true, 1},
    {"LAMBDA_FUNCTION_HOURS", "AWS", 24 * 20, 0.30 / 720, false, 1},
    {"LAMBDA_FUNCTION_CODE_HOURS", "AWS", 24 * 10, 0.60 / 720, false, 1},
    {"CODE_REPOSITORY_SAST", "NOT_APPLICABLE", 8, 0.02, true, 0.15},
    {"CODE_REPOSITORY_IAC", "NOT_APPLICABLE", 4, 0.02, true, 0.15},
    {"CODE_REPOSITORY_SCA", "NOT_APPLICABLE", 10, 0.02, true, 0.15},
    {"AZURE_VM_AGENT_BASED_INSTANCE_HOURS", "AZURE", 24 * 6, 1.25 / 720, false, 0.05},
    {"AZURE_CONTAINER_IMAGE_RESCAN", "AZURE", 20, 0.01, true, 0.05},
}};

constexpr std::int64_t kAnchor = 20454;  // 2026-01-01, in days since the epoch
constexpr std::int64_t kYear = 365;
constexpr std::int64_t kTrialDays = 15;
constexpr std::int64_t kWindowDays = 30;
constexpr std::int64_t kLongestSpike = 3;

std::uint64_t mix(std::uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31U);
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return mix(a ^ mix(b)); }

double unit(std::uint64_t hash) { return static_cast<double>(hash >> 11U) * 0x1.0p-53; }

// Roughly normal, mean 0, deviation 1.
double normal(std::uint64_t hash) {
  double sum = 0;
  for (std::uint64_t i = 0; i < 6; ++i) sum += unit(mix(hash, i));
  return (sum - 3) * std::sqrt(2.0);
}

double price_factor(std::string_view region) {
  if (region.starts_with("us-")) return 1;
  return region.starts_with("eu-") ? 1.1 : 1.25;
}

double round_to(double value, double steps) { return std::round(value * steps) / steps; }

struct Event {
  bool spike;
  double factor;
  std::int64_t days;
};

// What begins on a day in a series: a spike once in 500 days, a burst once in 120.
std::optional<Event> event_of(std::uint64_t series_hash, std::int64_t day) {
  const std::uint64_t hash = mix(series_hash ^ 0x5be1cU, static_cast<std::uint64_t>(day));
  const double chance = unit(hash);
  if (chance < 1.0 / 500) {
    return Event{true, 4 + 8 * unit(mix(hash, 1)),
                 1 + static_cast<std::int64_t>(mix(hash, 2) % kLongestSpike)};
  }
  if (chance < 1.0 / 500 + 1.0 / 120) return Event{false, 1.3 + 0.7 * unit(mix(hash, 3)), 1};
  return std::nullopt;
}

// The event that is under way on a day, the strongest if there are several.
double event_factor(std::uint64_t series_hash, std::int64_t day) {
  double factor = 1;
  for (std::int64_t ago = 0; ago < kLongestSpike; ++ago) {
    const auto event = event_of(series_hash, day - ago);
    if (event && event->days > ago) factor = std::max(factor, event->factor);
  }
  return factor;
}

}  // namespace

struct Organization::Series {
  std::uint64_t hash;
  const Member* member;
  const TypeSpec* type;
  double base;  // units a day; 0: the account doesn't have it
  double price;
  std::vector<const Surge*> surges;
};

Organization::Organization(OrganizationSpec spec) : spec_(std::move(spec)) {
  constexpr std::uint64_t kIds = 899999999981;
  for (int i = 0; i < spec_.accounts; ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    const std::uint64_t hash = mix(spec_.seed, index);
    ids_.push_back(std::to_string(100000000000 + (mix(spec_.seed) + index * 61803398875) % kIds));
    Member member{};
    member.size = std::exp(1.1 * normal(mix(hash, 1)));
    member.joined = 0;
    member.left = INT64_MAX;
    // A third joined in the two years around the anchor, one of ten leaves a year or so later.
    if (unit(mix(hash, 2)) < 0.33) {
      member.joined = kAnchor - kYear + static_cast<std::int64_t>(mix(hash, 3) % (2 * kYear));
    }
    if (unit(mix(hash, 4)) < 0.1) {
      member.left = std::max(member.joined, kAnchor - kYear) + 200 +
                    static_cast<std::int64_t>(mix(hash, 5) % (2 * kYear));
    }
    member.weekends = unit(mix(hash, 6)) < 0.6;
    member.growth = 0.0006 * normal(mix(hash, 7));
    member.deploy_every = 40 + static_cast<std::int64_t>(mix(hash, 8) % 80);
    members_.push_back(member);
    by_id_.emplace_back(ids_.back(), i);
  }
  std::ranges::sort(by_id_);
}

std::optional<int> Organization::find(std::string_view id) const {
  const auto found = std::ranges::lower_bound(by_id_, id, {}, &std::pair<std::string, int>::first);
  if (found == by_id_.end() || found->first != id) return std::nullopt;
  return found->second;
}

bool Organization::is_member(int account, core::Time t) const {
  const Member& member = members_.at(static_cast<std::size_t>(account));
  return core::day_of(t) >= member.joined && core::day_of(t) < member.left;
}

Trial Organization::trial(int account) const {
  const Member& member = members_.at(static_cast<std::size_t>(account));
  return {core::midnight(member.joined), core::midnight(member.joined + kTrialDays)};
}

Organization::Series Organization::series(int account, const std::string& region,
                                          std::size_t type) const {
  const TypeSpec& spec = kTypes.at(type);
  const std::uint64_t account_hash = mix(spec_.seed, static_cast<std::uint64_t>(account));
  const std::uint64_t region_hash = mix(account_hash, core::stable_hash(region));
  Series result{mix(region_hash, 100 + type),
                &members_.at(static_cast<std::size_t>(account)),
                &spec,
                0,
                spec.price * price_factor(region),
                {}};
  // Types that belong together (repositories, Azure) are had together.
  const std::uint64_t has = mix(account_hash, core::stable_hash(spec.provider));
  if (unit(has) < spec.share) {
    result.base = spec.scale * result.member->size * (0.4 + 1.2 * unit(mix(result.hash, 1)));
  }
  for (const Surge& surge : spec_.surges) {
    if (surge.region == region && surge.type == spec.name &&
        surge.account == ids_.at(static_cast<std::size_t>(account))) {
      result.surges.push_back(&surge);
    }
  }
  return result;
}

double Organization::daily(const Series& series, std::int64_t day) const {
  const Member& member = *series.member;
  if (series.base == 0 || day < member.joined || day >= member.left) return 0;
  const std::int64_t deployment = day / member.deploy_every;
  const double level =
      0.75 + 0.5 * unit(mix(series.hash ^ 0xdeU, static_cast<std::uint64_t>(deployment)));
  const double growth = std::max(0.2, 1 + member.growth * static_cast<double>(day - kAnchor));
  const std::int64_t weekday = (day + 4) % 7;  // 0 is Sunday
  const double week = member.weekends && (weekday == 0 || weekday == 6) ? 0.65 : 1;
  const double noise =
      0.96 + 0.08 * unit(mix(series.hash ^ 0x4015eU, static_cast<std::uint64_t>(day)));
  const double value = series.base * level * growth * week * noise * event_factor(series.hash, day);
  return series.type->whole ? std::floor(value + 0.5) : value;
}

double Organization::daily(int account, const std::string& region, std::string_view type,
                           core::Time day) const {
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes.at(i).name == type) return daily(series(account, region, i), core::day_of(day));
  }
  return 0;
}

std::vector<core::UsageTotal> Organization::totals(int account, const std::string& region,
                                                   core::Time t) const {
  std::vector<core::UsageTotal> result;
  const std::int64_t today = core::day_of(t);
  const double passed = static_cast<double>((t - core::midnight(today)).count()) / 86400;
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    const Series s = series(account, region, i);
    if (s.base == 0) continue;
    double total = 0;
    double billed = 0;
    for (std::int64_t ago = 0; ago <= kWindowDays; ++ago) {
      const std::int64_t day = today - ago;
      const double part = ago == 0 ? passed : ago == kWindowDays ? 1 - passed : 1;
      const double used = daily(s, day) * part;
      total += used;
      if (day >= s.member->joined + kTrialDays) billed += used;
    }
    for (const Surge* surge : s.surges) {
      const core::Time from = std::max(surge->from, t - kWindowDays * core::kDay);
      const core::Time to = std::min(surge->to, t);
      if (from >= to) continue;
      const double days = static_cast<double>((to - from).count()) / 86400;
      const double used = daily(s, core::day_of(surge->from)) * (surge->factor - 1) * days;
      total += used;
      billed += used;
    }
    if (s.type->whole) {
      total = std::floor(total);
      billed = std::floor(billed);
    }
    if (total <= 0) continue;
    result.push_back({ids_.at(static_cast<std::size_t>(account)), std::string(s.type->name),
                      std::string(s.type->provider), "USD", total,
                      round_to(billed * s.price, 1e10)});
  }
  return result;
}

std::vector<Label> Organization::labels(core::Time from, core::Time to) const {
  std::vector<Label> result;
  for (int account = 0; account < spec_.accounts; ++account) {
    const std::string& id = ids_.at(static_cast<std::size_t>(account));
    for (const std::string& region : spec_.regions) {
      for (std::size_t i = 0; i < kTypes.size(); ++i) {
        const Series s = series(account, region, i);
        if (s.base == 0) continue;
        for (std::int64_t day = core::day_of(from) - kLongestSpike; core::midnight(day) < to;
             ++day) {
          const auto event = event_of(s.hash, day);
          if (!event || core::midnight(day + event->days) <= from || daily(s, day) == 0) continue;
          result.push_back({id, region, std::string(s.type->name), event->spike ? "spike" : "burst",
                            core::midnight(day), core::midnight(day + event->days), event->factor});
        }
      }
    }
  }
  for (const Surge& surge : spec_.surges) {
    if (surge.from < to && surge.to > from) {
      result.push_back(
          {surge.account, surge.region, surge.type, "spike", surge.from, surge.to, surge.factor});
    }
  }
  return result;
}

}  // namespace usaged::sim
