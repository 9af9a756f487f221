#pragma once

#include <memory>
#include <string>

#include "app/aws.h"
#include "app/clock.h"
#include "core/config.h"
#include "net/environment.h"
#include "net/http.h"
#include "net/receiver.h"

namespace usaged::app {

// Sends to one receiver, by whatever way its kind is reached. Secrets are read each time, so that a
// new one counts at once. For one thread.
class Sender {
 public:
  using World = Aws::World;

  // The receiver must outlive it.
  Sender(const core::Receiver& receiver, World world);

  // Sends a message (net/payload.h) once. Throws Error(kConfig) if a secret can't be read.
  net::DeliveryResult send(const std::string& uid, const std::string& group_key,
                           const std::string& body);

  // Of a ping: tells that all is well, or why not. Throws Error(kConfig) likewise.
  net::DeliveryResult ping(const std::string& failure);

 private:
  std::string url() const;
  net::DeliveryResult mail(const std::string& uid, const std::string& body);
  net::DeliveryResult publish(const std::string& uid, const std::string& group_key,
                              const std::string& body);

  const core::Receiver& receiver_;
  World world_;
  net::CurlClient http_;
  std::unique_ptr<Aws> aws_;  // of a topic
};

}  // namespace usaged::app
