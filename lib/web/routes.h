#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/access.h"
#include "core/config.h"
#include "core/error.h"
#include "core/time.h"
#include "store/reader.h"
#include "web/actions.h"
#include "web/metrics.h"
#include "web/query.h"
#include "web/streams.h"

namespace usaged::web {

// What a route's function gets.
struct RouteContext {
  store::ReaderPool& readers;
  const Counters& counters;
  Query& query;
  core::Time now;
  std::string parameter;  // what stands for {...} in the path
  std::string accept;     // its Accept header
  std::string not_ready;  // why the daemon is not ready; empty: it is
  std::string target;     // the path and parameters as they came
  std::string body;       // of a POST
  const Actors& actors;
  const std::function<std::vector<core::Rule>()>& rules;  // of the configuration
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string etag{};   // a weak one, with its quotes; empty: it may not be kept
  std::string link{};   // RFC 8288: where the next page is
  std::string allow{};  // of a 405: the methods that there are
  // Instead of a body: writes it piece by piece. What it throws before the first piece becomes a
  // problem; after that the connection breaks off.
  std::function<void(const Sink&)> stream{};
};

struct Route {
  std::string_view method;  // GET (and HEAD), POST or DELETE
  std::string_view path;    // a segment {...} stands for any text
  Response (*handle)(const RouteContext&);
  bool limited;  // refused with 503 while too many others are at work
};

// What it takes to be let in to a route. The page itself, the API's document and health are for
// everybody, since there is nothing in them.
core::Access needed_access(const Route& route);

// Every address that is answered.
std::span<const Route> routes();

// What is at a decoded path: the route for a method, what stands for its {...}, and the methods
// that there are ("GET, HEAD, POST"); nullptr and "" if there is nothing.
struct Found {
  const Route* route = nullptr;
  std::string parameter;
  std::string allowed;
};
Found find_route(std::string_view method, std::string_view path);

int status_of(core::ErrorCode code);

// An RFC 9457 problem.
Response problem(int status, std::string_view detail);

// What a thing that was thrown tells who asked; call it in a catch block.
Response problem_of_exception();

// Runs the route; what it throws becomes a problem.
Response answer(const Route& route, const RouteContext& context);

}  // namespace usaged::web
