#pragma once

#include <string>

#include "net/aws.h"

namespace usaged::net {

struct SnsMessage {
  std::string topic_arn;
  std::string subject;
  std::string message;
  std::string id;     // the attribute "id"; of a FIFO topic, what deduplicates
  std::string group;  // of a FIFO topic
};

// Publishes to a topic of Amazon SNS; returns the message's id there. Throws AwsError.
std::string publish(AwsClient& sns, const SnsMessage& message, CallStats& stats);

}  // namespace usaged::net
