#include "sim/faults.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/text.h"
#include "core/yaml.h"

namespace usaged::sim {
namespace {

const std::vector<std::pair<std::string, FaultKind>>& kinds() {
  static const std::vector<std::pair<std::string, FaultKind>> all{
      {"throttle", FaultKind::kThrottle},
      {"server_error", FaultKind::kServerError},
      {"unavailable", FaultKind::kUnavailable},
      {"denied", FaultKind::kDenied},
      {"expired_token", FaultKind::kExpiredToken},
      {"hang", FaultKind::kHang},
      {"cut", FaultKind::kCut},
      {"garbage", FaultKind::kGarbage},
      {"empty", FaultKind::kEmpty},
      {"repeated_token", FaultKind::kRepeatedToken},
      {"unknown_type", FaultKind::kUnknownType},
      {"null_members", FaultKind::kNullMembers},
      {"straddle", FaultKind::kStraddle}};
  return all;
}

FaultKind parse_kind(const std::string& text) {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kinds()) {
    if (name == text) return kind;
    names.push_back(name);
  }
  const std::string near = core::nearest(text, names);
  throw core::Error(core::ErrorCode::kInvalid, "'{}' is not a fault; {}", text,
                    near.empty() ? "allowed: " + core::join(names, ", ")
                                 : fmt::format("did you mean '{}'?", near));
}

std::string parse_service(const std::string& text) {
  static const std::vector<std::string> names{"inspector2",    "trials",   "sts",
                                              "organizations", "metadata", "container"};
  if (std::ranges::find(names, text) != names.end()) return text;
  throw core::Error(core::ErrorCode::kInvalid, "'{}' is not a service; allowed: {}", text,
                    core::join(names, ", "));
}

}  // namespace

std::vector<Fault> parse_faults(const std::string& name, const std::string& text) {
  core::YamlFile file(name, text);
  core::YamlMap root = file.root();
  std::vector<Fault> faults;
  root.require("faults", "a list of faults");
  if (auto maps = root.maps("faults")) {
    for (core::YamlMap& map : *maps) {
      Fault fault{};
      map.require("kind", "what goes wrong");
      map.read("kind", fault.kind, parse_kind);
      map.read("service", fault.service, parse_service);
      map.read("region", fault.region);
      map.read("account", fault.account);
      map.read("probability", fault.probability, 0, 1);
      map.read("after", fault.after, 0, 1000000);
      map.read("every", fault.every, 1, 1000000);
      map.read("count", fault.count, 0, 1000000);
      map.read("retry_after", fault.retry_after,
               [](const std::string& value) { return std::optional(core::parse_duration(value)); });
      map.read("duration", fault.duration, core::parse_duration);
      map.done();
      faults.push_back(fault);
    }
  }
  root.done();
  file.finish();
  return faults;
}

std::vector<Fault> FaultPlan::next(const std::string& service, const std::string& region,
                                   const std::string& account) {
  const std::lock_guard lock(mutex_);
  std::vector<Fault> result;
  for (std::size_t i = 0; i < faults_.size(); ++i) {
    const Fault& fault = faults_[i];
    if (fault.service != service || (!fault.region.empty() && fault.region != region) ||
        (!fault.account.empty() && fault.account != account)) {
      continue;
    }
    if (++met_[i] <= fault.after || (met_[i] - fault.after) % fault.every != 0) continue;
    random_ = core::stable_hash(std::to_string(random_));
    const double chance = static_cast<double>(random_ >> 11U) * 0x1.0p-53;
    if (chance >= fault.probability) continue;
    if (fault.count != 0 && done_[i] >= fault.count) continue;
    ++done_[i];
    result.push_back(fault);
  }
  return result;
}

}  // namespace usaged::sim
