#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "core/time.h"
#include "net/receiver.h"

namespace usaged::net {

// One mail with a plain and an HTML part.
struct Mail {
  std::string url;      // smtp://host:port (STARTTLS), smtps://host:port
  bool tls = true;      // without it, nothing is sent
  std::string ca_file;  // empty: the system's
  std::string username;
  std::string password;
  std::string from;
  std::vector<std::string> to;
  std::string subject;
  std::string text;
  std::string html;
  std::string id;  // the same in every attempt; the Message-ID is made of it
  core::Time now;
};

// Sends once by SMTP (RFC 5321), with libcurl. Errors of the network, and answers from 400 to 499,
// are worth another attempt; from 500 on the server has refused for good. Ends at once while
// `*stop` is true.
DeliveryResult send_mail(const Mail& mail, const std::atomic<bool>* stop);

// A header's text as RFC 2047 has it: as it is if it is ASCII, else in words of base64.
std::string encoded_header(const std::string& text);

}  // namespace usaged::net
