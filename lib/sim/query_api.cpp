#include "sim/query_api.h"

#include <fmt/format.h>

#include <charconv>

#include "core/text.h"

namespace usaged::sim {
namespace {

constexpr const char* kXml = "text/xml";

std::string decode(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int byte = 0;
    if (text[i] == '+') {
      result += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() &&
               std::from_chars(&text[i + 1], &text[i + 3], byte, 16).ptr == &text[i + 3]) {
      result += static_cast<char>(byte);
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace

std::map<std::string, std::string> form_of(const Request& request) {
  std::map<std::string, std::string> form;
  for (const std::string& part : core::split(request.body, '&')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) continue;
    form[decode(part.substr(0, equals))] = decode(part.substr(equals + 1));
  }
  return form;
}

std::string value(const std::map<std::string, std::string>& form, const std::string& name) {
  const auto found = form.find(name);
  return found == form.end() ? "" : found->second;
}

std::string xml_escape(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '<') {
      result += "&lt;";
    } else if (c == '&') {
      result += "&amp;";
    } else {
      result += c;
    }
  }
  return result;
}

Reply query_reply(const std::string& action, const std::string& xml_namespace,
                  const std::string& result) {
  return {fmt::format("<{0}Response xmlns=\"{1}\">\n  <{0}Result>\n{2}  </{0}Result>\n"
                      "  <ResponseMetadata><RequestId>simulated</RequestId></ResponseMetadata>\n"
                      "</{0}Response>\n",
                      action, xml_namespace, result),
          kXml};
}

Reply query_refusal(const Refusal& refusal) {
  Reply reply{fmt::format("<ErrorResponse>\n  <Error>\n    <Type>Sender</Type>\n"
                          "    <Code>{}</Code>\n    <Message>{}</Message>\n  </Error>\n"
                          "  <RequestId>simulated</RequestId>\n</ErrorResponse>\n",
                          xml_escape(refusal.name), xml_escape(refusal.message)),
              kXml};
  reply.status = refusal.status;
  return reply;
}

}  // namespace usaged::sim
