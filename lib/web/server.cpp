#include "web/server.h"

#include <Poco/DeflatingStream.h>
#include <Poco/Exception.h>
#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServerConnection.h>
#include <Poco/Net/HTTPServerParams.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/TCPServer.h>
#include <Poco/Net/TCPServerConnectionFactory.h>
#include <Poco/ThreadPool.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/text.h"
#include "web/framing.h"
#include "web/listener.h"
#include "web/routes.h"

namespace usaged::web {
namespace {

using core::Error;
using core::ErrorCode;
using Poco::Net::HTTPResponse;
using Clock = std::chrono::steady_clock;

constexpr int kThreads = 64;
// From so many connections on, the one that has waited longest without a request is closed.
constexpr std::size_t kCrowded = 48;
constexpr int kQueued = 512;
constexpr std::chrono::milliseconds kReaperPause{100};
constexpr std::chrono::milliseconds kCrowdedPause{20};
constexpr std::chrono::seconds kHeaderDeadline{15};
constexpr std::chrono::seconds kHandlerDeadline{60};
constexpr int kReaders = 8;
// Streams at a time: each holds a reader for as long as its client takes.
constexpr int kMostStreams = 4;
constexpr std::size_t kMostBody = 65536;
constexpr std::size_t kLeastGzip = 1024;
constexpr int kGzipLevel = 4;

// What the reaper knows of one connection.
struct Connection {
  Poco::Net::StreamSocket socket;
  Clock::time_point since;    // of the last change of `handling`
  std::optional<uid_t> peer;  // of a unix socket
  bool handling = false;
};

// Every open connection. Closes those that take too long, and the idle ones when there are many.
class Connections {
 public:
  Connections() : reaper_([this] { reap(); }) {}
  ~Connections() {
    close_all();
    reaper_.join();
  }
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  std::list<Connection>::iterator add(const Poco::Net::StreamSocket& socket) {
    const std::lock_guard lock(mutex_);
    connections_.push_back({socket, Clock::now(), peer_of(socket)});
    if (stopping_) shut_down(socket);
    wake_.notify_all();
    return std::prev(connections_.end());
  }
  void remove(std::list<Connection>::iterator connection) {
    const std::lock_guard lock(mutex_);
    connections_.erase(connection);
  }
  void set_handling(std::list<Connection>::iterator connection, bool handling) {
    const std::lock_guard lock(mutex_);
    connection->handling = handling;
    connection->since = Clock::now();
  }
  void close_all() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Connection& connection : connections_) shut_down(connection.socket);
    wake_.notify_all();
  }

 private:
  void reap() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      // Without connections there is nothing to look after.
      wake_.wait(lock, [this] { return stopping_ || !connections_.empty(); });
      const auto pause = connections_.size() > kCrowded ? kCrowdedPause : kReaperPause;
      wake_.wait_for(lock, pause, [this] { return stopping_; });
      const auto now = Clock::now();
      std::vector<Connection*> idle;
      for (Connection& connection : connections_) {
        const auto limit = connection.handling ? kHandlerDeadline : kHeaderDeadline;
        if (now - connection.since > limit) shut_down(connection.socket);
        if (!connection.handling) idle.push_back(&connection);
      }
      if (connections_.size() <= kCrowded) continue;
      std::ranges::sort(idle, {}, &Connection::since);
      const std::size_t most = connections_.size() - kCrowded;
      for (std::size_t i = 0; i < std::min(most, idle.size()); ++i) shut_down(idle[i]->socket);
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::list<Connection> connections_;
  std::thread reaper_;
};

// The host of a Host header, without its port.
std::string host_of(std::string_view header) {
  const std::string text = core::lower(header);
  if (text.starts_with('[')) return text.substr(0, text.find(']') + 1);
  return text.substr(0, text.find(':'));
}

// True if a page of another origin sends the request (Fetch's Sec-Fetch-Site and Origin).
bool is_from_elsewhere(const Poco::Net::HTTPServerRequest& request) {
  // A browser says it where it can; no page can forge it, and no proxy changes it, while behind one
  // the Host need not be that of the page.
  const std::string site = request.get("Sec-Fetch-Site", "none");
  if (site == "same-origin") return false;
  if (site != "none") return true;
  if (!request.has("Origin")) return false;
  const std::string origin = core::lower(request.get("Origin"));
  const std::string host = core::lower(request.get("Host"));
  return origin != "http://" + host && origin != "https://" + host;
}

// Why whoever asks is not let in to a route; nullopt: they are. `peer` is the user at the other end
// of a unix socket.
std::optional<Response> refusal_of_access(const Poco::Net::HTTPServerRequest& request,
                                          const Route& route, const ServerOptions& options,
                                          std::optional<uid_t> peer) {
  const core::Access needed = needed_access(route);
  if (options.anonymous >= needed) return std::nullopt;
  if (peer && core::access_of(options.peers, *peer) >= needed) return std::nullopt;
  const std::string header = request.get("Authorization", "");
  const core::Token* token = core::find_token(options.tokens, header);
  if (token == nullptr) {
    return problem(401, header.empty() ? "this takes a token: send Authorization: Bearer TOKEN"
                                       : "this token is not known");
  }
  if (token->scope >= needed) return std::nullopt;
  return problem(403, fmt::format("the token of '{}' may read only", token->name));
}

bool is_json(const std::string& content_type) {
  return core::trim(core::lower(content_type.substr(0, content_type.find(';')))) ==
         "application/json";
}

// What is wrong with a request that writes; nullopt: nothing.
std::optional<Response> refusal_of_write(const Poco::Net::HTTPServerRequest& request,
                                         const ServerOptions& options, std::optional<uid_t> peer) {
  const std::string& uri = request.getURI();
  Found found;
  try {
    found = find_route(request.getMethod(), percent_decode(uri.substr(0, uri.find('?')), false));
  } catch (const Error& e) {
    return problem(status_of(e.code()), e.what());
  }
  if (found.allowed.empty()) return problem(404, "there is nothing at this address");
  if (found.route == nullptr) {
    Response response = problem(405, "this address has " + found.allowed);
    response.allow = found.allowed;
    return response;
  }
  if (is_from_elsewhere(request)) return problem(403, "a page of another origin may not write");
  if (auto refused = refusal_of_access(request, *found.route, options, peer)) return refused;
  if (request.getMethod() != "POST") return std::nullopt;
  const std::string length = request.get("Content-Length", "");
  if (length.empty()) return problem(411, "a POST must say its Content-Length");
  if (length.size() > 6 || std::stoul(length) > kMostBody) {
    return problem(413, fmt::format("a body has {} bytes at most", kMostBody));
  }
  // What has no body has no type: curl -X POST.
  if (length != "0" && !is_json(request.get("Content-Type", ""))) {
    return problem(415, "write Content-Type: application/json");
  }
  return std::nullopt;
}

// Why a request must not be handled; nullopt: it may. By status and reason.
std::optional<Response> refusal(const Poco::Net::HTTPServerRequest& request,
                                const ServerOptions& options, const Connection& connection) {
  if (const std::string& wrong = wrong_framing(connection.socket); !wrong.empty()) {
    return problem(400, wrong);
  }
  const std::string& method = request.getMethod();
  const bool has_body = method == "POST";
  int hosts = 0;
  for (const auto& [name, value] : request) {
    const std::string lower = core::lower(name);
    hosts += lower == "host" ? 1 : 0;
    if (lower == "content-length" && !has_body && value != "0") {
      return problem(400, "a request like this has no body");
    }
    if (lower == "expect") return problem(417, "Expect is not supported");
  }
  if (hosts != 1) return problem(400, "there must be one Host header");
  if (method != "GET" && method != "HEAD" && method != "POST" && method != "DELETE") {
    Response response = problem(405, "only GET, HEAD, POST and DELETE are answered");
    response.allow = "GET, HEAD, POST, DELETE";
    return response;
  }
  if (!request.getURI().starts_with('/')) return problem(400, "the target must be a path");
  const std::string host = host_of(request.get("Host"));
  if (std::ranges::find(options.allowed_hosts, host) == options.allowed_hosts.end()) {
    return problem(421,
                   "this server is not the host that the request names; add the name to "
                   "http.allowed_hosts if it should be");
  }
  if (method == "GET" || method == "HEAD") return std::nullopt;
  return refusal_of_write(request, options, connection.peer);
}

// True if an Accept-Encoding header allows gzip (RFC 9110, 12.5.3).
bool accepts_gzip(const std::string& header) {
  for (const std::string& part : core::split(core::lower(header), ',')) {
    const std::vector<std::string> words = core::split(part, ';');
    const std::string_view coding = core::trim(words[0]);
    if (coding != "gzip" && coding != "*") continue;
    const std::string_view weight = words.size() > 1 ? core::trim(words[1]) : "q=1";
    // A weight of 0 forbids it.
    return weight.find_first_of("123456789") != std::string_view::npos;
  }
  return false;
}

// True if the client has this answer already (RFC 9110, 13.1.2: weak comparison).
bool has_already(const std::string& if_none_match, std::string_view etag) {
  if (etag.empty()) return false;
  const auto plain = [](std::string_view tag) {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
  };
  for (const std::string& part : core::split(if_none_match, ',')) {
    const std::string_view tag = core::trim(part);
    if (tag == "*" || plain(tag) == plain(etag)) return true;
  }
  return false;
}

std::string gzip(std::string_view text) {
  std::ostringstream packed;
  Poco::DeflatingOutputStream stream(packed, Poco::DeflatingStreamBuf::STREAM_GZIP, kGzipLevel);
  stream << text;
  stream.close();
  return packed.str();
}

// Everything but how long the body is and how it is packed.
void set_head(Poco::Net::HTTPServerResponse& response, const Response& answer) {
  response.setStatusAndReason(static_cast<HTTPResponse::HTTPStatus>(answer.status));
  if (answer.status != HTTPResponse::HTTP_NOT_MODIFIED) {
    response.setContentType(answer.content_type);
  }
  // A client may keep what has an ETag, if it asks each time whether it still holds.
  response.set("Cache-Control", answer.etag.empty() ? "no-store" : "private, no-cache");
  if (!answer.etag.empty()) response.set("ETag", answer.etag);
  if (!answer.link.empty()) response.set("Link", answer.link);
  response.set("Vary", "Accept, Accept-Encoding");
  response.set("Content-Security-Policy",
               "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
               "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  response.set("Referrer-Policy", "no-referrer");
  response.set("X-Content-Type-Options", "nosniff");
  if (answer.status == 503) response.set("Retry-After", "1");
  if (answer.status == 405) response.set("Allow", answer.allow);
  if (answer.status == 401) response.set("WWW-Authenticate", "Bearer");
}

// Sends the head with as much of the body as goes along: Poco's streams send 4 kB at a time, and
// each piece wakes the client.
void send_whole(Poco::Net::StreamSocket socket, Poco::Net::HTTPServerResponse& response,
                std::string_view body) {
  constexpr std::size_t kPiece = 65536;
  std::ostringstream head;
  response.write(head);
  std::string piece = std::move(head).str();
  piece += body.substr(0, kPiece);
  body.remove_prefix(std::min(body.size(), kPiece));
  try {
    for (std::string_view rest = piece; !rest.empty();) {
      const int sent =
          socket.sendBytes(rest.data(), static_cast<int>(std::min(rest.size(), 2 * kPiece)));
      rest.remove_prefix(static_cast<std::size_t>(sent));
      if (rest.empty()) std::swap(rest, body);
    }
  } catch (const Poco::Exception&) {  // the client is gone
    response.setKeepAlive(false);
  }
}

// Returns how many bytes of body it sent.
std::int64_t send(const Poco::Net::StreamSocket& socket,
                  const Poco::Net::HTTPServerRequest& request,
                  Poco::Net::HTTPServerResponse& response, const Response& answer) {
  if (answer.status == 200 && has_already(request.get("If-None-Match", ""), answer.etag)) {
    Response same = answer;
    same.status = HTTPResponse::HTTP_NOT_MODIFIED;
    set_head(response, same);
    response.setContentLength(0);
    send_whole(socket, response, "");
    return 0;
  }
  set_head(response, answer);
  const bool pack =
      answer.body.size() >= kLeastGzip && accepts_gzip(request.get("Accept-Encoding", ""));
  const std::string packed = pack ? gzip(answer.body) : "";
  const std::string& body = pack ? packed : answer.body;
  if (pack) response.set("Content-Encoding", "gzip");
  response.setContentLength64(static_cast<std::int64_t>(body.size()));
  const bool whole = request.getMethod() != "HEAD";
  send_whole(socket, response, whole ? std::string_view(body) : "");
  return whole ? static_cast<std::int64_t>(body.size()) : 0;
}

// The body of a streamed answer. Its head goes out with the first piece.
class StreamedBody {
 public:
  StreamedBody(const Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response,
               const Response& answer)
      : response_(response),
        answer_(answer),
        head_only_(request.getMethod() == "HEAD"),
        pack_(accepts_gzip(request.get("Accept-Encoding", ""))),
        chunked_(request.getVersion() != Poco::Net::HTTPMessage::HTTP_1_0) {}

  bool started() const { return stream_ != nullptr; }

  // False if nobody needs the rest.
  bool write(std::string_view piece) {
    begin();
    if (head_only_) return false;
    *stream_ << piece;
    stream_->flush();
    if (!stream_->good()) throw Error(ErrorCode::kUnavailable, "the client is gone");
    return true;
  }
  void finish() {
    begin();
    if (packing_) packing_->close();
  }

 private:
  void begin() {
    if (stream_ != nullptr) return;
    set_head(response_, answer_);
    if (pack_) response_.set("Content-Encoding", "gzip");
    // Without chunks the end of the connection is the end of the body.
    if (chunked_) {
      response_.setChunkedTransferEncoding(true);
    } else {
      response_.setKeepAlive(false);
    }
    stream_ = &response_.send();
    if (pack_ && !head_only_) {
      packing_.emplace(*stream_, Poco::DeflatingStreamBuf::STREAM_GZIP, kGzipLevel);
      stream_ = &*packing_;
    }
  }

  Poco::Net::HTTPServerResponse& response_;
  const Response& answer_;
  bool head_only_;
  bool pack_;
  bool chunked_;
  std::ostream* stream_ = nullptr;
  std::optional<Poco::DeflatingOutputStream> packing_;
};

// Ends a connection so that its last answer arrives: closing it with bytes unread would reset it.
void linger(Poco::Net::StreamSocket socket) {
  constexpr int kMostReads = 16;
  std::array<char, 4096> ignored{};
  try {
    socket.shutdownSend();
    socket.setReceiveTimeout(Poco::Timespan(0, 200000));
    for (int i = 0; i < kMostReads && socket.receiveBytes(ignored.data(), ignored.size()) > 0;
         ++i) {
    }
  } catch (const Poco::Exception&) {  // NOLINT(bugprone-empty-catch): it ends either way
  }
}

ServerOptions with_own_hosts(ServerOptions options) {
  options.allowed_hosts.push_back(core::bracketed(options.address));
  for (const char* host : {"localhost", "127.0.0.1", "[::1]"}) {
    options.allowed_hosts.emplace_back(host);
  }
  return options;
}

// Counts itself while it lives.
class Count {
 public:
  explicit Count(std::atomic<int>& n) : n_(n), now_(++n) {}
  ~Count() { --n_; }
  Count(const Count&) = delete;
  Count& operator=(const Count&) = delete;
  int now() const { return now_; }

 private:
  std::atomic<int>& n_;
  int now_;
};

}  // namespace

class Server::State {
  mutable std::mutex mutex_;
  std::shared_ptr<const ServerOptions> options_;

 public:
  State(ServerOptions o, ServerWorld w, const Counters& c)
      : options_(std::make_shared<const ServerOptions>(with_own_hosts(std::move(o)))),
        world(std::move(w)),
        counters(c),
        readers(options()->database, kReaders),
        threads("web", 4, kThreads) {}

  // As they are now; a request keeps those that it began with.
  std::shared_ptr<const ServerOptions> options() const {
    const std::lock_guard lock(mutex_);
    return options_;
  }
  void set_options(ServerOptions wanted) {
    auto made = std::make_shared<const ServerOptions>(with_own_hosts(std::move(wanted)));
    const std::lock_guard lock(mutex_);
    options_ = std::move(made);
  }

  ServerWorld world;
  const Counters& counters;
  store::ReaderPool readers;
  std::atomic<int> at_work{0};
  std::atomic<int> streaming{0};
  Poco::ThreadPool threads;
  Connections connections;
  std::shared_ptr<Tls> tls = std::make_shared<Tls>();
  std::vector<ListenAddress> addresses;
  std::vector<std::unique_ptr<Poco::Net::TCPServer>> servers;  // one a socket

  Response answer_request(const Poco::Net::HTTPServerRequest& request, std::string body,
                          std::optional<uid_t> peer) {
    try {
      const std::string& uri = request.getURI();
      const std::size_t mark = uri.find('?');
      const std::string path = percent_decode(uri.substr(0, mark), false);
      const Found found = find_route(request.getMethod(), path);
      if (found.allowed.empty()) return problem(404, "there is nothing at this address");
      if (found.route == nullptr) {
        Response response = problem(405, "this address has " + found.allowed);
        response.allow = found.allowed;
        return response;
      }
      const Route* route = found.route;
      if (auto refused = refusal_of_access(request, *route, *options(), peer)) {
        return *refused;
      }
      Query query(mark == std::string::npos ? "" : uri.substr(mark + 1));
      const RouteContext context{readers,
                                 counters,
                                 query,
                                 world.now(),
                                 found.parameter,
                                 request.get("Accept", ""),
                                 world.not_ready(),
                                 uri,
                                 std::move(body),
                                 world.actors,
                                 world.rules};
      if (!route->limited) return answer(*route, context);
      const Count count(at_work);
      if (count.now() > options()->max_requests) {
        return problem(503, "too many requests at a time; try again in a second");
      }
      return answer(*route, context);
    } catch (const Error& e) {
      return problem(status_of(e.code()), e.what());
    }
  }
};

namespace {

using Place = std::list<Connection>::iterator;

template <typename State>
class Handler : public Poco::Net::HTTPRequestHandler {
 public:
  Handler(State& state, Place place, std::optional<Response> refused)
      : state_(state), place_(place), refused_(std::move(refused)) {}
  ~Handler() override {
    state_.connections.set_handling(place_, false);
    if (!done_.id.empty()) state_.world.answered(done_);
  }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;

  void handleRequest(Poco::Net::HTTPServerRequest& request,
                     Poco::Net::HTTPServerResponse& response) override {
    const auto began = Clock::now();
    describe(request);
    response.set("X-Request-Id", done_.id);
    try {
      handle(request, response);
    } catch (...) {
      finish(response, began);
      throw;
    }
    finish(response, began);
  }

 private:
  // Thrown when a stream need not go on.
  struct Enough {};

  void describe(const Poco::Net::HTTPServerRequest& request) {
    constexpr std::size_t kMostTarget = 500;
    const std::string wanted = request.get("X-Request-Id", "");
    const bool good = wanted.size() <= 64 && is_token(wanted);
    thread_local std::mt19937_64 random{std::random_device{}()};
    done_.id = good ? wanted : fmt::format("{:016x}", random());
    done_.method = request.getMethod();
    done_.target = request.getURI().substr(0, kMostTarget);
    done_.from = place_->peer ? "unix" : request.clientAddress().host().toString();
    const auto options = state_.options();
    const core::Token* token = core::find_token(options->tokens, request.get("Authorization", ""));
    done_.by = token != nullptr ? "token " + token->name
               : place_->peer   ? fmt::format("uid {}", *place_->peer)
                                : "";
  }

  void finish(const Poco::Net::HTTPServerResponse& response, Clock::time_point began) {
    done_.status = response.getStatus();
    done_.seconds = std::chrono::duration<double>(Clock::now() - began).count();
  }

  void handle(Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response) {
    std::string body;
    // It has to come within the deadline of the header, counted anew.
    if (!refused_ && request.getMethod() == "POST") {
      state_.connections.set_handling(place_, false);
      body.resize(std::stoul(request.get("Content-Length")));
      request.stream().read(body.data(), static_cast<std::streamsize>(body.size()));
      if (static_cast<std::size_t>(request.stream().gcount()) != body.size()) {
        refused_ = problem(400, "the body ended before its Content-Length");
      }
    }
    state_.connections.set_handling(place_, true);
    if (refused_) {
      response.setKeepAlive(false);
      done_.bytes = send(place_->socket, request, response, *refused_);
      linger(place_->socket);
      return;
    }
    const Response answer = state_.answer_request(request, std::move(body), place_->peer);
    std::optional<Count> streams;
    if (answer.stream) streams.emplace(state_.streaming);
    if (streams && streams->now() > kMostStreams) {
      done_.bytes = send(place_->socket, request, response,
                         problem(503, "too many streams at a time; try again in a second"));
    } else if (answer.stream) {
      stream(request, response, answer);
    } else {
      done_.bytes = send(place_->socket, request, response, answer);
    }
  }

  void stream(const Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response,
              const Response& answer) {
    StreamedBody body(request, response, answer);
    try {
      answer.stream([&](std::string_view piece) {
        if (!body.write(piece)) throw Enough{};
        done_.bytes += static_cast<std::int64_t>(piece.size());
        state_.connections.set_handling(place_, true);  // it moves
      });
      body.finish();
    } catch (const Enough&) {  // NOLINT(bugprone-empty-catch): the head is sent
    } catch (...) {
      if (!body.started()) {
        done_.bytes = send(place_->socket, request, response, problem_of_exception());
        return;
      }
      // Whoever reads must see that the end is missing.
      shut_down(place_->socket);
      throw;
    }
  }

  State& state_;
  Place place_;
  std::optional<Response> refused_;
  Request done_;
};

// One for each connection, so that a handler knows whose it is. It runs before Poco reads a body or
// answers an Expect.
template <typename State>
class HandlerFactory : public Poco::Net::HTTPRequestHandlerFactory {
 public:
  HandlerFactory(State& state, Place place) : state_(state), place_(place) {}
  Poco::Net::HTTPRequestHandler* createRequestHandler(
      const Poco::Net::HTTPServerRequest& request) override {
    auto refused = refusal(request, *state_.options(), *place_);
    // Any status but 200 keeps Poco from sending "100 Continue".
    if (refused) {
      // Poco echoes the version, whatever it is.
      request.response().setVersion(Poco::Net::HTTPMessage::HTTP_1_1);
      request.response().setStatus(static_cast<HTTPResponse::HTTPStatus>(refused->status));
    }
    return new Handler<State>(state_, place_, std::move(refused));  // Poco deletes it
  }

 private:
  State& state_;
  Place place_;
};

template <typename State>
class TrackedConnection : public Poco::Net::TCPServerConnection {
 public:
  TrackedConnection(const Poco::Net::StreamSocket& socket, Poco::Net::HTTPServerParams::Ptr params,
                    State& state)
      : TCPServerConnection(socket), params_(std::move(params)), state_(state) {}

  void run() override {
    struct Entry {
      Connections& all;
      Place place;
      ~Entry() { all.remove(place); }
    };
    const Entry entry{state_.connections, state_.connections.add(socket())};
    Poco::Net::HTTPServerConnection(socket(), params_,
                                    new HandlerFactory<State>(state_, entry.place))
        .run();
  }

 private:
  Poco::Net::HTTPServerParams::Ptr params_;
  State& state_;
};

template <typename State>
class ConnectionFactory : public Poco::Net::TCPServerConnectionFactory {
 public:
  ConnectionFactory(State& state, Poco::Net::HTTPServerParams::Ptr params)
      : state_(state), params_(std::move(params)) {}
  Poco::Net::TCPServerConnection* createConnection(const Poco::Net::StreamSocket& socket) override {
    return new TrackedConnection<State>(socket, params_, state_);  // Poco deletes it
  }

 private:
  State& state_;
  Poco::Net::HTTPServerParams::Ptr params_;
};

}  // namespace

namespace {

std::vector<Poco::Net::ServerSocket> sockets_of(const ServerOptions& options,
                                                const std::shared_ptr<const Tls>& tls) {
  std::vector<Poco::Net::ServerSocket> sockets;
  for (const int fd : options.inherited) {
    sockets.push_back(listen_inherited(fd, tls));
    const ListenAddress where = address_of(sockets.back());
    const bool safe = !options.tls.certificate.empty() && !options.tokens.empty() &&
                      options.anonymous == core::Access::kNone;
    if (!where.address.empty() && !core::is_loopback(where.address) && !safe) {
      throw Error(ErrorCode::kConfig,
                  "others reach the socket at {}:{}: that takes http.tls and http.tokens, and no "
                  "http.anonymous",
                  where.address, where.port);
    }
  }
  if (!sockets.empty()) return sockets;
  sockets.push_back(listen_at(options.address, options.port, tls));
  if (!options.socket.empty()) sockets.push_back(listen_at_path(options.socket));
  return sockets;
}

}  // namespace

Server::Server(ServerOptions options, ServerWorld world, const Counters& counters)
    : state_(std::make_unique<State>(std::move(options), std::move(world), counters)) {
  const ServerOptions wanted = *state_->options();
  state_->tls->set(load_tls(wanted.tls));
  Poco::Net::HTTPServerParams::Ptr params = new Poco::Net::HTTPServerParams;
  params->setMaxThreads(kThreads);
  params->setMaxQueued(kQueued);
  // The last thread of a server stays, and looks this often whether something waits.
  params->setThreadIdleTime(Poco::Timespan(30, 0));
  params->setTimeout(Poco::Timespan(kHeaderDeadline.count(), 0));
  params->setKeepAliveTimeout(Poco::Timespan(kHeaderDeadline.count(), 0));
  params->setMaxKeepAliveRequests(0);
  for (const Poco::Net::ServerSocket& socket : sockets_of(wanted, state_->tls)) {
    state_->addresses.push_back(address_of(socket));
    state_->servers.push_back(std::make_unique<Poco::Net::TCPServer>(
        new ConnectionFactory<State>(*state_, params), state_->threads, socket, params));
  }
  for (const auto& server : state_->servers) server->start();
}

Server::~Server() {
  for (const auto& server : state_->servers) {
    wake_acceptor(server->socket());
    server->stop();
  }
  state_->connections.close_all();
  state_->threads.joinAll();
  const ServerOptions options = *state_->options();
  if (options.inherited.empty() && !options.socket.empty()) ::unlink(options.socket.c_str());
}

std::function<void()> Server::prepare(const ServerOptions& options) {
  ServerOptions wanted = options;
  const auto before = state_->options();
  wanted.address = before->address;
  wanted.port = before->port;
  wanted.socket = before->socket;
  wanted.inherited = before->inherited;
  wanted.database = before->database;
  return [this, wanted, context = load_tls(wanted.tls)] {
    state_->tls->set(context);
    state_->set_options(wanted);
  };
}

int Server::port() const { return state_->addresses.front().port; }

std::string Server::url() const {
  const ListenAddress& first = state_->addresses.front();
  if (first.address.empty()) return "unix:" + first.path;
  const bool tls = !state_->options()->tls.certificate.empty();
  return fmt::format("{}://{}:{}", tls ? "https" : "http", core::bracketed(first.address),
                     first.port);
}

}  // namespace usaged::web
