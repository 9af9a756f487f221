#include "sim/simulator.h"

#include <Poco/Exception.h>
#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerParams.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerRequestImpl.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/ThreadPool.h>
#include <Poco/UUIDGenerator.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>
#include <unordered_set>

#include "core/error.h"
#include "core/text.h"

namespace usaged::sim {

using core::Error;
using core::ErrorCode;
using json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMostBody = 1U << 20U;
constexpr int kMostResults = 500;
constexpr int kDefaultResults = 100;
constexpr std::size_t kMostAccountIds = 7000;
constexpr core::Seconds kClockTolerance{300};
constexpr std::size_t kKeptWebhooks = 1000;
constexpr int kThreads = 64;

// The members of ListUsageTotals.
struct UsageRequest {
  std::vector<std::string> account_ids;  // empty: all
  int max_results = kDefaultResults;
  std::string next_token;
};

// One thing wrong with a request.
struct FieldError {
  std::string name;
  std::string message;
};

// An error reply.
struct Refusal {
  int status;
  std::string name;
  std::string message;
  std::string reason;  // of a ValidationException
  std::vector<FieldError> fields;
  std::optional<core::Seconds> retry_after;
};

Refusal validation(std::string message, std::string reason, std::vector<FieldError> fields = {}) {
  return {400, "ValidationException", std::move(message), std::move(reason), std::move(fields), {}};
}

// What a client may get wrong in one member, in the words of AWS's validation.
void check(std::vector<FieldError>& errors, bool good, const std::string& name,
           const std::string& value, const std::string& constraint) {
  if (good) return;
  const std::string shown = value.empty() ? "Value" : fmt::format("Value '{}'", value);
  errors.push_back(
      {name, fmt::format("{} at '{}' failed to satisfy constraint: {}", shown, name, constraint)});
}

UsageRequest parse_usage_request(const std::string& body) {
  const json parsed = body.empty() ? json::object() : json::parse(body, nullptr, false);
  if (!parsed.is_object()) {
    throw validation("The request body is not a JSON object", "CANNOT_PARSE");
  }
  UsageRequest request;
  std::vector<FieldError> errors;
  const auto member = [&parsed](const char* name) -> const json* {
    const auto found = parsed.find(name);
    return found == parsed.end() || found->is_null() ? nullptr : &*found;
  };
  const auto wrong_type = [](const std::string& name, const std::string& wanted) {
    return validation(fmt::format("'{}' must be {}", name, wanted), "CANNOT_PARSE",
                      {{name, "must be " + wanted}});
  };
  if (const json* ids = member("accountIds")) {
    if (!ids->is_array()) throw wrong_type("accountIds", "a list of strings");
    check(errors, !ids->empty(), "accountIds", "",
          "Member must have length greater than or equal to 1");
    check(errors, ids->size() <= kMostAccountIds, "accountIds", "",
          "Member must have length less than or equal to 7000");
    for (std::size_t i = 0; i < ids->size(); ++i) {
      const json& id = (*ids)[i];
      const std::string name = fmt::format("accountIds.{}.member", i + 1);
      if (!id.is_string()) throw wrong_type(name, "a string");
      const auto text = id.get<std::string>();
      check(errors, core::is_account_id(text), name, text,
            "Member must satisfy regular expression pattern: [0-9]{12}");
      request.account_ids.push_back(text);
    }
  }
  if (const json* most = member("maxResults")) {
    if (!most->is_number_integer()) throw wrong_type("maxResults", "an integer");
    const bool positive = !most->is_number_unsigned() ? most->get<std::int64_t>() >= 1
                                                      : most->get<std::uint64_t>() >= 1;
    const bool small = !most->is_number_unsigned() || most->get<std::uint64_t>() <= kMostResults;
    check(errors, positive, "maxResults", most->dump(),
          "Member must have value greater than or equal to 1");
    check(errors, small, "maxResults", most->dump(),
          "Member must have value less than or equal to 500");
    if (positive && small) request.max_results = most->get<int>();
  }
  if (const json* token = member("nextToken")) {
    if (!token->is_string()) throw wrong_type("nextToken", "a string");
    request.next_token = token->get<std::string>();
    check(errors, !request.next_token.empty(), "nextToken", "",
          "Member must have length greater than or equal to 1");
  }
  if (!errors.empty()) {
    std::vector<std::string> messages;
    for (const FieldError& error : errors) messages.push_back(error.message);
    throw validation(fmt::format("{} validation error{} detected: {}", errors.size(),
                                 errors.size() == 1 ? "" : "s", core::join(messages, "; ")),
                     "FIELD_VALIDATION_FAILED", errors);
  }
  return request;
}

// The parts of an Authorization header.
struct Authorization {
  std::string access_key;
  std::string date;
  std::string region;
  std::string service;
  std::string signed_headers;
  std::string signature;
};

Refusal refuse(int status, std::string name, std::string message) {
  return {status, std::move(name), std::move(message), "", {}, {}};
}

Authorization parse_authorization(const std::string& header) {
  constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
  const auto incomplete = [](const std::string& why) {
    return refuse(403, "IncompleteSignatureException", why);
  };
  if (header.empty()) {
    throw refuse(403, "MissingAuthenticationTokenException", "Missing Authentication Token");
  }
  if (!header.starts_with(kAlgorithm)) {
    throw incomplete("Authorization header requires the algorithm AWS4-HMAC-SHA256.");
  }
  Authorization result;
  for (const std::string& part : core::split(header.substr(kAlgorithm.size()), ',')) {
    const std::string_view text = core::trim(part);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    const std::string value(text.substr(equals + 1));
    if (name == "Credential") {
      const auto pieces = core::split(value, '/');
      if (pieces.size() != 5 || pieces[4] != "aws4_request") {
        throw incomplete("Credential must have the form KEY/DATE/REGION/SERVICE/aws4_request.");
      }
      result.access_key = pieces[0];
      result.date = pieces[1];
      result.region = pieces[2];
      result.service = pieces[3];
    } else if (name == "SignedHeaders") {
      result.signed_headers = value;
    } else if (name == "Signature") {
      result.signature = value;
    }
  }
  if (result.access_key.empty()) throw incomplete("Authorization header requires 'Credential'.");
  if (result.signed_headers.empty()) {
    throw incomplete("Authorization header requires 'SignedHeaders'.");
  }
  if (result.signature.empty()) throw incomplete("Authorization header requires 'Signature'.");
  return result;
}

// "20260301T120000Z"
std::optional<core::Time> parse_basic(const std::string& text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  try {
    return core::parse_time(
        fmt::format("{}-{}-{}T{}:{}:{}Z", text.substr(0, 4), text.substr(4, 2), text.substr(6, 2),
                    text.substr(9, 2), text.substr(11, 2), text.substr(13, 2)),
        core::Time{});
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string request_id() {
  return Poco::UUIDGenerator::defaultGenerator().createRandom().toString();
}

json usage_json(const core::UsageTotal& total) {
  return {{"cloudProvider", total.provider},
          {"currency", total.currency},
          {"estimatedMonthlyCost", total.cost ? json(*total.cost) : json(nullptr)},
          {"total", total.total ? json(*total.total) : json(nullptr)},
          {"type", total.type}};
}

json label_json(const Label& label) {
  return {{"account_id", label.account},
          {"region", label.region},
          {"usage_type", label.type},
          {"kind", label.kind},
          {"from", core::format_time(label.from)},
          {"to", core::format_time(label.to)},
          {"factor", label.factor}};
}

bool meets(const std::vector<Fault>& faults, FaultKind kind) {
  return std::ranges::any_of(faults, [kind](const Fault& fault) { return fault.kind == kind; });
}

}  // namespace

class SimulatorHandler : public Poco::Net::HTTPRequestHandler {
 public:
  explicit SimulatorHandler(Simulator& simulator) : simulator_(simulator) {}

  void handleRequest(Poco::Net::HTTPServerRequest& request,
                     Poco::Net::HTTPServerResponse& response) override {
    response.set("x-amzn-RequestId", request_id());
    response.set("Date", core::format_http_date(simulator_.options_.signing_now()));
    response.setContentType("application/json");
    try {
      const std::string body = read_body(request);
      const std::string& uri = request.getURI();
      const std::string path = uri.substr(0, uri.find('?'));
      const std::string query = path.size() < uri.size() ? uri.substr(path.size() + 1) : "";
      if (path == "/usage/list") {
        usage_list(request, response, path, query, body);
      } else if (path == "/webhook" && request.getMethod() == "POST") {
        webhook(request, response, body);
      } else if (path.starts_with("/simulator/")) {
        control(request.getMethod(), path, query, body, response);
      } else {
        throw refuse(404, "UnknownOperationException", "No such operation: " + path);
      }
    } catch (const Refusal& refusal) {
      send_refusal(response, refusal);
    } catch (const Error& e) {
      send_refusal(response, validation(e.what(), "OTHER"));
    } catch (const Poco::Exception&) {  // NOLINT(bugprone-empty-catch): the client has gone
    }
  }

 private:
  static std::string read_body(Poco::Net::HTTPServerRequest& request) {
    std::string body;
    std::array<char, 16384> buffer{};
    std::istream& stream = request.stream();
    while (stream.good() && body.size() <= kMostBody) {
      stream.read(buffer.data(), buffer.size());
      body.append(buffer.data(), static_cast<std::size_t>(stream.gcount()));
    }
    if (body.size() > kMostBody) {
      request.response().setKeepAlive(false);
      throw refuse(413, "RequestEntityTooLargeException", "The request is too large");
    }
    return body;
  }

  static void send(Poco::Net::HTTPServerResponse& response, const std::string& body) {
    response.setContentLength64(static_cast<std::int64_t>(body.size()));
    response.send() << body;
  }

  static void send_refusal(Poco::Net::HTTPServerResponse& response, const Refusal& refusal) {
    response.setStatus(static_cast<Poco::Net::HTTPResponse::HTTPStatus>(refusal.status));
    response.set("x-amzn-ErrorType",
                 refusal.name + ":http://internal.amazon.com/coral/com.amazon.inspector2/");
    if (refusal.retry_after) {
      response.set("Retry-After", std::to_string(refusal.retry_after->count()));
    }
    json body{{"message", refusal.message}};
    if (!refusal.reason.empty()) {
      body["reason"] = refusal.reason;
      body["fields"] = json::array();
      for (const FieldError& field : refusal.fields) {
        body["fields"].push_back({{"name", field.name}, {"message", field.message}});
      }
    }
    send(response, body.dump(-1, ' ', false, json::error_handler_t::replace));
  }

  // Throws a Refusal unless the request is signed with our credentials. Returns the region.
  std::string authenticate(const Poco::Net::HTTPServerRequest& request, const std::string& path,
                           const std::string& query, const std::string& body) const {
    const SimulatorOptions& options = simulator_.options_;
    const Authorization given = parse_authorization(request.get("Authorization", ""));
    const auto invalid = [](const std::string& why) {
      return refuse(403, "InvalidSignatureException", why);
    };
    const auto signed_names = core::split(given.signed_headers, ';');
    const auto is_signed = [&signed_names](const char* name) {
      return std::ranges::find(signed_names, name) != signed_names.end();
    };
    const std::string date = request.get("X-Amz-Date", "");
    const auto time = parse_basic(date);
    if (!time) {
      throw refuse(403, "IncompleteSignatureException",
                   "Authorization header requires existence of an 'X-Amz-Date' header.");
    }
    if (!is_signed("host") || !is_signed("x-amz-date")) {
      throw invalid(
          "'Host' and 'X-Amz-Date' must be a 'SignedHeader' in the Authorization header.");
    }
    const core::Time now = options.signing_now();
    if (*time < now - kClockTolerance) {
      throw invalid(fmt::format("Signature expired: {} is now earlier than {} ({} - 5 min.)", date,
                                core::format_basic(now - kClockTolerance),
                                core::format_basic(now)));
    }
    if (*time > now + kClockTolerance) {
      throw invalid(
          fmt::format("Signature not yet current: {} is still later than {} ({} + 5 min.)", date,
                      core::format_basic(now + kClockTolerance), core::format_basic(now)));
    }
    if (given.date != date.substr(0, 8)) {
      throw invalid(
          "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
          "from HTTP");
    }
    if (given.service != "inspector2") {
      throw invalid("Credential should be scoped to correct service: 'inspector2'.");
    }
    const auto& regions = simulator_.organization_.regions();
    if (std::ranges::find(regions, given.region) == regions.end()) {
      throw invalid(fmt::format("Credential should be scoped to a valid region: {}.",
                                core::join(regions, ", ")));
    }
    const std::string token = request.get("X-Amz-Security-Token", "");
    if (given.access_key != options.credentials.access_key_id ||
        token != options.credentials.session_token ||
        (!token.empty() && !is_signed("x-amz-security-token"))) {
      throw refuse(403, "UnrecognizedClientException",
                   "The security token included in the request is invalid.");
    }
    net::sigv4::Request to_check;
    to_check.method = request.getMethod();
    to_check.path = path;
    to_check.query = query;
    for (const auto& [name, value] : request) to_check.headers.emplace_back(name, value);
    to_check.body = body;
    const net::sigv4::Scope scope{*time, given.region, given.service};
    const std::string expected = net::sigv4::signature(
        scope, options.credentials.secret_access_key,
        net::sigv4::string_to_sign(scope,
                                   net::sigv4::canonical_request(to_check, given.signed_headers)));
    if (!core::equal_constant_time(expected, given.signature)) {
      throw invalid(
          "The request signature we calculated does not match the signature you provided. Check "
          "your AWS Secret Access Key and signing method. Consult the service documentation for "
          "details.");
    }
    return given.region;
  }

  void usage_list(Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response,
                  const std::string& path, const std::string& query, const std::string& body) {
    ++simulator_.requests_;
    if (request.getMethod() != "POST") {
      throw refuse(405, "MethodNotAllowedException", "Only POST is allowed here");
    }
    const std::string region = authenticate(request, path, query, body);
    const UsageRequest asked = parse_usage_request(body);
    const std::vector<Fault> faults = simulator_.faults_.next(region);
    for (const Fault& fault : faults) fail(fault, response);
    if (meets(faults, FaultKind::kGarbage)) return send(response, "\x01 not JSON {[");
    if (meets(faults, FaultKind::kEmpty)) return send(response, "");

    std::string text;
    if (simulator_.options_.reply) {
      text = *simulator_.options_.reply;
    } else {
      text = page(region, asked, faults).dump();
    }
    if (meets(faults, FaultKind::kCut)) {
      // Content-Length promises what never comes.
      response.setContentLength64(static_cast<std::int64_t>(text.size()));
      response.setKeepAlive(false);
      response.send() << text.substr(0, text.size() / 2) << std::flush;
      dynamic_cast<Poco::Net::HTTPServerRequestImpl&>(request).socket().shutdown();
      return;
    }
    send(response, text);
  }

  // The faults that are a reply of their own, or a delay.
  void fail(const Fault& fault, Poco::Net::HTTPServerResponse& response) const {
    switch (fault.kind) {
      case FaultKind::kThrottle: {
        Refusal refusal = refuse(429, "ThrottlingException", "Rate exceeded");
        refusal.retry_after = fault.retry_after;
        throw refusal;
      }
      case FaultKind::kServerError: {
        Refusal refusal = refuse(500, "InternalServerException", "An internal error occurred");
        refusal.retry_after = fault.retry_after;
        throw refusal;
      }
      case FaultKind::kUnavailable: {
        response.setStatus(Poco::Net::HTTPResponse::HTTP_SERVICE_UNAVAILABLE);
        response.setContentType("text/html");
        send(response, "<html><body><h1>503 Service Unavailable</h1></body></html>");
        throw Poco::IOException("answered");
      }
      case FaultKind::kDenied:
        throw refuse(403, "AccessDeniedException",
                     "User: arn:aws:sts::123456789012:assumed-role/simulated is not authorized to "
                     "perform: inspector2:ListUsageTotals");
      case FaultKind::kExpiredToken:
        throw refuse(403, "ExpiredTokenException",
                     "The security token included in the request is expired");
      case FaultKind::kHang: {
        const auto end = std::chrono::steady_clock::now() + fault.duration;
        while (std::chrono::steady_clock::now() < end && !simulator_.stopping_) {
          std::this_thread::sleep_for(std::chrono::milliseconds{20});
        }
        return;
      }
      case FaultKind::kCut:
      case FaultKind::kGarbage:
      case FaultKind::kEmpty:
      case FaultKind::kRepeatedToken:
      case FaultKind::kUnknownType:
      case FaultKind::kNullMembers:
      case FaultKind::kStraddle:
        return;
    }
  }

  // What a token is bound to: the region and the accounts that were asked for.
  std::string token_for(const std::string& region, const UsageRequest& asked, std::size_t offset,
                        std::size_t skip) const {
    const std::string place = fmt::format("{}:{}", offset, skip);
    const std::string bound = place + "\n" + region + "\n" + core::join(asked.account_ids, ",");
    return core::base64(place + ":" + core::hmac_sha256(simulator_.token_key_, bound));
  }

  // Where a page begins: the account, and how many of its types the page before had.
  std::pair<std::size_t, std::size_t> start_of(const std::string& region,
                                               const UsageRequest& asked) const {
    if (asked.next_token.empty()) return {0, 0};
    std::size_t offset = 0;
    std::size_t skip = 0;
    bool good = false;
    try {
      const auto parts = core::split(core::base64_decode(asked.next_token), ':');
      offset = std::stoul(parts.at(0));
      skip = std::stoul(parts.at(1));
      good = core::equal_constant_time(asked.next_token, token_for(region, asked, offset, skip));
    } catch (const std::exception&) {
      good = false;
    }
    if (!good) {
      const std::string message = "Invalid nextToken: it belongs to no request like this one";
      throw validation(message, "OTHER", {{"nextToken", message}});
    }
    return {offset, skip};
  }

  json page(const std::string& region, const UsageRequest& asked,
            const std::vector<Fault>& faults) const {
    const core::Time now = simulator_.now();
    const Organization& organization = simulator_.organization_;
    std::vector<int> accounts;
    if (asked.account_ids.empty()) {
      for (int i = 0; i < static_cast<int>(organization.account_ids().size()); ++i) {
        if (organization.is_member(i, now)) accounts.push_back(i);
      }
    } else {
      std::unordered_set<int> seen;
      for (const std::string& id : asked.account_ids) {
        const auto index = organization.find(id);
        if (index && organization.is_member(*index, now) && seen.insert(*index).second) {
          accounts.push_back(*index);
        }
      }
    }
    const auto [offset, skip] = start_of(region, asked);
    const std::size_t end =
        std::min(accounts.size(), offset + static_cast<std::size_t>(asked.max_results));
    json totals = json::array();
    std::size_t next_offset = end;
    std::size_t next_skip = 0;
    for (std::size_t i = offset; i < end; ++i) {
      json usage = json::array();
      const auto all = organization.totals(accounts[i], region, now);
      const std::size_t first = i == offset ? std::min(skip, all.size()) : 0;
      std::size_t last = all.size();
      if (i + 1 == end && i + 1 < accounts.size() && meets(faults, FaultKind::kStraddle) &&
          first == 0 && last > 1) {
        last = all.size() / 2;
        next_offset = i;
        next_skip = last;
      }
      for (std::size_t k = first; k < last; ++k) usage.push_back(usage_json(all[k]));
      spoil(usage, faults);
      totals.push_back(
          {{"accountId", organization.account_ids().at(static_cast<std::size_t>(accounts[i]))},
           {"usage", usage}});
    }
    json reply{{"totals", totals}};
    if (meets(faults, FaultKind::kRepeatedToken)) {
      reply["nextToken"] = token_for(region, asked, offset, skip);
    } else if (next_offset < accounts.size()) {
      reply["nextToken"] = token_for(region, asked, next_offset, next_skip);
    }
    return reply;
  }

  static void spoil(json& usage, const std::vector<Fault>& faults) {
    if (usage.empty()) return;
    if (meets(faults, FaultKind::kUnknownType)) {
      usage.push_back({{"cloudProvider", "AWS"},
                       {"currency", "USD"},
                       {"estimatedMonthlyCost", 1.5},
                       {"total", 3.0},
                       {"type", "SIMULATED_FUTURE_THING"}});
    }
    if (meets(faults, FaultKind::kNullMembers)) {
      usage[0]["estimatedMonthlyCost"] = nullptr;
      usage[0].erase("cloudProvider");
      if (usage.size() > 1) usage[1].erase("total");
    }
  }

  void webhook(const Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response,
               const std::string& body) {
    const std::lock_guard lock(simulator_.mutex_);
    auto& kept = simulator_.webhooks_;
    if (kept.size() == kKeptWebhooks) kept.erase(kept.begin());
    kept.push_back({request.get("webhook-id", ""), request.get("webhook-timestamp", ""),
                    request.get("webhook-signature", ""), body});
    send(response, "{}");
  }

  void control(const std::string& method, const std::string& path, const std::string& query,
               const std::string& body, Poco::Net::HTTPServerResponse& response) {
    if (path == "/simulator/clock" && method == "PUT") {
      simulator_.freeze(core::parse_time(core::trim(body), simulator_.now()));
    }
    if (path == "/simulator/clock") {
      send(response, json{{"now", core::format_time(simulator_.now())}}.dump());
    } else if (path == "/simulator/labels") {
      core::Time from = simulator_.now() - 90 * core::kDay;
      core::Time to = simulator_.now();
      for (const std::string& parameter : core::split(query, '&')) {
        if (parameter.starts_with("start=")) {
          from = core::parse_time(parameter.substr(6), simulator_.now());
        } else if (parameter.starts_with("end=")) {
          to = core::parse_time(parameter.substr(4), simulator_.now());
        }
      }
      json labels = json::array();
      for (const Label& label : simulator_.organization_.labels(from, to)) {
        labels.push_back(label_json(label));
      }
      send(response, labels.dump());
    } else if (path == "/simulator/webhooks") {
      json received = json::array();
      for (const ReceivedWebhook& webhook : simulator_.webhooks()) {
        received.push_back({{"id", webhook.id},
                            {"timestamp", webhook.timestamp},
                            {"signature", webhook.signature},
                            {"body", webhook.body}});
      }
      send(response, received.dump());
    } else {
      throw refuse(404, "UnknownOperationException", "No such page: " + path);
    }
  }

  Simulator& simulator_;
};

namespace {

class HandlerFactory : public Poco::Net::HTTPRequestHandlerFactory {
 public:
  explicit HandlerFactory(Simulator& simulator) : simulator_(simulator) {}
  Poco::Net::HTTPRequestHandler* createRequestHandler(
      const Poco::Net::HTTPServerRequest& /*request*/) override {
    return new SimulatorHandler(simulator_);  // Poco deletes it
  }

 private:
  Simulator& simulator_;
};

}  // namespace

Simulator::Simulator(SimulatorOptions options)
    : options_(std::move(options)),
      organization_(options_.organization),
      faults_(options_.faults, options_.organization.seed),
      token_key_(core::sha256(request_id())),
      threads_(std::make_unique<Poco::ThreadPool>(2, kThreads)) {
  auto params = Poco::makeAuto<Poco::Net::HTTPServerParams>();
  params->setMaxThreads(kThreads);
  params->setMaxQueued(256);
  params->setKeepAlive(true);
  params->setMaxKeepAliveRequests(0);
  params->setServerName("inspector-usaged");
  try {
    const Poco::Net::ServerSocket socket(
        Poco::Net::SocketAddress(options_.address, static_cast<Poco::UInt16>(options_.port)));
    server_ = std::make_unique<Poco::Net::HTTPServer>(new HandlerFactory(*this), *threads_, socket,
                                                      params);
    server_->start();
  } catch (const Poco::Exception& e) {
    throw Error(ErrorCode::kUnavailable, "can't listen on {}:{}: {}", options_.address,
                options_.port, e.displayText());
  }
}

Simulator::~Simulator() {
  stopping_ = true;
  server_->stopAll(true);
}

int Simulator::port() const { return server_->port(); }

std::string Simulator::url() const { return fmt::format("http://{}:{}", options_.address, port()); }

void Simulator::freeze(core::Time t) {
  const std::lock_guard lock(mutex_);
  frozen_ = t;
}

core::Time Simulator::now() const {
  const std::lock_guard lock(mutex_);
  return frozen_ ? *frozen_ : options_.now();
}

std::vector<ReceivedWebhook> Simulator::webhooks() const {
  const std::lock_guard lock(mutex_);
  return webhooks_;
}

}  // namespace usaged::sim
