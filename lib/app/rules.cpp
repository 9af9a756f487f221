#include "app/rules.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "core/spike.h"
#include "store/months.h"
#include "store/spikes.h"

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

std::vector<Measured> spikes(store::Reader& reader, const core::Rule& rule, Time now) {
  core::SpikeOptions options;
  options.min_amount = rule.increase_amount;
  options.min_percent = rule.increase_percent;
  options.deviations = rule.deviations;
  options.recovery = rule.recovery;
  std::vector<Measured> result;
  std::optional<Causes> causes;
  for (const store::SpikeRow& row : store::spikes(reader, question_of(rule), options, now)) {
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

}  // namespace

std::vector<Measured> measure(store::Reader& reader, const core::Rule& rule, Time now) {
  switch (rule.kind) {
    case core::RuleKind::kSpike:
      return spikes(reader, rule, now);
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
  }
  return {};
}

}  // namespace usaged::app
