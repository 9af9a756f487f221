#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/access.h"
#include "core/config.h"
#include "core/time.h"
#include "store/reader.h"
#include "web/actions.h"
#include "web/listener.h"
#include "web/metrics.h"

namespace usaged::web {

struct ServerOptions {
  std::string address = "127.0.0.1";
  int port = 0;        // 0: any free one
  std::string socket;  // a path to listen at too; empty: none
  // Sockets that listen already, instead of all of those; the server closes them.
  std::vector<int> inherited;
  TlsFiles tls;
  // Hosts that requests may name beside localhost and the loopback addresses; in lower case.
  std::vector<std::string> allowed_hosts;
  int max_requests = 16;  // at work at a time; more are told 503
  std::vector<core::Token> tokens;
  core::Access anonymous = core::Access::kWrite;  // what a request without a token may do
  std::vector<core::Peer> peers;                  // who may do more at a unix socket
  std::string database;
};

// What became of a request, for the access log.
struct Request {
  std::string id;  // X-Request-Id: the client's own, or a new one
  std::string method;
  std::string target;  // at most 500 bytes
  int status = 0;
  std::int64_t bytes = 0;  // of the body as it was sent; of a stream before it is packed
  double seconds = 0;
  std::string from;  // the address, or "unix"
  std::string by;    // "token NAME", "uid NUMBER", or empty
};

// What the server has to ask of the rest of the program.
struct ServerWorld {
  std::function<core::Time()> now;
  // Why the daemon is not ready; empty: it is.
  std::function<std::string()> not_ready;
  Actors actors;
  std::function<std::vector<core::Rule>()> rules = [] { return std::vector<core::Rule>{}; };
  std::function<void(const Request&)> answered = [](const Request&) {};  // by any thread
};

// The HTTP side: listens from construction to destruction. Poco's server takes more than is safe,
// so each request is checked before a handler or a body is touched: whatever two readers could read
// in two ways is refused with 400 and its connection closed; only a POST to an address that takes
// one has a body, of JSON and a length that it says, which is read whole before anything is done;
// what writes must come from no page of another origin; and a header, or a body, that takes longer
// than 15 seconds ends its connection.
class Server {
 public:
  // Throws Error(kUnavailable) if the address is taken, Error(kConfig) for a certificate that is
  // none, or an inherited socket that others reach without TLS and tokens.
  Server(ServerOptions options, ServerWorld world, const Counters& counters);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Reads what the options name, and throws Error(kConfig) if that can't be; the result, when
  // called, goes by them from the next request on. Where it listens, and the database, stay what
  // they are.
  std::function<void()> prepare(const ServerOptions& options);

  // Of the first socket; 0 for a unix socket.
  int port() const;
  // Of the first socket: http://address:port, https://... or unix:PATH.
  std::string url() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace usaged::web
