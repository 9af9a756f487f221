#include "net/sns.h"

#include "net/query_api.h"

namespace usaged::net {

std::string publish(AwsClient& sns, const SnsMessage& message, CallStats& stats) {
  const bool fifo = message.topic_arn.ends_with(".fifo");
  return QueryReply(sns,
                    {"SNS",
                     "2010-03-31",
                     "Publish",
                     {{"TopicArn", message.topic_arn},
                      {"Subject", message.subject},
                      {"Message", message.message},
                      {"MessageAttributes.entry.1.Name", "id"},
                      {"MessageAttributes.entry.1.Value.DataType", "String"},
                      {"MessageAttributes.entry.1.Value.StringValue", message.id},
                      {"MessageGroupId", fifo ? message.group : ""},
                      {"MessageDeduplicationId", fifo ? message.id : ""}}},
                    stats)
      .text("MessageId");
}

}  // namespace usaged::net
