#include "net/aws.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/text.h"
#include "net/json.h"
#include "net/xml.h"

namespace usaged::net {
namespace {

using core::Error;
using core::Outcome;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMostMessage = 300;
// From this difference on, a signature error is put down to the clock (as AWS's SDKs do).
constexpr core::Seconds kSkewTolerance{240};

struct KnownError {
  std::string_view name;
  Outcome outcome;
  RetryKind retry;
};

constexpr auto kErrors = std::to_array<KnownError>(
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
     {"RequestTimeTooSkewed", Outcome::kDenied, RetryKind::kNone},
     {"RequestInTheFuture", Outcome::kDenied, RetryKind::kNone},
     {"AuthFailure", Outcome::kDenied, RetryKind::kNone},
     {"OptInRequired", Outcome::kDenied, RetryKind::kNone},
     {"RegionDisabledException", Outcome::kDenied, RetryKind::kNone},
     {"InvalidIdentityToken", Outcome::kDenied, RetryKind::kNone},
     {"IDPRejectedClaim", Outcome::kDenied, RetryKind::kNone},
     {"IDPCommunicationError", Outcome::kServer, RetryKind::kTransient},
     {"TransactionInProgressException", Outcome::kThrottled, RetryKind::kThrottling},
     {"ProvisionedThroughputExceededException", Outcome::kThrottled, RetryKind::kThrottling},
     {"EC2ThrottledException", Outcome::kThrottled, RetryKind::kThrottling}});

constexpr std::array<std::string_view, 6> kClockErrors{
    "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "RequestExpired",
    "RequestTimeTooSkewed",      "RequestInTheFuture"};

constexpr std::array<std::string_view, 2> kExpired{"ExpiredTokenException", "ExpiredToken"};

}  // namespace

std::string one_line(std::string_view text) {
  std::string result;
  for (const char c : text.substr(0, kMostMessage)) {
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return std::string(core::trim(result));
}

int attempts_of(const Environment& environment) {
  const auto text = environment("AWS_MAX_ATTEMPTS");
  if (!text) return kMostAttempts;
  int attempts = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), attempts);
  if (error != std::errc{} || end != text->data() + text->size() || attempts < 1 || attempts > 10) {
    throw Error(core::ErrorCode::kConfig, "AWS_MAX_ATTEMPTS: '{}' is not a number from 1 to 10",
                *text);
  }
  return attempts;
}

core::Seconds ClockSkews::correction(const std::string& url) const {
  const std::lock_guard lock(mutex_);
  const auto found = skews_.find(url);
  return found == skews_.end() ? core::Seconds{0} : found->second;
}

void ClockSkews::correct(const std::string& url, core::Seconds skew) {
  const std::lock_guard lock(mutex_);
  skews_[url] = skew;
}

ServiceError parse_service_error(const HttpReply& reply) {
  const nlohmann::json parsed = nlohmann::json::parse(reply.body, nullptr, false);
  const nlohmann::json body = parsed.is_object() ? parsed : nlohmann::json::object();
  ServiceError error;
  std::string name = reply.header("x-amzn-errortype");
  if (name.empty()) name = text_member(body, "code");
  if (name.empty()) name = text_member(body, "__type");
  error.message = text_member(body, "message");
  if (error.message.empty()) error.message = text_member(body, "Message");
  if (name.empty() && reply.body.find("<ErrorResponse") != std::string::npos) {
    try {
      const auto texts = xml_texts(reply.body);
      const auto text = [&texts](const std::string& path) {
        const auto found = texts.find(path);
        return found == texts.end() ? "" : found->second;
      };
      name = text("ErrorResponse/Error/Code");
      error.message = text("ErrorResponse/Error/Message");
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): no XML, so its status has to do
    }
  }
  name = name.substr(0, name.find(':'));
  if (const std::size_t hash = name.find('#'); hash != std::string::npos) {
    name = name.substr(hash + 1);
  }
  name = one_line(name);

  error.name = name.empty() ? fmt::format("HTTP {}", reply.status) : name;
  if (const auto fields = body.find("fields"); fields != body.end() && fields->is_array()) {
    for (const nlohmann::json& field : *fields) {
      if (!field.is_object()) continue;
      error.message +=
          fmt::format(" [{}: {}]", text_member(field, "name"), text_member(field, "message"));
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

AwsClient::AwsClient(AwsEndpoint endpoint, World world, Limits limits, RetryQuota& quota)
    : endpoint_(std::move(endpoint)), world_(std::move(world)), limits_(limits), quota_(quota) {
  while (endpoint_.url.ends_with('/')) endpoint_.url.pop_back();
}

HttpReply AwsClient::attempt(const AwsRequest& request, const sigv4::Credentials& credentials,
                             CallStats& stats) {
  const auto left =
      std::chrono::duration_cast<milliseconds>(limits_.deadline - steady_clock::now());
  if (left <= milliseconds::zero()) {
    throw AwsError(Outcome::kTimeout,
                   fmt::format("{}: not all was answered in time (collection.poll_timeout)",
                               endpoint_.region));
  }
  const std::string without_scheme = endpoint_.url.substr(endpoint_.url.find("//") + 2);
  const std::size_t slash = without_scheme.find('/');
  sigv4::Request to_sign;
  to_sign.method = "POST";
  to_sign.path = (slash == std::string::npos ? "" : without_scheme.substr(slash)) + request.path;
  to_sign.headers = request.headers;
  to_sign.headers.emplace_back("Host", without_scheme.substr(0, slash));
  to_sign.body = request.body;
  if (world_.credentials) {
    sigv4::sign(to_sign,
                {world_.now() + world_.skews->correction(endpoint_.url), endpoint_.region,
                 endpoint_.service},
                credentials);
  }

  HttpRequest http;
  http.method = to_sign.method;
  http.url = endpoint_.url + request.path;
  http.headers = std::move(to_sign.headers);
  http.body = std::move(to_sign.body);
  http.timeout = std::min(limits_.request_timeout, std::max(left, milliseconds{1}));
  ++stats.requests;
  HttpReply reply = world_.http->send(http);
  if (!reply.header("x-amzn-requestid").empty()) {
    stats.request_id = one_line(reply.header("x-amzn-requestid"));
  }
  if (const auto server = reply.date("date")) stats.clock_skew = *server - world_.now();
  return reply;
}

std::string AwsClient::call(const AwsRequest& request, CallStats& stats) {
  sigv4::Credentials credentials;
  const auto find_credentials = [&](const sigv4::Credentials* rejected) {
    if (!world_.credentials) return;
    try {
      credentials = world_.credentials(rejected);
    } catch (const AwsError& e) {
      const bool refused = e.outcome() == Outcome::kDenied || e.outcome() == Outcome::kInvalid;
      throw AwsError(refused ? Outcome::kCredentials : e.outcome(), e.what());
    } catch (const Error& e) {
      throw AwsError(Outcome::kCredentials, e.what());
    }
  };
  find_credentials(nullptr);
  bool corrected = false;
  bool refreshed = false;
  std::optional<RetryKind> last_retry;
  for (int retry = 0;;) {
    const core::Time signed_at = world_.now() + world_.skews->correction(endpoint_.url);
    const HttpReply reply = attempt(request, credentials, stats);
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
        case TransportFailure::kRefused:
        case TransportFailure::kBadUrl:
          kind = RetryKind::kNone;
          break;
      }
    } else {
      const ServiceError error = parse_service_error(reply);
      message = error.message.empty() ? error.name : error.name + ": " + error.message;
      outcome = error.outcome;
      kind = error.retry;
      const auto server = reply.date("date");
      if (error.skewed_clock && !corrected && server &&
          std::chrono::abs(*server - signed_at) >= kSkewTolerance) {
        corrected = true;
        world_.skews->correct(endpoint_.url, *server - world_.now());
        continue;
      }
      if (!refreshed && std::ranges::find(kExpired, error.name) != kExpired.end()) {
        refreshed = true;
        const sigv4::Credentials rejected = credentials;
        find_credentials(&rejected);
        continue;
      }
    }
    const std::string place =
        stats.request_id.empty() || reply.failure
            ? endpoint_.region
            : fmt::format("{}, request {}", endpoint_.region, stats.request_id);
    const auto fail = [&](std::string_view why) {
      return AwsError(outcome, fmt::format("{} ({}){}", message, place, why));
    };
    if (kind == RetryKind::kNone) throw fail("");
    if (retry + 1 >= limits_.attempts) {
      throw fail(limits_.attempts == 1 ? "" : fmt::format(", after {} attempts", limits_.attempts));
    }
    if (!quota_.acquire(kind)) throw fail(", and the retry quota is used up");
    const milliseconds delay = with_hint(backoff(kind, retry, world_.random01()), reply);
    if (steady_clock::now() + delay >= limits_.deadline)
      throw fail(", and the time for it all is used up");
    if (!world_.wait(delay)) throw AwsError(Outcome::kInterrupted, "stopped");
    last_retry = kind;
    ++retry;
  }
}

}  // namespace usaged::net
