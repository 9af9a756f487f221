#include "app/notices.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/text.h"
#include "store/history.h"

namespace usaged::app {
namespace {

using core::Time;

constexpr std::size_t kMovers = 5;

std::map<std::string, std::string> account_names(store::Reader& reader) {
  std::map<std::string, std::string> names;
  for (const store::AccountRow& account : reader.accounts()) names[account.id] = account.known.name;
  return names;
}

core::NoticeAlert told(const NoticeSource& source, const core::Alert& alert,
                       const std::map<std::string, std::string>& names) {
  const auto account = alert.labels.find("account_id");
  const auto name = account == alert.labels.end() ? names.end() : names.find(account->second);
  return core::notice_alert(alert, core::rule_of(alert, source.config.rules),
                            name == names.end() ? "" : name->second);
}

std::string money(double value, const std::string& currency) {
  return fmt::format("{:.2f} {}", value, currency);
}

// The costs of the organization now and then, and who made the difference.
void tell_costs(const NoticeSource& source, const std::string& span, Time from, Time now,
                const std::map<std::string, std::string>& names, core::Notice& notice) {
  store::History history(source.reader);
  store::Question whole;
  whole.metric = core::Metric::kCost;
  whole.group_by = {};
  for (const store::DeltaRow& row : history.deltas(whole, from, now, now).rows) {
    const std::string& currency = row.group.currency;
    if (!row.after.at.value) {
      notice.lines.push_back(fmt::format(
          "The cost of the last 30 days ({}) is not known now: polls are missing", currency));
      continue;
    }
    notice.lines.push_back(
        fmt::format("The last 30 days cost {}, {} a {} ago{}", money(*row.after.at.value, currency),
                    row.before.at.value ? money(*row.before.at.value, currency) : "unknown", span,
                    row.delta.percent ? fmt::format(" ({:+.1f}%)", *row.delta.percent) : ""));
  }
  store::Question by_account = whole;
  by_account.group_by = {"account"};
  std::size_t count = 0;
  for (const store::DeltaRow& row : history.deltas(by_account, from, now, now).rows) {
    if (!row.delta.change || *row.delta.change == 0 || count == kMovers) break;
    const std::string& id = row.group.labels.at("account_id");
    const auto name = names.find(id);
    const bool named = name != names.end() && !name->second.empty();
    notice.lines.push_back(fmt::format("  {:+.2f} {} by account {}{}", *row.delta.change,
                                       row.group.currency, id,
                                       named ? " (" + name->second + ")" : ""));
    ++count;
  }
}

}  // namespace

core::Notice make_notice(const NoticeSource& source, const core::Receiver& receiver,
                         const core::Dispatch& dispatch, const std::vector<core::Alert>& alerts,
                         Time now) {
  const auto names = account_names(source.reader);
  core::Notice notice;
  notice.receiver = receiver.name;
  notice.external_url = source.external_url;
  notice.group_key = dispatch.group_key;
  notice.group_labels = dispatch.group_labels;
  notice.at = now;
  for (const core::Alert& alert : alerts) notice.alerts.push_back(told(source, alert, names));
  core::finish_notice(notice, core::most_alerts(receiver.kind));
  if (dispatch.reason == core::DispatchReason::kStorm) {
    notice.title =
        fmt::format("[STORM] {} alerts fire, {} resolved", notice.firing, notice.resolved);
  }
  return notice;
}

core::Notice make_digest(const NoticeSource& source, const core::Receiver& receiver,
                         const std::vector<core::Alert>& firing,
                         const std::vector<core::Alert>& resolved, Time now) {
  const bool weekly = receiver.digest == core::Digest::kWeekly;
  const std::string span = weekly ? "week" : "day";
  const Time from = now - digest_span(receiver);
  const auto names = account_names(source.reader);
  core::Notice notice;
  notice.receiver = receiver.name;
  notice.external_url = source.external_url;
  notice.group_key = kDigestKey;
  notice.group_labels = {{"digest", weekly ? "weekly" : "daily"}};
  notice.at = now;
  for (const core::Alert& alert : firing) notice.alerts.push_back(told(source, alert, names));
  notice.title = fmt::format("Amazon Inspector, the {} until {}", span, core::format_time(now));
  tell_costs(source, span, from, now, names, notice);
  const auto raised = std::ranges::count_if(
      firing, [&](const core::Alert& alert) { return alert.starts_at.value_or(from) > from; });
  notice.lines.push_back(fmt::format("{} alerts fire, {} of them since; {} resolved", firing.size(),
                                     raised, resolved.size()));
  int failing = 0;
  for (const store::ScopeRow& scope : source.reader.scopes()) {
    if (!scope.removed && scope.failures > 0) ++failing;
  }
  notice.lines.push_back(failing == 0
                             ? "Every region is collected"
                             : fmt::format("{} targets and regions can't be polled now", failing));
  core::finish_notice(notice, core::most_alerts(receiver.kind));
  return notice;
}

core::Seconds digest_span(const core::Receiver& receiver) {
  return (receiver.digest == core::Digest::kWeekly ? 7 : 1) * core::kDay;
}

Time digest_slot(const core::Receiver& receiver, Time now) {
  const Time midnight = std::chrono::floor<std::chrono::days>(now);
  Time slot = midnight + receiver.digest_at;
  if (slot > now) slot -= core::kDay;
  if (receiver.digest != core::Digest::kWeekly) return slot;
  const auto day = std::chrono::weekday(std::chrono::floor<std::chrono::days>(slot));
  return slot - core::kDay * (day - std::chrono::Monday).count();
}

core::Notice sample_notice(const core::Receiver& receiver, const std::string& external_url,
                           Time now) {
  core::Alert alert;
  alert.rule = "test-notify";
  alert.severity = "info";
  alert.labels = {{"account_id", "000000000000"}};
  alert.currency = "USD";
  alert.state = core::AlertState::kFiring;
  alert.pending_since = now;
  alert.starts_at = now;
  alert.before = 0;
  alert.after = 0;
  alert.fingerprint = core::fingerprint(alert.rule, alert.labels, alert.currency);
  core::NoticeAlert one = core::notice_alert(alert, nullptr, "");
  one.annotations["summary"] =
      "This is a test of the receiver " + receiver.name + "; nothing has happened";
  core::Notice notice;
  notice.receiver = receiver.name;
  notice.external_url = external_url;
  notice.group_key = "{}:{alertname=\"test-notify\"}";
  notice.group_labels = {{"alertname", alert.rule}};
  notice.at = now;
  notice.alerts.push_back(std::move(one));
  core::finish_notice(notice, core::most_alerts(receiver.kind));
  return notice;
}

}  // namespace usaged::app
