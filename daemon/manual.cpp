// The program as its manual page and as completion for bash, both made from the commands that there
// are.
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <vector>

#include "core/text.h"
#include "daemon/commands.h"

namespace usaged::daemon {
namespace {

std::vector<CLI::App*> commands_of(const CLI::App& app) {
  return const_cast<CLI::App&>(app).get_subcommands([](const CLI::App*) { return true; });
}

std::vector<CLI::Option*> options_of(const CLI::App& app) {
  return const_cast<CLI::App&>(app).get_options([](const CLI::Option*) { return true; });
}

// Text for roff(7): nothing of it is a request or an escape.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool first = out.empty() || out.back() == '\n';
    if (first && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

bool is_flag(const CLI::Option& option) { return option.get_type_size() == 0; }

// "--database TEXT" with its value in italics; a positional by its name alone.
std::string heading(const CLI::Option& option) {
  if (option.get_positional()) return fmt::format("\\fI{}\\fR", roff(option.get_name(true)));
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (std::string& name : names) name = "\\fB" + roff(name) + "\\fR";
  std::string text = core::join(names, ", ");
  // "INT", or with the values that are allowed "INT:INT in [1 - 10]".
  const std::string type = option.get_type_name();
  const std::string shown = type.substr(type.rfind(':') + 1);
  if (!is_flag(option)) text += fmt::format(" \\fI{}\\fR", roff(shown));
  return text;
}

void print_options(const CLI::App& app) {
  for (const CLI::Option* option : options_of(app)) {
    if (option->get_name() == "--help") continue;
    std::string text = option->get_description();
    if (!option->get_default_str().empty()) {
      text += fmt::format(" (default: {})", option->get_default_str());
    }
    fmt::print(".TP\n{}\n{}.\n", heading(*option), roff(text));
  }
}

void print_command(const CLI::App& app, const std::string& before) {
  const std::string name = before + app.get_name();
  const std::vector<CLI::App*> parts = commands_of(app);
  if (parts.empty()) {
    fmt::print(".SS \"{}\"\n{}.\n", roff(name), roff(app.get_description()));
    print_options(app);
  }
  for (const CLI::App* part : parts) print_command(*part, name + " ");
}

constexpr const char* kBefore =
    R"(.TH INSPECTOR\-USAGED 1 "" "inspector\-usaged {version}" "User Commands"
.SH NAME
inspector\-usaged \- history of Amazon Inspector's usage totals
.SH SYNOPSIS
.B inspector\-usaged
.I COMMAND
.RI [ OPTION ...]
.SH DESCRIPTION
Amazon Inspector tells each account what it used in the last 30 days, and forgets the rest.
.B inspector\-usaged run
asks it on a schedule in every configured account and region, keeps each answer in an SQLite database, says
what it cost on any day, what changed and who made it change, serves that as an HTTP API, as metrics and as a
dashboard, and raises alerts.
The other commands read that database, with or without the daemon, or ask the daemon to do something.
.PP
Every setting is described in
.BR inspector\-usaged.yaml (5);
the HTTP API describes itself at /openapi.yaml.
.SH OPTIONS
)";

constexpr const char* kAfter = R"(.SH THE NUMBERS
A total is that of the 30 days before its poll, as AWS sums it; a cost is AWS's own monthly estimate,
undiscounted, in the currency that AWS sent. A number that is not known is null, never 0; a sum with an unknown
part is unknown; every answer says how complete it is.
.PP
.B daily
rebuilds what each day used: from one midnight to the next a sum gains the day that was, and loses the one
30 days before. A day is exact where the sums tell it, and bounded (low, high, and an estimate that agrees with
every sum) where the days before the first poll, or in a gap, are not known.
.PP
.B forecast
adds days up to calendar months and says where the running one will end: the weekdays' usual shares at the
level of the last weeks, with an interval that holds eight times of ten by how wrong the same forecast
would have been before.
.B showback
is the same by a tag of the accounts.
.PP
A spike enters the sum once and leaves it 30 days later, so a fall need not mean that anything changed.
.B echo
says how much of a change is days that left and how much is new, and what each of the next 30 days will take with
it.
.SH ALERTS
A spike is judged on what was used in the last day, not on the sum: by so many percent, so much money, and so
many times what such days are usually off. So neither the fall 30 days after a spike nor the ramp of a young
account fires, and a new spike on the day on which an old one leaves does. The other kinds of rules are in
.BR inspector\-usaged.yaml (5).
.PP
What there is to tell is stored in the transaction of the alert. Alerts of one group go out together, and again
each day until they end or are acknowledged; more than ten groups at once become one message. A message is sent
until it is delivered, for a day, always with the same id; then it is dead, and
.B redrive
sends it again. What is silenced still fires, and is told once the silence has ended. An acknowledgement ends
with its alert.
.SH ACCESS
On loopback everybody may read and write as long as no tokens are configured. With http.tokens, whoever asks sends
Authorization: Bearer TOKEN, which may read, or write too. Another address takes http.tls and tokens. At a unix
socket the kernel says who asks: root and the daemon's own user may do all, http.peers what they are given.
Requests are answered only under names that the daemon knows (http.allowed_hosts).
.SH SIGNALS
Of the daemon:
.TP
.B SIGHUP
Reads the configuration and the certificate anew, as
.B systemctl reload
and POST /\-/reload do. A bad configuration changes nothing, and is reported in the log, by
.B status
and by a metric.
.TP
.BR SIGTERM ", " SIGINT
Ends what is under way, and the program.
.SH EXIT STATUS
0 if all went well, 1 for a failure at run time, 2 for wrong usage or configuration.
The unit does not restart the daemon after 2.
.SH ENVIRONMENT
.TP
.B AWS_*
Credentials, profile, region's endpoints and proxies, as for AWS's own tools.
.TP
.B HTTPS_PROXY, NO_PROXY
The way out of the network.
.TP
.B INSPECTOR_USAGED_TOKEN
The token that commands send to the daemon.
.TP
.B CREDENTIALS_DIRECTORY
Where systemd has put what the configuration calls credential:NAME.
.TP
.BR NOTIFY_SOCKET ", " WATCHDOG_USEC ", " LISTEN_FDS ", " JOURNAL_STREAM
The service manager's; see
.BR sd_notify (3),
.BR sd_listen_fds (3).
.SH FILES
.TP
.I {config}
The configuration.
.TP
.I /var/lib/inspector\-usaged/inspector\-usaged.db
The history, with its write\-ahead log and lock beside it.
.TP
.I /etc/default/inspector\-usaged
Environment of the service, if it is there.
.SH EXAMPLES
.EX
inspector\-usaged demo
inspector\-usaged check\-config \-\-online
inspector\-usaged deltas \-\-group\-by account \-\-window 7d \-\-top 10
inspector\-usaged daily \-\-group\-by type \-\-json | jq .
.EE
.SH SEE ALSO
.BR inspector\-usaged.yaml (5),
.BR systemctl (1),
.BR journalctl (1)
)";

std::string filled(std::string text, const Globals& globals) {
  for (const auto& [name, value] :
       {std::pair<std::string, std::string>{"{version}", USAGED_VERSION},
        {"{config}", roff(globals.config_path)}}) {
    const std::size_t at = text.find(name);
    if (at != std::string::npos) text.replace(at, name.size(), value);
  }
  return text;
}

void print_manual(const CLI::App& app, const Globals& globals) {
  fmt::print("{}", filled(kBefore, globals));
  print_options(app);
  fmt::print(".SH COMMANDS\n");
  for (const CLI::App* command : commands_of(app)) print_command(*command, "");
  fmt::print("{}", filled(kAfter, globals));
}

// A line of a bash `case` for a command and for each of its parts: what may follow it.
void print_cases(const CLI::App& app, const std::string& path) {
  std::vector<std::string> words;
  for (const CLI::App* part : commands_of(app)) words.push_back(part->get_name());
  for (const CLI::Option* option : options_of(app)) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  fmt::print("    '{}') next='{}' ;;\n", path, core::join(words, " "));
  for (const CLI::App* part : commands_of(app)) {
    print_cases(*part, path + (path.empty() ? "" : " ") + part->get_name());
  }
}

void print_completion(const CLI::App& app) {
  fmt::print(R"(# bash completion for inspector-usaged
_inspector_usaged() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} command='' next='' word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$command $word" in
)");
  for (const CLI::App* command : commands_of(app)) {
    fmt::print("      ' {0}') command='{0}' ;;\n", command->get_name());
    for (const CLI::App* part : commands_of(*command)) {
      fmt::print("      '{0} {1}') command='{0} {1}' ;;\n", command->get_name(), part->get_name());
    }
  }
  fmt::print("    esac\n  done\n  case \"$command\" in\n");
  print_cases(app, "");
  fmt::print(R"(  esac
  # What is none of these may be a file.
  mapfile -t COMPREPLY < <(compgen -W "$next --config" -- "$current")
}}
complete -o default -F _inspector_usaged inspector-usaged
)");
}

}  // namespace

void add_manual(CLI::App& app, const Globals& globals) {
  app.add_subcommand("manual", "Print the manual page, for man -l -")->callback([&app, &globals] {
    print_manual(app, globals);
  });
  app.add_subcommand("completion", "Print the completion for bash")->callback([&app] {
    print_completion(app);
  });
}

}  // namespace usaged::daemon
