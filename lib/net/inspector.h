#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/schedule.h"
#include "core/time.h"
#include "core/usage.h"
#include "net/credentials.h"
#include "net/http.h"
#include "net/retry.h"

namespace usaged::net {

// Everything about one question that is not the question.
struct InspectorEndpoint {
  std::string region;
  std::string endpoint;  // empty: AWS's own for the region
};

// The limits of ListUsageTotals.
inline constexpr int kMostAccountIds = 7000;
inline constexpr int kMostResults = 500;

// https://inspector2.{region}.amazonaws.com, with .cn at the end in China.
std::string default_endpoint(const std::string& region);

// What all pages of all chunks said, merged: each series once.
struct UsageReply {
  std::vector<core::UsageTotal> totals;  // by account, type, provider, currency
  std::vector<std::string> missing;      // accounts asked for and not returned
  std::vector<std::string> warnings;     // what was odd, but did no harm
};

// How the asking went; kept whether or not it succeeded.
struct CallStats {
  int requests = 0;  // sent, retries included
  int pages = 0;     // good ones
  std::string request_id;
};

// Asking failed. `what()` is for people: the error's name, AWS's message, region and request id.
class InspectorError : public core::Error {
 public:
  InspectorError(core::Outcome outcome, const std::string& message)
      : core::Error(core::ErrorCode::kRemote, message), outcome_(outcome) {}
  core::Outcome outcome() const { return outcome_; }

 private:
  core::Outcome outcome_;
};

// One page of a reply. Absent and null members are left empty.
struct UsagePage {
  std::vector<std::string> accounts;  // every one on the page, with usage or without
  std::vector<core::UsageTotal> totals;
  std::string next_token;  // empty: this was the last
};

// Reads a page. Throws Error(kRemote) that says what is wrong with it.
UsagePage parse_usage_page(const std::string& body);

// The name, message and kind of an error reply, as AWS's protocol has them.
struct ServiceError {
  std::string name;  // "ThrottlingException"; "HTTP 502" if the reply has none
  std::string message;
  core::Outcome outcome;
  RetryKind retry;
  bool skewed_clock = false;  // a signature or time error: the clock may be wrong
};
ServiceError parse_service_error(const HttpReply& reply);

// Asks ListUsageTotals (API version 2020-06-08). The world is handed in, so that a test can stand
// in for it.
class InspectorClient {
 public:
  struct World {
    HttpClient* http;
    std::function<core::Time()> now;
    // Waits; false if it was told to stop.
    std::function<bool(std::chrono::milliseconds)> wait;
    std::function<double()> random01;
    std::function<sigv4::Credentials()> credentials;
  };

  struct Limits {
    std::chrono::milliseconds request_timeout{30000};
    std::chrono::milliseconds poll_timeout{600000};  // all requests and waits of one question
    int page_size = kMostResults;
  };

  InspectorClient(InspectorEndpoint endpoint, World world, Limits limits, RetryQuota& quota);

  // The totals of the accounts; of all that the credentials see if there are none.
  // Throws InspectorError; `stats` is kept up either way.
  UsageReply list_usage_totals(const std::vector<std::string>& accounts, CallStats& stats);

 private:
  std::string call(const std::string& path, const std::string& body, CallStats& stats);
  HttpReply attempt(const std::string& path, const std::string& body,
                    const sigv4::Credentials& credentials, CallStats& stats);

  InspectorEndpoint endpoint_;
  World world_;
  Limits limits_;
  RetryQuota& quota_;
  core::Seconds skew_{0};  // server's clock minus ours
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace usaged::net
