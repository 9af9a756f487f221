#include "net/inspector.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <unordered_set>

#include "core/error.h"
#include "core/text.h"

namespace usaged::net {
namespace {

using core::Error;
using core::ErrorCode;
using core::Outcome;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMostMessage = 300;
// From this difference on, a signature error is put down to the clock (as AWS's SDKs do).
constexpr core::Seconds kSkewTolerance{240};

// One line, without control characters, not too long: for logs and the store.
std::string one_line(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, kMostMessage)) {
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return std::string(core::trim(result));
}

// A JSON member: absent and null are the same.
std::optional<std::string> text_member(simdjson::dom::object object, std::string_view key) {
  const auto found = object[key];
  if (found.error() != simdjson::SUCCESS || found.value_unsafe().is_null()) return std::nullopt;
  std::string_view text;
  if (found.get(text) != simdjson::SUCCESS) {
    throw Error(ErrorCode::kRemote, "`{}` is not a text", key);
  }
  return std::string(text);
}

std::optional<double> number_member(simdjson::dom::object object, std::string_view key) {
  const auto found = object[key];
  if (found.error() != simdjson::SUCCESS || found.value_unsafe().is_null()) return std::nullopt;
  double number = 0;
  if (found.get(number) != simdjson::SUCCESS || !std::isfinite(number)) {
    throw Error(ErrorCode::kRemote, "`{}` is not a number", key);
  }
  return number;
}

std::optional<simdjson::dom::array> array_member(simdjson::dom::object object,
                                                 std::string_view key) {
  const auto found = object[key];
  if (found.error() != simdjson::SUCCESS || found.value_unsafe().is_null()) return std::nullopt;
  simdjson::dom::array array;
  if (found.get(array) != simdjson::SUCCESS) {
    throw Error(ErrorCode::kRemote, "`{}` is not a list", key);
  }
  return array;
}

auto series_of(const core::UsageTotal& total) {
  return std::tie(total.account, total.type, total.provider, total.currency);
}

// Each series once, in order. The later of two that differ counts: it is the newer answer.
void merge(UsageReply& reply) {
  std::ranges::stable_sort(reply.totals, {}, series_of);
  std::vector<core::UsageTotal> merged;
  merged.reserve(reply.totals.size());
  for (core::UsageTotal& total : reply.totals) {
    if (!merged.empty() && series_of(merged.back()) == series_of(total)) {
      if (merged.back().total != total.total || merged.back().cost != total.cost) {
        reply.warnings.push_back(fmt::format("account {}: {} came twice with different numbers",
                                             total.account, total.type));
      }
      merged.back() = std::move(total);
    } else {
      merged.push_back(std::move(total));
    }
  }
  reply.totals = std::move(merged);
}

struct KnownError {
  std::string_view name;
  Outcome outcome;
  RetryKind retry;
};

constexpr std::array<KnownError, 32> kErrors{
    {{"ValidationException", Outcome::kInvalid, RetryKind::kNone},
     {"AccessDeniedException", Outcome::kDenied, RetryKind::kNone},
     {"AccessDenied", Outcome::kDenied, RetryKind::kNone},
     {"InternalServerException", Outcome::kServer, RetryKind::kTransient},
     {"InternalFailure", Outcome::kServer, RetryKind::kTransient},
     {"ServiceUnavailable", Outcome::kServer, RetryKind::kTransient},
     {"ServiceUnavailableException", Outcome::kServer, RetryKind::kTransient},
     {"RequestTimeout", Outcome::kTimeout, RetryKind::kTransient},
     {"RequestTimeoutException", Outcome::kTimeout, RetryKind::kTransient},
     {"Throttling", Outcome::kThrottled, RetryKind::kThrottling},
     {"ThrottlingException", Outcome::kThrottled, RetryKind::kThrottling},
     {"ThrottledException", Outcome::kThrottled, RetryKind::kThrottling},
     {"RequestThrottled", Outcome::kThrottled, RetryKind::kThrottling},
     {"RequestThrottledException", Outcome::kThrottled, RetryKind::kThrottling},
     {"TooManyRequestsException", Outcome::kThrottled, RetryKind::kThrottling},
     {"RequestLimitExceeded", Outcome::kThrottled, RetryKind::kThrottling},
     {"BandwidthLimitExceeded", Outcome::kThrottled, RetryKind::kThrottling},
     {"LimitExceededException", Outcome::kThrottled, RetryKind::kThrottling},
     {"SlowDown", Outcome::kThrottled, RetryKind::kThrottling},
     {"PriorRequestNotComplete", Outcome::kThrottled, RetryKind::kThrottling},
     {"UnrecognizedClientException", Outcome::kDenied, RetryKind::kNone},
     {"InvalidClientTokenId", Outcome::kDenied, RetryKind::kNone},
     {"MissingAuthenticationToken", Outcome::kDenied, RetryKind::kNone},
     {"MissingAuthenticationTokenException", Outcome::kDenied, RetryKind::kNone},
     {"InvalidSignatureException", Outcome::kDenied, RetryKind::kNone},
     {"SignatureDoesNotMatch", Outcome::kDenied, RetryKind::kNone},
     {"IncompleteSignature", Outcome::kDenied, RetryKind::kNone},
     {"IncompleteSignatureException", Outcome::kDenied, RetryKind::kNone},
     {"ExpiredTokenException", Outcome::kDenied, RetryKind::kNone},
     {"ExpiredToken", Outcome::kDenied, RetryKind::kNone},
     {"RequestExpired", Outcome::kDenied, RetryKind::kNone},
     {"OptInRequired", Outcome::kDenied, RetryKind::kNone}}};

constexpr std::array<std::string_view, 4> kClockErrors{
    "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"};

constexpr std::array<std::string_view, 2> kExpired{"ExpiredTokenException", "ExpiredToken"};

std::string text_of(const nlohmann::json& body, const char* key) {
  const auto found = body.find(key);
  return found != body.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string default_endpoint(const std::string& region) {
  return fmt::format("https://inspector2.{}.amazonaws.com{}", region,
                     region.starts_with("cn-") ? ".cn" : "");
}

UsagePage parse_usage_page(const std::string& body) {
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  const auto error = parser.parse(body).get(root);
  if (error != simdjson::SUCCESS) {
    throw Error(ErrorCode::kRemote, "the reply is not a JSON object: {}",
                simdjson::error_message(error));
  }
  UsagePage page;
  page.next_token = text_member(root, "nextToken").value_or("");
  const auto totals = array_member(root, "totals");
  if (!totals) return page;
  for (const simdjson::dom::element entry : *totals) {
    simdjson::dom::object account;
    if (entry.get(account) != simdjson::SUCCESS) {
      throw Error(ErrorCode::kRemote, "an item of `totals` is not an object");
    }
    const std::string id = text_member(account, "accountId").value_or("");
    const auto usage = array_member(account, "usage");
    if (!core::is_account_id(id)) {
      throw Error(ErrorCode::kRemote, "an item of `totals` has {} as `accountId`",
                  id.empty() ? "nothing" : "'" + one_line(id) + "'");
    }
    page.accounts.push_back(id);
    if (!usage) continue;
    for (const simdjson::dom::element item : *usage) {
      simdjson::dom::object object;
      if (item.get(object) != simdjson::SUCCESS) {
        throw Error(ErrorCode::kRemote, "account {}: an item of `usage` is not an object", id);
      }
      core::UsageTotal total;
      total.account = id;
      total.type = text_member(object, "type").value_or("");
      total.provider = text_member(object, "cloudProvider").value_or("");
      total.currency = text_member(object, "currency").value_or("");
      total.total = number_member(object, "total");
      total.cost = number_member(object, "estimatedMonthlyCost");
      page.totals.push_back(std::move(total));
    }
  }
  return page;
}

ServiceError parse_service_error(const HttpReply& reply) {
  const nlohmann::json parsed = nlohmann::json::parse(reply.body, nullptr, false);
  const nlohmann::json body = parsed.is_object() ? parsed : nlohmann::json::object();
  std::string name = reply.header("x-amzn-errortype");
  if (name.empty()) name = text_of(body, "code");
  if (name.empty()) name = text_of(body, "__type");
  name = name.substr(0, name.find(':'));
  if (const std::size_t hash = name.find('#'); hash != std::string::npos) {
    name = name.substr(hash + 1);
  }
  name = one_line(name);

  ServiceError error;
  error.name = name.empty() ? fmt::format("HTTP {}", reply.status) : name;
  error.message = text_of(body, "message");
  if (error.message.empty()) error.message = text_of(body, "Message");
  if (const auto fields = body.find("fields"); fields != body.end() && fields->is_array()) {
    for (const nlohmann::json& field : *fields) {
      if (!field.is_object()) continue;
      error.message += fmt::format(" [{}: {}]", text_of(field, "name"), text_of(field, "message"));
    }
  }
  error.message = one_line(error.message);
  error.skewed_clock = std::ranges::find(kClockErrors, name) != kClockErrors.end();

  const auto* const known = std::ranges::find(kErrors, name, &KnownError::name);
  if (known != kErrors.end()) {
    error.outcome = known->outcome;
    error.retry = known->retry;
  } else if (reply.status == 429) {
    error.outcome = Outcome::kThrottled;
    error.retry = RetryKind::kThrottling;
  } else if (reply.status >= 500) {
    error.outcome = Outcome::kServer;
    error.retry = RetryKind::kNone;
  } else if (reply.status == 401 || reply.status == 403) {
    error.outcome = Outcome::kDenied;
    error.retry = RetryKind::kNone;
  } else {
    error.outcome = reply.status >= 400 ? Outcome::kInvalid : Outcome::kMalformed;
    error.retry = RetryKind::kNone;
  }
  // A 429 is throttling and these are transient whatever they are called.
  if (reply.status == 429) {
    error.retry = RetryKind::kThrottling;
  } else if (error.retry == RetryKind::kNone && (reply.status == 500 || reply.status == 502 ||
                                                 reply.status == 503 || reply.status == 504)) {
    error.retry = RetryKind::kTransient;
  }
  return error;
}

InspectorClient::InspectorClient(InspectorEndpoint endpoint, World world, Limits limits,
                                 RetryQuota& quota)
    : endpoint_(std::move(endpoint)),
      world_(std::move(world)),
      limits_(limits),
      quota_(quota),
      deadline_(steady_clock::now() + limits.poll_timeout) {
  if (endpoint_.endpoint.empty()) endpoint_.endpoint = default_endpoint(endpoint_.region);
  while (endpoint_.endpoint.ends_with('/')) endpoint_.endpoint.pop_back();
}

HttpReply InspectorClient::attempt(const std::string& path, const std::string& body,
                                   const sigv4::Credentials& credentials, CallStats& stats) {
  const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - steady_clock::now());
  if (left <= milliseconds::zero()) {
    throw InspectorError(Outcome::kTimeout,
                         fmt::format("{}: the poll did not end within {} s (poll_timeout)",
                                     endpoint_.region, limits_.poll_timeout.count() / 1000));
  }
  const std::string without_scheme = endpoint_.endpoint.substr(endpoint_.endpoint.find("//") + 2);
  const std::size_t slash = without_scheme.find('/');
  sigv4::Request request;
  request.method = "POST";
  request.path = (slash == std::string::npos ? "" : without_scheme.substr(slash)) + path;
  request.headers = {{"Host", without_scheme.substr(0, slash)},
                     {"Content-Type", "application/json"}};
  request.body = body;
  sigv4::sign(request, {world_.now() + skew_, endpoint_.region, "inspector2"}, credentials);

  HttpRequest http;
  http.method = request.method;
  http.url = endpoint_.endpoint + path;
  http.headers = std::move(request.headers);
  http.body = std::move(request.body);
  http.timeout = std::min(limits_.request_timeout, std::max(left, milliseconds{1}));
  ++stats.requests;
  HttpReply reply = world_.http->send(http);
  if (!reply.header("x-amzn-requestid").empty()) {
    stats.request_id = one_line(reply.header("x-amzn-requestid"));
  }
  return reply;
}

std::string InspectorClient::call(const std::string& path, const std::string& body,
                                  CallStats& stats) {
  sigv4::Credentials credentials;
  const auto find_credentials = [&] {
    try {
      credentials = world_.credentials();
    } catch (const Error& e) {
      throw InspectorError(Outcome::kCredentials, e.what());
    }
  };
  find_credentials();
  bool corrected = false;
  bool refreshed = false;
  std::optional<RetryKind> last_retry;
  for (int retry = 0;;) {
    const core::Time signed_at = world_.now() + skew_;
    const HttpReply reply = attempt(path, body, credentials, stats);
    if (!reply.failure && reply.status == 200) {
      quota_.release(last_retry);
      return reply.body;
    }
    std::string message;
    Outcome outcome = Outcome::kNetwork;
    RetryKind kind = RetryKind::kTransient;
    if (reply.failure) {
      message = reply.failure_text;
      switch (*reply.failure) {
        case TransportFailure::kTimeout:
          outcome = Outcome::kTimeout;
          break;
        case TransportFailure::kNetwork:
          break;
        case TransportFailure::kTooLarge:
          outcome = Outcome::kMalformed;
          kind = RetryKind::kNone;
          break;
        case TransportFailure::kStopped:
          outcome = Outcome::kInterrupted;
          message = "stopped";
          kind = RetryKind::kNone;
          break;
        case TransportFailure::kBadUrl:
          kind = RetryKind::kNone;
          break;
      }
    } else {
      const ServiceError error = parse_service_error(reply);
      message = error.message.empty() ? error.name : error.name + ": " + error.message;
      outcome = error.outcome;
      kind = error.retry;
      if (error.skewed_clock && !corrected && !reply.header("date").empty()) {
        corrected = true;
        try {
          const core::Time server = core::parse_http_date(reply.header("date"));
          if (std::chrono::abs(server - signed_at) >= kSkewTolerance) {
            skew_ = server - world_.now();
            continue;
          }
        } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a bad Date is no clock to go by
        }
      }
      if (!refreshed && std::ranges::find(kExpired, error.name) != kExpired.end()) {
        refreshed = true;
        find_credentials();
        continue;
      }
    }
    const std::string place =
        stats.request_id.empty() || reply.failure
            ? endpoint_.region
            : fmt::format("{}, request {}", endpoint_.region, stats.request_id);
    const auto fail = [&](std::string_view why) {
      return InspectorError(outcome, fmt::format("{} ({}){}", message, place, why));
    };
    if (kind == RetryKind::kNone) throw fail("");
    if (retry + 1 >= kMostAttempts) throw fail(fmt::format(", after {} attempts", kMostAttempts));
    if (!quota_.acquire(kind)) throw fail(", and the retry quota is used up");
    const milliseconds delay = with_hint(backoff(kind, retry, world_.random01()), reply);
    if (steady_clock::now() + delay >= deadline_) throw fail(", and the poll's time is used up");
    if (!world_.wait(delay)) throw InspectorError(Outcome::kInterrupted, "stopped");
    last_retry = kind;
    ++retry;
  }
}

UsageReply InspectorClient::list_usage_totals(const std::vector<std::string>& accounts,
                                              CallStats& stats) {
  UsageReply reply;
  std::unordered_set<std::string> returned;
  deadline_ = steady_clock::now() + limits_.poll_timeout;
  std::size_t first = 0;
  do {
    const std::size_t last =
        std::min(accounts.size(), first + static_cast<std::size_t>(kMostAccountIds));
    nlohmann::json request{{"maxResults", limits_.page_size}};
    if (!accounts.empty()) {
      request["accountIds"] =
          std::vector<std::string>(accounts.begin() + static_cast<std::ptrdiff_t>(first),
                                   accounts.begin() + static_cast<std::ptrdiff_t>(last));
    }
    std::unordered_set<std::string> tokens;
    while (true) {
      const std::string body = call("/usage/list", request.dump(), stats);
      UsagePage page;
      try {
        page = parse_usage_page(body);
      } catch (const Error& e) {
        throw InspectorError(Outcome::kMalformed,
                             fmt::format("{} ({}, request {}, page {})", e.what(), endpoint_.region,
                                         stats.request_id, stats.pages + 1));
      }
      ++stats.pages;
      std::ranges::move(page.totals, std::back_inserter(reply.totals));
      std::ranges::move(page.accounts, std::inserter(returned, returned.end()));
      if (page.next_token.empty()) break;
      if (!tokens.insert(page.next_token).second) {
        throw InspectorError(Outcome::kMalformed,
                             fmt::format("the same nextToken came twice ({}, request {}, page {})",
                                         endpoint_.region, stats.request_id, stats.pages));
      }
      request["nextToken"] = page.next_token;
    }
    first = last;
  } while (first < accounts.size());

  merge(reply);
  for (const std::string& account : accounts) {
    if (!returned.contains(account)) reply.missing.push_back(account);
  }
  return reply;
}

}  // namespace usaged::net
