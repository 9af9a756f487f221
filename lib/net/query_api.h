#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "net/aws.h"

namespace usaged::net {

// An action of a service with AWS's query protocol: a form is sent, XML comes back.
struct QueryAction {
  std::string service;                                    // for people: "STS"
  std::string version;                                    // "2011-06-15"
  std::string name;                                       // "AssumeRole"
  std::vector<std::pair<std::string, std::string>> form;  // empty values are left out
};

class QueryReply {
 public:
  // Sends it. Throws AwsError.
  QueryReply(AwsClient& client, const QueryAction& action, CallStats& stats);

  // The text of an element within ActionResponse/ActionResult, like "Credentials/AccessKeyId".
  // Throws AwsError if there is none.
  std::string text(const std::string& path) const;

  // Of which action, service and region, for people.
  const std::string& place() const { return place_; }

 private:
  std::string prefix_;
  std::string place_;
  std::map<std::string, std::string> texts_;
};

}  // namespace usaged::net
