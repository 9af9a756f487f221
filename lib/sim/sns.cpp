#include "sim/sns.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "sim/query_api.h"

namespace usaged::sim {
namespace {

constexpr const char* kSnsNamespace = "http://sns.amazonaws.com/doc/2010-03-31/";
constexpr std::size_t kKept = 1000;
constexpr std::size_t kMostSubject = 100;
constexpr std::size_t kMostMessage = 262144;

}  // namespace

Reply Sns::answer(const Request& request) {
  const auto form = form_of(request);
  const std::string topic = value(form, "TopicArn");
  const std::string subject = value(form, "Subject");
  const std::string message = value(form, "Message");
  if (value(form, "Version") != "2010-03-31" || value(form, "Action") != "Publish") {
    throw Refusal{400, "InvalidAction", "The action or operation requested is invalid."};
  }
  if (!topic.starts_with("arn:aws")) {
    throw Refusal{400, "InvalidParameter", "Invalid parameter: TopicArn"};
  }
  if (topic.ends_with(":missing")) throw Refusal{404, "NotFound", "Topic does not exist"};
  if (subject.size() >= kMostSubject || subject.find('\n') != std::string::npos) {
    throw Refusal{400, "InvalidParameter", "Invalid parameter: Subject"};
  }
  if (message.empty() || message.size() > kMostMessage) {
    throw Refusal{400, "InvalidParameter", "Invalid parameter: Message"};
  }
  if (topic.ends_with(".fifo") && value(form, "MessageGroupId").empty()) {
    throw Refusal{400, "InvalidParameter",
                  "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"};
  }
  if (messages_.size() == kKept) messages_.erase(messages_.begin());
  messages_.push_back(form);
  return query_reply("Publish", kSnsNamespace,
                     fmt::format("    <MessageId>{}</MessageId>\n",
                                 core::hex(core::sha256(request.body)).substr(0, 32)));
}

std::string Sns::published() const {
  return nlohmann::json(messages_).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace usaged::sim
