#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/message.h"

namespace usaged::sim {

// The simulated SNS: Publish, which keeps what it is given. A topic called "missing" is not there.
class Sns {
 public:
  // Throws a Refusal.
  Reply answer(const Request& request);

  // The forms of the newest messages, as a JSON array of objects.
  std::string published() const;

 private:
  std::vector<std::map<std::string, std::string>> messages_;
};

}  // namespace usaged::sim
