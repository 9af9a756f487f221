#pragma once

#include <string>
#include <vector>

#include "core/alert.h"
#include "core/config.h"
#include "core/time.h"

// What receivers are told, before it is put into the format of each.
namespace usaged::core {

// An alert as it is told: its labels are its identity, so no values are in them.
struct NoticeAlert {
  Alert alert;
  Labels labels;       // of the group and the rule, alertname, severity, currency
  Labels annotations;  // summary, reason, ...; and the rule's own
};

// The rule of an alert; nullptr: it has left the configuration.
const Rule* rule_of(const Alert& alert, const std::vector<Rule>& rules);

// Labels of an alert: those of its group, alertname, severity, currency, and its rule's (nullptr:
// the rule has left the configuration).
Labels notice_labels(const Alert& alert, const Rule* rule);

// `account_name` is what the alert's account is called; empty: not known.
NoticeAlert notice_alert(const Alert& alert, const Rule* rule, const std::string& account_name);

// What one receiver is told at once: the alerts of a group, or a digest.
struct Notice {
  std::string receiver;
  std::string external_url;  // of the dashboard
  std::string group_key;     // the same for every notice of the group
  Labels group_labels;
  std::vector<NoticeAlert> alerts;  // the gravest first
  int left_out = 0;                 // alerts beyond these
  int firing = 0;                   // of all
  int resolved = 0;
  bool attended = false;           // somebody looks after each that fires
  std::string title;               // one line
  std::vector<std::string> lines;  // of a digest, and of a storm: what it comes to
  Time at;
};

// How many alerts a notice for a kind of receiver tells of; of the others, how many there are.
// People read 20; an Alertmanager must have every one.
std::size_t most_alerts(ReceiverKind kind);

// Puts the alerts in order, leaves out those beyond `most`, and writes the title if there is none.
void finish_notice(Notice& notice, std::size_t most);

}  // namespace usaged::core
