#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/time.h"
#include "store/reader.h"
#include "web/metrics.h"
#include "web/query.h"

namespace usaged::web {

// What a route's function gets.
struct RouteContext {
  store::ReaderPool& readers;
  const Counters& counters;
  Query& query;
  core::Time now;
  std::string parameter;  // what stands for {id} in the path
  bool accepts_csv;       // by its Accept header
  std::string not_ready;  // why the daemon is not ready; empty: it is
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

struct Route {
  std::string_view path;  // a segment {id} stands for any text
  Response (*handle)(const RouteContext&);
  bool limited;  // refused with 503 while too many others are at work
};

// Every address that is answered, with GET and HEAD.
std::span<const Route> routes();

// The route of a decoded path, and what stands for its {id}; nullptr if there is none.
const Route* find_route(std::string_view path, std::string& parameter);

int status_of(core::ErrorCode code);

// An RFC 9457 problem.
Response problem(int status, std::string_view detail);

// Runs the route; what it throws becomes a problem.
Response answer(const Route& route, const RouteContext& context);

}  // namespace usaged::web
