#include "app/rules.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/spike.h"
#include "store/damage.h"
#include "store/disk.h"
#include "store/months.h"

namespace usaged::app {
namespace {

using core::Presence;
using core::Time;
using core::Verdict;
using Json = nlohmann::ordered_json;

constexpr int kContributors = 3;

store::Question question_of(const core::Rule& rule) {
  store::Question question;
  question.filter.accounts = rule.accounts;
  question.filter.regions = rule.regions;
  question.filter.types = rule.types;
  question.group_by = rule.group_by;
  question.metric = rule.metric;
  return question;
}

core::ValueAt value_of(double value) { return {Presence::kPresent, value}; }

std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Over a limit, or on the way down from it.
Verdict over(double value, double limit, double recovery) {
  if (value >= limit) return Verdict::kIncreased;
  return value >= limit * recovery ? Verdict::kElevated : Verdict::kCalm;
}

std::vector<Measured> increases(store::Reader& reader, const core::Rule& rule, Time now) {
  std::vector<Measured> result;
  const store::DeltaAnswer answer =
      store::History(reader).deltas(question_of(rule), now - rule.window, now, now);
  for (const store::DeltaRow& row : answer.rows) {
    result.push_back(
        {row.group, {row.after.oldest, row.after.newest, row.before.at, row.after.at}});
  }
  return result;
}

// Who made the change of the last day, by group.
using Causes = std::map<std::pair<core::Labels, std::string>, Json>;

Causes causes_of(store::Reader& reader, const core::Rule& rule, Time now) {
  Causes causes;
  const store::DeltaAnswer answer =
      store::History(reader).deltas(question_of(rule), now - core::kDay, now, now, kContributors);
  for (const store::DeltaRow& row : answer.rows) {
    Json& of = causes[{row.group.labels, row.group.currency}] = Json::array();
    for (const store::Contributor& cause : row.contributors) {
      of.push_back({{"account_id", cause.account},
                    {"region", cause.region},
                    {"usage_type", cause.type},
                    {"change", cause.change}});
    }
  }
  return causes;
}

std::vector<Measured> spikes(store::Reader& reader, const core::Rule& rule, Time now,
                             store::SpikeMemory& memory) {
  core::SpikeOptions options;
  options.min_amount = rule.increase_amount;
  options.min_percent = rule.increase_percent;
  options.deviations = rule.deviations;
  options.recovery = rule.recovery;
  std::vector<Measured> result;
  std::optional<Causes> causes;
  for (const store::SpikeRow& row :
       store::spikes(reader, question_of(rule), options, now, memory)) {
    Measured& one = result.emplace_back();
    one.group = row.group;
    one.measurement.oldest = row.oldest;
    one.measurement.newest = row.to;
    one.measurement.judged = Verdict::kUnknown;
    if (!row.judgement) continue;
    const core::SpikeJudgement& judged = *row.judgement;
    one.measurement.before = value_of(judged.expected);
    one.measurement.after = value_of(judged.value);
    one.measurement.score = judged.score;
    one.measurement.judged = judged.firing ? Verdict::kIncreased
                             : judged.calm ? Verdict::kCalm
                                           : Verdict::kElevated;
    if (!judged.firing) continue;
    if (!causes) causes = causes_of(reader, rule, now);
    one.measurement.details =
        text_of({{"value", judged.value},
                 {"expected", judged.expected},
                 {"threshold", judged.threshold},
                 {"deviations", judged.score},
                 {"confidence", core::confidence_name(judged.confidence)},
                 {"from", core::format_time(row.from)},
                 {"to", core::format_time(row.to)},
                 {"adds", judged.value - judged.expected},
                 {"leaves_from", core::format_time(row.from + 30 * core::kDay)},
                 {"leaves_until", core::format_time(row.to + 30 * core::kDay)},
                 {"contributors", (*causes)[{row.group.labels, row.group.currency}]}});
  }
  return result;
}

std::vector<Measured> thresholds(store::Reader& reader, const core::Rule& rule, Time now) {
  const store::Moments moments = store::History(reader).at(question_of(rule), {now});
  std::vector<Measured> result;
  for (std::size_t i = 0; i < moments.groups.size(); ++i) {
    const store::GroupValue& value = moments.values[0][i];
    if (value.at.presence == Presence::kAbsent) continue;
    Measured& one = result.emplace_back();
    one.group = moments.groups[i];
    one.measurement = {value.oldest, value.newest, value_of(rule.limit), value.at};
    one.measurement.details = text_of({{"limit", rule.limit}});
    one.measurement.judged =
        value.at.value ? over(*value.at.value, rule.limit, rule.recovery) : Verdict::kUnknown;
  }
  return result;
}

std::vector<Measured> budgets(store::Reader& reader, const core::Rule& rule, Time now) {
  const store::MonthAnswer answer = store::months(reader, question_of(rule), 1, rule.limit, now);
  const auto newest = answer.completeness.newest.value_or(now);
  std::vector<Measured> result;
  for (const store::MonthLine& line : answer.lines) {
    const store::MonthRow& month = line.months.back();
    const auto& spent = month.sum.estimate;
    const auto& projected = month.projected;
    Measured& one = result.emplace_back();
    one.group = line.group;
    one.measurement.oldest = one.measurement.newest = newest;
    one.measurement.before = value_of(rule.limit);
    one.measurement.judged = Verdict::kUnknown;
    if (!spent || (rule.forecast && !projected)) continue;
    const double value = rule.forecast ? projected->expected : *spent;
    one.measurement.after = value_of(value);
    one.measurement.judged = over(value, rule.limit, rule.recovery);
    if (value < rule.limit) continue;
    const auto& passed = month.budget_passed;
    one.measurement.details =
        text_of({{"budget", rule.limit},
                 {"spent", *spent},
                 {"spent_low", month.sum.low},
                 {"spent_high", month.sum.high ? Json(*month.sum.high) : Json(nullptr)},
                 {"projected", projected ? Json(projected->expected) : Json(nullptr)},
                 {"projected_low", projected ? Json(projected->low) : Json(nullptr)},
                 {"projected_high", projected ? Json(projected->high) : Json(nullptr)},
                 {"passed_on", passed ? Json(core::format_day(passed->time_since_epoch().count()))
                                      : Json(nullptr)}});
  }
  return result;
}

// What was not there a window ago, or is not there now.
std::vector<Measured> membership(store::Reader& reader, const core::Rule& rule, Time now) {
  const core::DeltaStatus wanted =
      rule.kind == core::RuleKind::kNew ? core::DeltaStatus::kNew : core::DeltaStatus::kGone;
  std::vector<Measured> result;
  const store::DeltaAnswer answer =
      store::History(reader).deltas(question_of(rule), now - rule.window, now, now);
  for (const store::DeltaRow& row : answer.rows) {
    Measured& one = result.emplace_back();
    one.group = row.group;
    one.measurement = {row.after.oldest, row.after.newest, row.before.at, row.after.at};
    if (wanted == core::DeltaStatus::kGone) one.measurement.oldest = one.measurement.newest = now;
    one.measurement.judged = row.delta.status == wanted                        ? Verdict::kIncreased
                             : row.delta.status == core::DeltaStatus::kUnknown ? Verdict::kUnknown
                                                                               : Verdict::kCalm;
  }
  return result;
}

std::vector<Measured> ending_trials(store::Reader& reader, const core::Rule& rule, Time now) {
  std::vector<Measured> result;
  const std::vector<std::string> accounts = reader.accounts_with_trials(now, now + rule.window);
  if (accounts.empty()) return result;
  for (const store::TrialRow& row : reader.trials(accounts)) {
    const auto& end = row.trial.end;
    if (!end || *end <= now || *end > now + rule.window) continue;
    const auto chosen = [](const std::vector<std::string>& allowed, const std::string& value) {
      return allowed.empty() || std::ranges::find(allowed, value) != allowed.end();
    };
    if (!chosen(rule.accounts, row.trial.account) || !chosen(rule.regions, row.region)) continue;
    if (row.monthly_cost_after && *row.monthly_cost_after < rule.limit) continue;
    Measured& one = result.emplace_back();
    one.group.labels = {
        {"account_id", row.trial.account}, {"region", row.region}, {"trial", row.trial.type}};
    one.group.currency = row.currency;
    one.measurement.oldest = one.measurement.newest = now;
    one.measurement.before = value_of(0);
    one.measurement.after = {Presence::kPresent, row.monthly_cost_after};
    one.measurement.judged = Verdict::kIncreased;
    one.measurement.details =
        text_of({{"ends", core::format_time(*end)},
                 {"monthly_cost_after",
                  row.monthly_cost_after ? Json(*row.monthly_cost_after) : Json(nullptr)}});
  }
  return result;
}

// Regions of targets without a good poll for so long, or ever.
std::vector<Measured> stale_scopes(store::Reader& reader, const core::Rule& rule, Time now) {
  std::vector<Measured> result;
  for (const store::ScopeRow& scope : reader.scopes()) {
    if (scope.removed) continue;
    const Time since = scope.newest_good ? scope.newest_good->started : scope.first_attempt;
    const core::Seconds age = now - since;
    Measured& one = result.emplace_back();
    one.group.labels = {{"target", scope.newest.target}, {"region", scope.newest.region}};
    one.group.unit = core::Unit::kHours;
    one.measurement.oldest = one.measurement.newest = now;
    one.measurement.before = value_of(static_cast<double>(rule.window.count()) / 3600);
    one.measurement.after = value_of(static_cast<double>(age.count()) / 3600);
    one.measurement.judged = age > rule.window ? Verdict::kIncreased : Verdict::kCalm;
    if (age <= rule.window) continue;
    one.measurement.details = text_of(
        {{"last_success",
          scope.newest_good ? Json(core::format_time(scope.newest_good->started)) : Json(nullptr)},
         {"outcome", scope.newest.outcome},
         {"failures", scope.failures},
         {"error", scope.newest.error}});
  }
  return result;
}

// Megabytes that are free where the database is.
std::vector<Measured> disk(const store::Reader& reader, Time now) {
  const store::Room room = store::room_for(reader.path());
  constexpr double kMegabyte = 1 << 20;
  Measured one;
  one.group.labels = {{"database", reader.path()}};
  one.measurement.oldest = one.measurement.newest = now;
  one.measurement.before = value_of(static_cast<double>(store::Room::kNeeded) / kMegabyte);
  one.measurement.after = value_of(static_cast<double>(room.free) / kMegabyte);
  one.measurement.judged = room.enough() ? Verdict::kCalm : Verdict::kIncreased;
  if (!room.enough()) one.measurement.details = text_of({{"disk", room.text()}});
  return {one};
}

// How many damaged databases lie beside the one in use.
std::vector<Measured> damage(const store::Reader& reader, Time now) {
  const std::vector<std::string> aside = store::set_aside(reader.path());
  Measured one;
  one.group.labels = {{"database", reader.path()}};
  one.measurement.oldest = one.measurement.newest = now;
  one.measurement.before = value_of(0);
  one.measurement.after = value_of(static_cast<double>(aside.size()));
  one.measurement.judged = aside.empty() ? Verdict::kCalm : Verdict::kIncreased;
  if (!aside.empty()) one.measurement.details = text_of({{"set_aside", aside.back()}});
  return {one};
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// What a unit costs now and a window ago, by the median of the accounts: one in a free trial pays
// nothing, and one of many scans may pay less for the last of them.
std::vector<Measured> prices(store::Reader& reader, const core::Rule& rule, Time now) {
  store::Question question = question_of(rule);
  question.group_by = {"account", "region", "type"};
  const std::vector<Time> times{now - rule.window, now};
  question.metric = core::Metric::kCost;
  const store::Moments costs = store::History(reader).at(question, times);
  question.metric = core::Metric::kTotal;
  const store::Moments totals = store::History(reader).at(question, times);
  std::map<core::Labels, std::size_t> total_of;
  for (std::size_t i = 0; i < totals.groups.size(); ++i) total_of[totals.groups[i].labels] = i;

  struct Prices {
    std::vector<double> before;
    std::vector<double> after;
    Time oldest = Time::max();
    Time newest = Time::min();
  };
  std::map<std::pair<core::Labels, std::string>, Prices> groups;
  for (std::size_t i = 0; i < costs.groups.size(); ++i) {
    const auto found = total_of.find(costs.groups[i].labels);
    if (found == total_of.end()) continue;
    const auto price = [&](std::size_t moment) -> std::optional<double> {
      const auto& cost = costs.values[moment][i].at.value;
      const auto& total = totals.values[moment][found->second].at.value;
      if (!cost || !total || *cost <= 0 || *total <= 0) return std::nullopt;
      return *cost / *total;
    };
    const auto before = price(0);
    const auto after = price(1);
    if (!before || !after) continue;
    core::Labels labels;
    for (const std::string& dimension : rule.group_by) {
      const std::string label = store::label_of(dimension);
      labels[label] = costs.groups[i].labels.at(label);
    }
    Prices& of = groups[{labels, costs.groups[i].currency}];
    of.before.push_back(*before);
    of.after.push_back(*after);
    of.oldest = std::min(of.oldest, costs.values[1][i].oldest);
    of.newest = std::max(of.newest, costs.values[1][i].newest);
  }
  std::vector<Measured> result;
  for (auto& [key, of] : groups) {
    const double before = median(std::move(of.before));
    const double after = median(std::move(of.after));
    const double percent = 100 * std::abs(after / before - 1);
    Measured& one = result.emplace_back();
    one.group.labels = key.first;
    one.group.currency = key.second;
    one.measurement = {of.oldest, of.newest, value_of(before), value_of(after)};
    one.measurement.judged =
        percent > 0 && percent >= rule.increase_percent ? Verdict::kIncreased : Verdict::kCalm;
    one.measurement.details =
        text_of({{"price_before", before}, {"price_after", after}, {"percent", percent}});
  }
  return result;
}

// Accounts, or regions, that lack what most of the others have.
std::vector<Measured> parities(store::Reader& reader, const core::Rule& rule, Time now) {
  constexpr std::size_t kLeastGroups = 3;
  store::Question question = question_of(rule);
  question.group_by = {"account", "region", "type"};
  const store::Moments moments = store::History(reader).at(question, {now});
  const std::string label = store::label_of(rule.group_by.front());
  struct Having {
    std::set<std::string> items;
    bool unknown = false;
    Time oldest = Time::max();
    Time newest = Time::min();
  };
  std::map<std::string, Having> groups;
  std::map<std::string, std::size_t> holders;
  for (std::size_t i = 0; i < moments.groups.size(); ++i) {
    const store::GroupValue& value = moments.values[0][i];
    if (value.at.presence == Presence::kAbsent) continue;
    const core::Labels& labels = moments.groups[i].labels;
    Having& of = groups[labels.at(label)];
    of.oldest = std::min(of.oldest, value.oldest);
    of.newest = std::max(of.newest, value.newest);
    if (value.at.presence == Presence::kUnknown) of.unknown = true;
    const std::string item = label == "region"
                                 ? labels.at("usage_type")
                                 : labels.at("usage_type") + " in " + labels.at("region");
    if (of.items.insert(item).second) ++holders[item];
  }
  std::vector<Measured> result;
  if (groups.size() < kLeastGroups) return result;
  const double most = static_cast<double>(groups.size());
  for (const auto& [name, of] : groups) {
    Json missing = Json::array();
    for (const auto& [item, count] : holders) {
      // Of the others, since it can't be among them.
      const bool usual = static_cast<double>(count) >= rule.share * (most - 1);
      if (usual && !of.items.contains(item)) missing.push_back(item);
    }
    Measured& one = result.emplace_back();
    one.group.labels = {{label, name}};
    one.measurement.oldest = of.oldest;
    one.measurement.newest = of.newest;
    one.measurement.before = value_of(0);
    one.measurement.after = value_of(static_cast<double>(missing.size()));
    one.measurement.judged = of.unknown        ? Verdict::kUnknown
                             : missing.empty() ? Verdict::kCalm
                                               : Verdict::kIncreased;
    if (!missing.empty()) {
      one.measurement.details = text_of({{"missing", missing}, {"share", rule.share}});
    }
  }
  return result;
}

}  // namespace

std::vector<Measured> measure(store::Reader& reader, const core::Rule& rule, Time now,
                              RuleMemory& memory) {
  switch (rule.kind) {
    case core::RuleKind::kSpike:
      return spikes(reader, rule, now, memory[rule.name]);
    case core::RuleKind::kIncrease:
      return increases(reader, rule, now);
    case core::RuleKind::kThreshold:
      return thresholds(reader, rule, now);
    case core::RuleKind::kBudget:
      return budgets(reader, rule, now);
    case core::RuleKind::kNew:
    case core::RuleKind::kGone:
      return membership(reader, rule, now);
    case core::RuleKind::kTrial:
      return ending_trials(reader, rule, now);
    case core::RuleKind::kStale:
      return stale_scopes(reader, rule, now);
    case core::RuleKind::kDisk:
      return disk(reader, now);
    case core::RuleKind::kDamage:
      return damage(reader, now);
    case core::RuleKind::kPrice:
      return prices(reader, rule, now);
    case core::RuleKind::kParity:
      return parities(reader, rule, now);
  }
  return {};
}

}  // namespace usaged::app
