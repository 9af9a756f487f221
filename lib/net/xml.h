#pragma once

#include <map>
#include <string>

namespace usaged::net {

// The texts of an XML document by the path of their element, "Reply/Result/Arn" without namespaces;
// the first of several that share one. Entities and document types are not accepted, so nothing is
// read or expanded that is not in the text. Throws Error(kRemote).
std::map<std::string, std::string> xml_texts(const std::string& text);

}  // namespace usaged::net
