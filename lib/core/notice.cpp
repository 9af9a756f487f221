#include "core/notice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>

#include "core/template.h"
#include "core/text.h"

namespace usaged::core {
namespace {

using json = nlohmann::ordered_json;

std::string amount(const std::optional<double>& value, const std::string& currency) {
  if (!value) return "unknown";
  return currency.empty() ? fmt::format("{:.6g}", *value)
                          : fmt::format("{:.2f} {}", *value, currency);
}

std::string where(const Alert& alert, const std::string& account_name) {
  std::vector<std::string> group;
  for (const auto& [name, value] : alert.labels) {
    const bool named = name == "account_id" && !account_name.empty();
    group.push_back(named ? fmt::format("account {} ({})", value, account_name)
                          : fmt::format("{} {}", name == "account_id" ? "account" : name, value));
  }
  return group.empty() ? "the whole organization" : join(group, ", ");
}

// The summary, the reason and what else there is to say, by the kind of rule that the details are
// of.
Labels explain(const Alert& alert, const std::string& place) {
  const bool firing = alert.state == AlertState::kFiring;
  const char* calm = firing ? "" : ", calm again";
  const json details = alert.details.empty() ? json::object() : json::parse(alert.details);
  const auto number = [&](const char* name) {
    const auto found = details.find(name);
    const bool known = found != details.end() && found->is_number();
    return amount(known ? std::optional(found->get<double>()) : std::nullopt, alert.currency);
  };
  const auto text = [&](const char* name, const char* without = "") {
    const auto found = details.find(name);
    return found != details.end() && found->is_string() ? found->get<std::string>()
                                                        : std::string(without);
  };
  Labels annotations;
  std::string& summary = annotations["summary"];
  if (details.contains("deviations")) {  // a spike
    summary = fmt::format("{}: {} in a day, where {} is usual, for {}{}", alert.rule,
                          number("value"), number("expected"), place, calm);
    annotations["reason"] = fmt::format(
        "{:.1f} deviations above the usual (a spike from {} on; confidence {}). It adds {} to the "
        "sum of 30 days, until {}.",
        details.value("deviations", 0.0), number("threshold"), text("confidence"), number("adds"),
        text("leaves_until"));
    std::vector<std::string> causes;
    for (const json& cause : details.value("contributors", json::array())) {
      causes.push_back(fmt::format("{} {} {} {:+.2f}", cause.value("account_id", ""),
                                   cause.value("region", ""), cause.value("usage_type", ""),
                                   cause.value("change", 0.0)));
    }
    if (!causes.empty()) annotations["contributors"] = join(causes, "; ");
  } else if (details.contains("budget")) {
    summary = fmt::format("{}: the month has {} so far and is projected to have {}, for {}{}",
                          alert.rule, number("spent"), number("projected"), place, calm);
    annotations["reason"] =
        fmt::format("The budget is {}{}.", number("budget"),
                    text("passed_on").empty() ? "" : ", and is passed on " + text("passed_on"));
  } else if (details.contains("limit")) {  // a threshold
    summary = fmt::format("{}: {}, where {} is the limit, for {}{}", alert.rule,
                          amount(alert.after, alert.currency), number("limit"), place, calm);
  } else if (details.contains("ends")) {  // a free trial
    summary = fmt::format("{}: a free trial ends at {}, and then costs {} a month, for {}{}",
                          alert.rule, text("ends"), number("monthly_cost_after"), place, calm);
  } else if (details.contains("last_success")) {  // a region that is not collected
    summary = fmt::format("{}: no good poll since {}, for {}{}", alert.rule,
                          text("last_success", "the first"), place, calm);
    annotations["reason"] =
        fmt::format("{} failures in a row; the last one: {} {}", details.value("failures", 0),
                    text("outcome"), text("error"));
  } else if (details.contains("disk")) {
    summary =
        fmt::format("{}: nothing is polled: {}, for {}{}", alert.rule, text("disk"), place, calm);
    annotations["reason"] = "Make room on the disk of the database; polls go on by themselves.";
  } else if (details.contains("set_aside")) {
    summary = fmt::format("{}: the history up to now is not served: {} was moved aside{}",
                          alert.rule, text("set_aside"), calm);
    annotations["reason"] =
        "The database was damaged, and a new one was begun, so that polls go on. Restore a backup, "
        "import what was polled since, and take the damaged files away.";
  } else if (details.contains("missing")) {  // a parity
    std::vector<std::string> missing;
    for (const json& one : details["missing"]) missing.push_back(one.get<std::string>());
    summary = fmt::format("{}: {} lacks what {:.0f}% of the others have{}", alert.rule, place,
                          100 * details.value("share", 0.0), calm);
    annotations["reason"] = "Not there: " + join(missing, ", ");
  } else if (details.contains("price_before")) {
    summary =
        fmt::format("{}: the price of a unit went from {:.6g} to {:.6g}{}{}, for {}{}", alert.rule,
                    details.value("price_before", 0.0), details.value("price_after", 0.0),
                    alert.currency.empty() ? "" : " ", alert.currency, place, calm);
  } else {
    summary = fmt::format(
        "{}: {} {} to {} for {}", alert.rule, firing ? "went from" : "is calm again, from",
        amount(alert.before, alert.currency), amount(alert.after, alert.currency), place);
  }
  return annotations;
}

std::size_t rank(const std::string& severity) {
  static constexpr std::array<std::string_view, 4> kOrder{"critical", "error", "warning", "info"};
  return static_cast<std::size_t>(std::ranges::find(kOrder, severity) - kOrder.begin());
}

double size_of(const Alert& alert) {
  return std::abs(alert.after.value_or(0) - alert.before.value_or(0));
}

}  // namespace

const Rule* rule_of(const Alert& alert, const std::vector<Rule>& rules) {
  const auto rule = std::ranges::find(rules, alert.rule, &Rule::name);
  return rule == rules.end() ? nullptr : &*rule;
}

Labels notice_labels(const Alert& alert, const Rule* rule) {
  Labels labels = alert.labels;
  if (rule != nullptr) labels.insert(rule->labels.begin(), rule->labels.end());
  labels["alertname"] = alert.rule;
  labels["severity"] = alert.severity;
  if (!alert.currency.empty()) labels["currency"] = alert.currency;
  return labels;
}

NoticeAlert notice_alert(const Alert& alert, const Rule* rule, const std::string& account_name) {
  NoticeAlert result{alert, notice_labels(alert, rule), explain(alert, where(alert, account_name))};
  Labels& annotations = result.annotations;
  if (!account_name.empty()) annotations["account_name"] = account_name;
  if (alert.starts_at && alert.ends_at) {
    annotations["duration"] = format_duration(*alert.ends_at - *alert.starts_at);
  }
  if (alert.state == AlertState::kResolved && alert.peak) {
    annotations["peak"] = amount(alert.peak, alert.currency);
  }
  if (is_flapping(alert)) {
    annotations["flapping"] = fmt::format("fired {} times within a day", alert.flaps + 1);
  }
  if (alert.acked_at) annotations["acknowledged"] = "by " + alert.acked_by;
  if (rule == nullptr || rule->annotations.empty()) return result;
  Labels values = result.labels;
  values.insert(annotations.begin(), annotations.end());
  values["before"] = amount(alert.before, alert.currency);
  values["after"] = amount(alert.after, alert.currency);
  values["peak"] = amount(alert.peak, alert.currency);
  if (alert.score) values["score"] = fmt::format("{:.1f}", *alert.score);
  if (alert.starts_at) values["starts_at"] = format_time(*alert.starts_at);
  if (alert.ends_at) values["ends_at"] = format_time(*alert.ends_at);
  for (const auto& [name, text] : rule->annotations) {
    annotations[name] = fill_template(text, values);
  }
  return result;
}

std::size_t most_alerts(ReceiverKind kind) {
  constexpr std::size_t kForPeople = 20;
  constexpr std::size_t kForPrograms = 500;
  if (kind == ReceiverKind::kAlertmanager) return std::numeric_limits<std::size_t>::max();
  return kind == ReceiverKind::kWebhook ? kForPrograms : kForPeople;
}

void finish_notice(Notice& notice, std::size_t most) {
  std::ranges::stable_sort(notice.alerts, [](const NoticeAlert& a, const NoticeAlert& b) {
    const auto key = [](const NoticeAlert& one) {
      return std::make_tuple(one.alert.state != AlertState::kFiring, rank(one.alert.severity),
                             -size_of(one.alert));
    };
    return key(a) < key(b);
  });
  notice.firing = static_cast<int>(std::ranges::count_if(notice.alerts, [](const NoticeAlert& one) {
    return one.alert.state == AlertState::kFiring;
  }));
  notice.resolved = static_cast<int>(notice.alerts.size()) - notice.firing;
  notice.attended = std::ranges::all_of(notice.alerts, [](const NoticeAlert& one) {
    return one.alert.state != AlertState::kFiring || one.alert.acked_at.has_value();
  });
  if (notice.alerts.size() > most) {
    std::map<std::string, int> by_rule;
    for (const NoticeAlert& one : notice.alerts) ++by_rule[one.alert.rule];
    for (const auto& [rule, count] : by_rule) {
      notice.lines.push_back(fmt::format("{}: {} alerts", rule, count));
    }
    notice.left_out = static_cast<int>(notice.alerts.size() - most);
    notice.alerts.resize(most);
  }
  if (!notice.title.empty() || notice.alerts.empty()) return;
  if (notice.firing + notice.resolved == 1) {
    notice.title = fmt::format("[{}] {}", notice.firing > 0 ? "FIRING" : "RESOLVED",
                               notice.alerts.front().annotations.at("summary"));
    return;
  }
  const std::string counts =
      notice.firing > 0 && notice.resolved > 0
          ? fmt::format("FIRING:{}, RESOLVED:{}", notice.firing, notice.resolved)
      : notice.firing > 0 ? fmt::format("FIRING:{}", notice.firing)
                          : fmt::format("RESOLVED:{}", notice.resolved);
  std::vector<std::string> group;
  for (const auto& [name, value] : notice.group_labels) {
    group.push_back(name == "alertname" ? value : name + " " + value);
  }
  notice.title =
      fmt::format("[{}] {}", counts, group.empty() ? "several alerts" : join(group, ", "));
}

}  // namespace usaged::core
