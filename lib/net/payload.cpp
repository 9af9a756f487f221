#include "net/payload.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace usaged::net {
namespace {

using core::AlertState;
using core::Notice;
using core::NoticeAlert;
using json = nlohmann::ordered_json;

// What Alertmanager sends where an alert has not ended.
constexpr const char* kNoEnd = "0001-01-01T00:00:00Z";
// Limits of the formats, in bytes or items.
constexpr std::size_t kMostSlackHeader = 150;
constexpr std::size_t kMostSlackText = 3000;
constexpr std::size_t kMostPagerDutySummary = 1024;
constexpr std::size_t kMostSubject = 100;  // of SNS
constexpr std::size_t kMostMessage = 200000;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

bool is_firing(const NoticeAlert& one) { return one.alert.state == AlertState::kFiring; }

// The text, cut at a character's end so that it has so many bytes at most.
std::string cut(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "...";
}

std::string annotation(const NoticeAlert& one, const char* name) {
  const auto found = one.annotations.find(name);
  return found == one.annotations.end() ? "" : found->second;
}

std::string link(const Notice& notice) { return notice.external_url + "/#alerts"; }

std::string starts_of(const NoticeAlert& one) {
  return core::format_time(one.alert.starts_at.value_or(one.alert.pending_since));
}

json alert_json(const NoticeAlert& one, const Notice& notice) {
  return {{"status", is_firing(one) ? "firing" : "resolved"},
          {"labels", one.labels},
          {"annotations", one.annotations},
          {"startsAt", starts_of(one)},
          {"endsAt", one.alert.ends_at ? core::format_time(*one.alert.ends_at) : kNoEnd},
          {"generatorURL", link(notice)},
          {"fingerprint", one.alert.fingerprint}};
}

// What all of them have in common.
core::Labels common(const Notice& notice, core::Labels NoticeAlert::*member) {
  if (notice.alerts.empty()) return {};
  core::Labels result = notice.alerts.front().*member;
  for (const NoticeAlert& one : notice.alerts) {
    const core::Labels& other = one.*member;
    std::erase_if(result, [&other](const auto& entry) {
      const auto found = other.find(entry.first);
      return found == other.end() || found->second != entry.second;
    });
  }
  return result;
}

std::string webhook(const Notice& notice) {
  json alerts = json::array();
  for (const NoticeAlert& one : notice.alerts) alerts.push_back(alert_json(one, notice));
  core::Labels annotations = common(notice, &NoticeAlert::annotations);
  if (!notice.lines.empty()) {
    annotations["summary"] = notice.title;
    annotations["description"] = core::join(notice.lines, "\n");
  }
  return dump({{"version", "4"},
               {"groupKey", notice.group_key},
               {"truncatedAlerts", notice.left_out},
               {"status", notice.firing > 0 ? "firing" : "resolved"},
               {"receiver", notice.receiver},
               {"groupLabels", notice.group_labels},
               {"commonLabels", common(notice, &NoticeAlert::labels)},
               {"commonAnnotations", annotations},
               {"externalURL", notice.external_url},
               {"alerts", alerts}});
}

std::string alertmanager(const Notice& notice) {
  json alerts = json::array();
  for (const NoticeAlert& one : notice.alerts) {
    json& alert = alerts.emplace_back(json{{"labels", one.labels},
                                           {"annotations", one.annotations},
                                           {"startsAt", starts_of(one)},
                                           {"generatorURL", link(notice)}});
    if (!is_firing(one)) {
      alert["endsAt"] = core::format_time(one.alert.ends_at.value_or(notice.at));
    }
  }
  return dump(alerts);
}

std::string left_out(const Notice& notice) {
  return notice.left_out > 0 ? fmt::format("and {} more alerts", notice.left_out) : "";
}

// What HTML takes for its own as entities, and so what Slack's mrkdwn does
// (docs.slack.dev/messaging/formatting-message-text).
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else {
      result += c;
    }
  }
  return result;
}

std::string slack(const Notice& notice) {
  const auto section = [](const std::string& text) {
    return json{{"type", "section"},
                {"text", {{"type", "mrkdwn"}, {"text", cut(text, kMostSlackText)}}}};
  };
  json blocks = json::array();
  blocks.push_back(
      {{"type", "header"},
       {"text", {{"type", "plain_text"}, {"text", cut(notice.title, kMostSlackHeader)}}}});
  if (!notice.lines.empty()) blocks.push_back(section(escaped(core::join(notice.lines, "\n"))));
  for (const NoticeAlert& one : notice.alerts) {
    std::string text = fmt::format("*{}* {}", is_firing(one) ? "Firing" : "Resolved",
                                   escaped(annotation(one, "summary")));
    for (const char* name : {"reason", "contributors", "flapping"}) {
      const std::string more = annotation(one, name);
      if (!more.empty()) text += "\n" + escaped(more);
    }
    json block = section(text);
    block["fields"] = json::array();
    for (const auto& [name, value] :
         {std::pair<std::string, std::string>("Severity", one.alert.severity),
          std::pair<std::string, std::string>("Since", starts_of(one)),
          std::pair<std::string, std::string>("Duration", annotation(one, "duration"))}) {
      if (value.empty()) continue;
      block["fields"].push_back(
          {{"type", "mrkdwn"}, {"text", fmt::format("*{}*\n{}", name, escaped(value))}});
    }
    blocks.push_back(std::move(block));
  }
  std::string context = fmt::format("<{}|inspector-usaged>", link(notice));
  if (notice.left_out > 0) context = left_out(notice) + " | " + context;
  blocks.push_back({{"type", "context"}, {"elements", {{{"type", "mrkdwn"}, {"text", context}}}}});
  return dump({{"text", escaped(cut(notice.title, kMostSlackText))}, {"blocks", blocks}});
}

std::string teams(const Notice& notice) {
  json body = json::array();
  body.push_back({{"type", "TextBlock"},
                  {"text", notice.title},
                  {"size", "Large"},
                  {"weight", "Bolder"},
                  {"wrap", true},
                  {"color", notice.firing > 0 ? "Attention" : "Good"}});
  const auto text_block = [&body](const std::string& text) {
    if (!text.empty()) body.push_back({{"type", "TextBlock"}, {"text", text}, {"wrap", true}});
  };
  for (const std::string& line : notice.lines) text_block(line);
  for (const NoticeAlert& one : notice.alerts) {
    json facts = json::array();
    const auto fact = [&facts](const std::string& title, const std::string& value) {
      if (!value.empty()) facts.push_back({{"title", title}, {"value", value}});
    };
    fact("Status", is_firing(one) ? "firing" : "resolved");
    fact("Severity", one.alert.severity);
    fact("Since", starts_of(one));
    fact("Duration", annotation(one, "duration"));
    fact("Contributors", annotation(one, "contributors"));
    text_block(annotation(one, "summary"));
    text_block(annotation(one, "reason"));
    body.push_back({{"type", "FactSet"}, {"facts", facts}});
  }
  text_block(left_out(notice));
  const json card{
      {"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
      {"type", "AdaptiveCard"},
      {"version", "1.4"},
      {"body", body},
      {"actions",
       json::array({{{"type", "Action.OpenUrl"}, {"title", "Open"}, {"url", link(notice)}}})}};
  return dump(
      {{"type", "message"},
       {"attachments", json::array({{{"contentType", "application/vnd.microsoft.card.adaptive"},
                                     {"contentUrl", nullptr},
                                     {"content", card}}})}});
}

std::string pagerduty(const Notice& notice) {
  const bool firing = notice.firing > 0;
  json details = json::object();
  for (std::size_t i = 0; i < notice.alerts.size(); ++i) {
    const NoticeAlert& one = notice.alerts[i];
    details[fmt::format("alert_{}", i + 1)] = {{"status", is_firing(one) ? "firing" : "resolved"},
                                               {"labels", one.labels},
                                               {"annotations", one.annotations}};
  }
  if (notice.left_out > 0) details["left_out"] = notice.left_out;
  json event{{"event_action", !firing           ? "resolve"
                              : notice.attended ? "acknowledge"
                                                : "trigger"},
             {"dedup_key", "inspector-usaged/" +
                               core::hex(core::sha256(notice.receiver + "\n" + notice.group_key))}};
  if (firing) {
    const NoticeAlert& worst = notice.alerts.front();
    event["payload"] = {{"summary", cut(notice.title, kMostPagerDutySummary)},
                        {"source", "inspector-usaged"},
                        {"severity", worst.alert.severity},
                        {"timestamp", starts_of(worst)},
                        {"component", "Amazon Inspector"},
                        {"group", worst.alert.rule},
                        {"custom_details", details}};
    event["client"] = "inspector-usaged";
    event["client_url"] = link(notice);
  }
  return dump(event);
}

std::string plain(const Notice& notice) {
  std::string text = notice.title + "\n";
  if (!notice.lines.empty()) text += "\n" + core::join(notice.lines, "\n") + "\n";
  for (const NoticeAlert& one : notice.alerts) {
    text += fmt::format("\n{} since {} ({})\n", is_firing(one) ? "Firing" : "Resolved",
                        starts_of(one), one.alert.severity);
    text += "  " + annotation(one, "summary") + "\n";
    for (const auto& [name, value] : one.annotations) {
      if (name != "summary") text += fmt::format("  {}: {}\n", name, value);
    }
    for (const auto& [name, value] : one.labels) text += fmt::format("    {}={}\n", name, value);
  }
  if (notice.left_out > 0) text += "\n" + left_out(notice) + "\n";
  return text + "\n" + link(notice) + "\n";
}

// Styles stand in each element: mail readers leave out the rest.
std::string html(const Notice& notice) {
  std::string text = "<!doctype html><html lang=\"en\"><body style=\"font:14px sans-serif\">";
  text += fmt::format("<h1 style=\"font-size:18px\">{}</h1>", escaped(notice.title));
  if (!notice.lines.empty()) {
    text += "<ul>";
    for (const std::string& line : notice.lines) text += "<li>" + escaped(line) + "</li>";
    text += "</ul>";
  }
  for (const NoticeAlert& one : notice.alerts) {
    const bool firing = is_firing(one);
    text += fmt::format(
        "<h2 style=\"font-size:15px;border-left:6px solid {};padding-left:8px\">{}: {}</h2>"
        "<table style=\"border-collapse:collapse\">",
        firing ? "#b3261e" : "#1b6e3c", firing ? "Firing" : "Resolved",
        escaped(annotation(one, "summary")));
    const auto row = [&text](const std::string& name, const std::string& value) {
      text += fmt::format(
          "<tr><th style=\"text-align:left;padding:2px 12px 2px 0\">{}</th><td>{}</td></tr>",
          escaped(name), escaped(value));
    };
    row("severity", one.alert.severity);
    row("since", starts_of(one));
    for (const auto& [name, value] : one.annotations) {
      if (name != "summary") row(name, value);
    }
    for (const auto& [name, value] : one.labels) {
      if (name != "severity") row(name, value);
    }
    text += "</table>";
  }
  if (notice.left_out > 0) text += "<p>" + left_out(notice) + "</p>";
  return text + fmt::format("<p><a href=\"{0}\">{0}</a></p></body></html>", escaped(link(notice)));
}

// A subject of SNS: ASCII, begins with a letter, digit or punctuation, under 100 characters.
std::string subject(const std::string& title) {
  std::string result;
  for (const char c : title) result += c >= ' ' && c < 0x7f ? c : '?';
  return cut(result, kMostSubject - 1);
}

}  // namespace

std::string render(core::ReceiverKind kind, const Notice& notice) {
  switch (kind) {
    case core::ReceiverKind::kWebhook:
      return webhook(notice);
    case core::ReceiverKind::kAlertmanager:
      return alertmanager(notice);
    case core::ReceiverKind::kSlack:
      return slack(notice);
    case core::ReceiverKind::kTeams:
      return teams(notice);
    case core::ReceiverKind::kPagerDuty:
      return pagerduty(notice);
    case core::ReceiverKind::kEmail:
      return dump({{"subject", notice.title}, {"text", plain(notice)}, {"html", html(notice)}});
    case core::ReceiverKind::kSns:
      return dump(
          {{"subject", subject(notice.title)}, {"message", cut(plain(notice), kMostMessage)}});
    case core::ReceiverKind::kPing:
      break;
  }
  return "";
}

}  // namespace usaged::net
