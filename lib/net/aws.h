#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/schedule.h"
#include "core/time.h"
#include "net/endpoint.h"
#include "net/http.h"
#include "net/retry.h"
#include "net/sigv4.h"

// What every service of AWS has in common: signed requests, errors by name, retries, clock skew.
namespace usaged::net {

// AWS_MAX_ATTEMPTS, else kMostAttempts. Throws Error(kConfig) unless it is from 1 to 10.
int attempts_of(const Environment& environment);

// How the asking went; kept whether or not it succeeded.
struct CallStats {
  int requests = 0;  // sent, retries included
  int pages = 0;     // good ones
  std::string request_id;
  std::optional<core::Seconds> clock_skew;  // the server's clock minus ours, as its last reply said
};

// Asking failed. `what()` is for people: the error's name, AWS's message, region and request id.
class AwsError : public core::Error {
 public:
  AwsError(core::Outcome outcome, const std::string& message)
      : core::Error(core::ErrorCode::kRemote, message), outcome_(outcome) {}
  core::Outcome outcome() const { return outcome_; }

 private:
  core::Outcome outcome_;
};

// The name, message and kind of an error reply, as AWS's protocols have them: JSON with the name in
// a header or the body, or the XML of STS.
struct ServiceError {
  std::string name;  // "ThrottlingException"; "HTTP 502" if the reply has none
  std::string message;
  core::Outcome outcome;
  RetryKind retry;
  bool skewed_clock = false;  // a signature or time error: the clock may be wrong
};
ServiceError parse_service_error(const HttpReply& reply);

// One line, without control characters, 300 bytes at most: for logs and the store.
std::string one_line(std::string_view text);

// By how much our clock has been found wrong by each server. Safe for every thread.
class ClockSkews {
 public:
  // What to add to our time when signing for a server; 0 until it was corrected.
  core::Seconds correction(const std::string& url) const;
  void correct(const std::string& url, core::Seconds skew);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, core::Seconds> skews_;
};

struct AwsRequest {
  std::string path;
  Headers headers;  // beside Host and those of the signature
  std::string body;
};

// Sends POST requests to one service in one region. The world is handed in, so that a test can
// stand in for it.
class AwsClient {
 public:
  struct World {
    HttpClient* http;
    std::function<core::Time()> now;
    // Waits; false if it was told to stop.
    std::function<bool(std::chrono::milliseconds)> wait;
    std::function<double()> random01;
    // The keys to sign with, other than `rejected` (nullptr: none yet), which AWS calls expired.
    // An empty function: requests are not signed.
    std::function<sigv4::Credentials(const sigv4::Credentials* rejected)> credentials;
    ClockSkews* skews;  // never nullptr
  };

  struct Limits {
    std::chrono::milliseconds request_timeout{30000};
    // When all requests and waits of this client have to be over.
    std::chrono::steady_clock::time_point deadline =
        std::chrono::steady_clock::now() + std::chrono::minutes{10};
    int attempts = kMostAttempts;  // of one request; 1: no retries
  };

  AwsClient(AwsEndpoint endpoint, World world, Limits limits, RetryQuota& quota);

  // The body of the good (200) reply. Throws AwsError; `stats` is kept up either way.
  std::string call(const AwsRequest& request, CallStats& stats);

  const AwsEndpoint& endpoint() const { return endpoint_; }

 private:
  HttpReply attempt(const AwsRequest& request, const sigv4::Credentials& credentials,
                    CallStats& stats);

  AwsEndpoint endpoint_;
  World world_;
  Limits limits_;
  RetryQuota& quota_;
};

}  // namespace usaged::net
