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
#include <array>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "core/text.h"
#include "sim/metadata.h"
#include "sim/organizations.h"
#include "sim/query_api.h"

namespace usaged::sim {

using core::Error;
using core::ErrorCode;
using json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMostBody = 1U << 20U;
constexpr std::size_t kKeptWebhooks = 1000;
constexpr int kThreads = 64;

std::string request_id() {
  return Poco::UUIDGenerator::defaultGenerator().createRandom().toString();
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

// The error format of everything that speaks JSON.
Reply json_refusal(const Refusal& refusal) {
  json body{{"__type", refusal.name}, {"message", refusal.message}};
  if (!refusal.reason.empty()) {
    body["reason"] = refusal.reason;
    body["fields"] = json::array();
    for (const FieldError& field : refusal.fields) {
      body["fields"].push_back({{"name", field.name}, {"message", field.message}});
    }
  }
  Reply reply{body.dump(-1, ' ', false, json::error_handler_t::replace)};
  reply.status = refusal.status;
  reply.headers.emplace_back(
      "x-amzn-ErrorType",
      refusal.name + ":http://internal.amazon.com/coral/com.amazon.inspector2/");
  if (refusal.retry_after) {
    reply.headers.emplace_back("Retry-After", std::to_string(refusal.retry_after->count()));
  }
  return reply;
}

// What a fault answers in place of the service; nullopt if it only delays or spoils.
std::optional<Reply> answer_of(const Fault& fault, const std::atomic<bool>& stopping) {
  switch (fault.kind) {
    case FaultKind::kThrottle:
      throw Refusal{429, "ThrottlingException", "Rate exceeded", "", {}, fault.retry_after};
    case FaultKind::kServerError:
      throw Refusal{500, "InternalServerException", "An internal error occurred", "",
                    {},  fault.retry_after};
    case FaultKind::kUnavailable:
      return Reply{"<html><body><h1>503 Service Unavailable</h1></body></html>", "text/html", 503};
    case FaultKind::kDenied:
      throw Refusal{403, "AccessDeniedException",
                    "User: arn:aws:sts::123456789012:assumed-role/simulated is not authorized to "
                    "perform: this action"};
    case FaultKind::kExpiredToken:
      throw Refusal{403, "ExpiredTokenException",
                    "The security token included in the request is expired"};
    case FaultKind::kHang: {
      const auto end = std::chrono::steady_clock::now() + fault.duration;
      while (std::chrono::steady_clock::now() < end && !stopping) {
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
      }
      return std::nullopt;
    }
    case FaultKind::kGarbage:
      return Reply{"\x01 not JSON {["};
    case FaultKind::kEmpty:
      return Reply{""};
    case FaultKind::kCut:
    case FaultKind::kRepeatedToken:
    case FaultKind::kUnknownType:
    case FaultKind::kNullMembers:
    case FaultKind::kStraddle:
      break;
  }
  return std::nullopt;
}

}  // namespace

class SimulatorHandler : public Poco::Net::HTTPRequestHandler {
 public:
  explicit SimulatorHandler(Simulator& simulator) : simulator_(simulator) {}

  void handleRequest(Poco::Net::HTTPServerRequest& request,
                     Poco::Net::HTTPServerResponse& response) override {
    try {
      send(request, response, answer(request));
    } catch (const Poco::Exception&) {  // NOLINT(bugprone-empty-catch): the client has gone
    }
  }

 private:
  Reply answer(Poco::Net::HTTPServerRequest& from) {
    Reply (*format)(const Refusal&) = json_refusal;
    try {
      const Request request = read(from);
      if (request.path == "/usage/list") return inspector("inspector2", request);
      if (request.path == "/freetrialinfo/batchget") return inspector("trials", request);
      if (request.path == "/" && !request.header("X-Amz-Target").empty()) {
        return organizations(request);
      }
      if (request.path == "/" && request.body.starts_with("Action=Publish&")) {
        format = query_refusal;
        return sns(request);
      }
      if (request.path == "/" && request.method == "POST") {
        format = query_refusal;
        return sts(request);
      }
      if (request.path.starts_with("/latest/")) {
        return with_faults("metadata", "", "", [&](const auto&) {
          return answer_metadata(simulator_.identities_, request, aws_now());
        });
      }
      if (request.path.starts_with("/v2/credentials/")) {
        return with_faults("container", "", "", [&](const auto&) {
          return answer_container(simulator_.identities_, simulator_.options_.container_token,
                                  request, aws_now());
        });
      }
      if (request.path == "/webhook" && request.method == "POST") return webhook(request);
      if (request.path.starts_with("/simulator/")) return control(request);
      throw Refusal{404, "UnknownOperationException", "No such operation: " + request.path};
    } catch (const Refusal& refusal) {
      return format(refusal);
    } catch (const Error& e) {
      return format({400, "ValidationException", e.what(), "OTHER"});
    }
  }

  static Request read(Poco::Net::HTTPServerRequest& from) {
    Request request;
    request.method = from.getMethod();
    const std::string& uri = from.getURI();
    request.path = uri.substr(0, uri.find('?'));
    if (request.path.size() < uri.size()) request.query = uri.substr(request.path.size() + 1);
    for (const auto& [name, value] : from) request.headers.emplace_back(name, value);
    std::array<char, 16384> buffer{};
    std::istream& stream = from.stream();
    while (stream.good() && request.body.size() <= kMostBody) {
      stream.read(buffer.data(), buffer.size());
      request.body.append(buffer.data(), static_cast<std::size_t>(stream.gcount()));
    }
    if (request.body.size() > kMostBody) {
      from.response().setKeepAlive(false);
      throw Refusal{413, "RequestEntityTooLargeException", "The request is too large"};
    }
    return request;
  }

  void send(Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response,
            const Reply& reply) {
    response.setStatus(static_cast<Poco::Net::HTTPResponse::HTTPStatus>(reply.status));
    response.set("x-amzn-RequestId", request_id());
    response.set("Date", core::format_http_date(aws_now()));
    response.setContentType(reply.content_type);
    for (const auto& [name, value] : reply.headers) response.set(name, value);
    // Content-Length promises what never comes, if the reply is cut.
    response.setContentLength64(static_cast<std::int64_t>(reply.body.size()));
    if (!reply.cut) {
      response.send() << reply.body;
      return;
    }
    response.setKeepAlive(false);
    response.send() << reply.body.substr(0, reply.body.size() / 2) << std::flush;
    dynamic_cast<Poco::Net::HTTPServerRequestImpl&>(request).socket().shutdown();
  }

  // AWS's clock, which signatures and sessions go by.
  core::Time aws_now() const {
    return simulator_.options_.signing_now() + simulator_.options_.clock_skew;
  }

  // Counts the request, and lets the plan answer, delay or spoil it.
  template <typename Serve>
  Reply with_faults(const std::string& service, const std::string& region,
                    const std::string& account, Serve serve) {
    const std::vector<Fault> faults = simulator_.faults_.next(service, region, account);
    for (const Fault& fault : faults) {
      if (auto reply = answer_of(fault, simulator_.stopping_)) return *reply;
    }
    Reply reply = serve(faults);
    reply.cut = meets(faults, FaultKind::kCut);
    return reply;
  }

  Reply inspector(const std::string& service, const Request& request) {
    simulator_.count(service);
    if (request.method != "POST") {
      throw Refusal{405, "MethodNotAllowedException", "Only POST is allowed here"};
    }
    const Caller caller = simulator_.identities_.authenticate(
        request, {"inspector2"}, simulator_.organization_.regions(), aws_now());
    const core::Time now = simulator_.now();
    return with_faults(service, caller.region, caller.account, [&](const auto& faults) {
      const Inspector& inspector = simulator_.inspector_;
      return service == "trials" ? inspector.batch_get_free_trial_info(caller, request, now)
                                 : inspector.list_usage_totals(caller, request, faults, now);
    });
  }

  Reply organizations(const Request& request) {
    simulator_.count("organizations");
    const Caller caller =
        simulator_.identities_.authenticate(request, {"organizations"}, {}, aws_now());
    return with_faults("organizations", caller.region, caller.account, [&](const auto&) {
      return list_accounts(simulator_.organization_, caller, request, simulator_.now());
    });
  }

  Reply sts(const Request& request) {
    simulator_.count("sts");
    Caller caller;
    if (Sts::is_signed(request)) {
      caller = simulator_.identities_.authenticate(request, {"sts"}, {}, aws_now());
    }
    return with_faults("sts", caller.region, Sts::role_account(request), [&](const auto&) {
      return simulator_.sts_.answer(caller, request, aws_now());
    });
  }

  Reply sns(const Request& request) {
    simulator_.count("sns");
    const Caller caller = simulator_.identities_.authenticate(request, {"sns"}, {}, aws_now());
    return with_faults("sns", caller.region, caller.account, [&](const auto&) {
      const std::lock_guard lock(simulator_.mutex_);
      return simulator_.sns_.answer(request);
    });
  }

  Reply webhook(const Request& request) {
    const std::lock_guard lock(simulator_.mutex_);
    auto& kept = simulator_.webhooks_;
    if (kept.size() == kKeptWebhooks) kept.erase(kept.begin());
    kept.push_back({request.header("webhook-id"), request.header("webhook-timestamp"),
                    request.header("webhook-signature"), request.body});
    return {"{}"};
  }

  Reply control(const Request& request) {
    if (request.path == "/simulator/clock") {
      if (request.method == "PUT") {
        simulator_.freeze(core::parse_time(core::trim(request.body), simulator_.now()));
      }
      return {json{{"now", core::format_time(simulator_.now())}}.dump()};
    }
    if (request.path == "/simulator/labels") {
      core::Time from = simulator_.now() - 90 * core::kDay;
      core::Time to = simulator_.now();
      for (const std::string& parameter : core::split(request.query, '&')) {
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
      return {labels.dump()};
    }
    if (request.path == "/simulator/requests") {
      const std::lock_guard lock(simulator_.mutex_);
      return {json(simulator_.requests_).dump()};
    }
    if (request.path == "/simulator/published") {
      const std::lock_guard lock(simulator_.mutex_);
      return {simulator_.sns_.published()};
    }
    if (request.path == "/simulator/webhooks") {
      json received = json::array();
      for (const ReceivedWebhook& webhook : simulator_.webhooks()) {
        received.push_back({{"id", webhook.id},
                            {"timestamp", webhook.timestamp},
                            {"signature", webhook.signature},
                            {"body", webhook.body}});
      }
      return {received.dump()};
    }
    throw Refusal{404, "UnknownOperationException", "No such page: " + request.path};
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
      identities_(options_.credentials, core::sha256(request_id())),
      inspector_(organization_, core::sha256(request_id()), options_.reply),
      sts_(identities_, organization_, options_.sts),
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

void Simulator::count(const std::string& service) {
  const std::lock_guard lock(mutex_);
  ++requests_[service];
}

std::int64_t Simulator::requests(const std::string& service) const {
  const std::lock_guard lock(mutex_);
  const auto found = requests_.find(service);
  return found == requests_.end() ? 0 : found->second;
}

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
