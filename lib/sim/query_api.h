#pragma once

#include <map>
#include <string>

#include "sim/message.h"

// What the simulated services with AWS's query protocol share.
namespace usaged::sim {

// The form of a request, decoded.
std::map<std::string, std::string> form_of(const Request& request);
// "" if it is not there.
std::string value(const std::map<std::string, std::string>& form, const std::string& name);

std::string xml_escape(std::string_view text);

// The reply to an action; `result` is the inside of its ActionResult.
Reply query_reply(const std::string& action, const std::string& xml_namespace,
                  const std::string& result);

// An error as these services write it.
Reply query_refusal(const Refusal& refusal);

}  // namespace usaged::sim
