#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/time.h"

namespace usaged::net {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;
  std::chrono::milliseconds timeout{30000};  // for the whole request
  std::size_t most_reply_bytes = 32U << 20U;
  std::string ca_file;       // certificate authorities in PEM, instead of the client's
  bool refuse_link = false;  // connects to no address of the link: 169.254/16 (instance metadata),
                             // fe80::/10 and AWS's fd00:ec2::/32
  std::string unix_socket;   // is connected to, whatever the URL's host; empty: none
  bool direct = false;       // past any proxy: for addresses of this machine and its link
};

// Asks a program of this machine: past any proxy, at a URL or, as unix:PATH, at a unix socket.
HttpRequest local_request(const std::string& url, const std::string& path);

// Why no reply came.
enum class TransportFailure {
  kTimeout,
  kNetwork,   // no connection, or it broke
  kTooLarge,  // the reply is over most_reply_bytes
  kStopped,   // the stop flag was set
  kRefused,   // an address that refuse_link refuses
  kBadUrl,
};

struct HttpReply {
  std::optional<TransportFailure> failure;  // set: there is no status
  std::string failure_text;                 // for people; never holds the URL's query
  int status = 0;
  std::multimap<std::string, std::string> headers;  // names in lower case
  std::string body;

  // The first value of a header, or "".
  std::string header(const std::string& name) const;

  // The number that a header is, from 0 on; nullopt if it is none, or beyond 2^63.
  std::optional<std::int64_t> number(const std::string& name) const;

  // The date that a header is (RFC 9110, IMF-fixdate); nullopt if it is none.
  std::optional<core::Time> date(const std::string& name) const;
};

// True for an address (a sockaddr) that refuse_link refuses.
bool is_link_address(const void* address);

// One way out of the machine. Redirects are not followed.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  virtual HttpReply send(const HttpRequest& request) = 0;
};

// HttpClient over libcurl. Keeps its connections; one for each thread. Proxies are those of the
// environment: http_proxy, HTTPS_PROXY, ALL_PROXY, NO_PROXY, as libcurl has them.
class CurlClient : public HttpClient {
 public:
  // While `*stop` is true, a request ends at once. `user_agent` goes with each. `ca_bundle` is a
  // file of certificate authorities in PEM; empty: the system's.
  CurlClient(const std::atomic<bool>* stop, std::string user_agent, std::string ca_bundle = "");
  ~CurlClient() override;
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  HttpReply send(const HttpRequest& request) override;

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
  const std::atomic<bool>* stop_;
  std::string user_agent_;
  std::string ca_bundle_;
};

}  // namespace usaged::net
