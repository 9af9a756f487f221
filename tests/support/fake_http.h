#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "net/http.h"

namespace usaged::support {

// Answers from a list and keeps what it was asked. After the list's end the last answer repeats.
struct FakeHttp : net::HttpClient {
  std::deque<net::HttpReply> replies;
  std::vector<net::HttpRequest> requests;

  net::HttpReply send(const net::HttpRequest& request) override {
    requests.push_back(request);
    net::HttpReply reply = replies.front();
    if (replies.size() > 1) replies.pop_front();
    return reply;
  }

  static net::HttpReply answer(int status, std::string body,
                               std::multimap<std::string, std::string> headers = {}) {
    net::HttpReply reply;
    reply.status = status;
    reply.body = std::move(body);
    reply.headers = std::move(headers);
    return reply;
  }
  static net::HttpReply broken(net::TransportFailure failure) {
    net::HttpReply reply;
    reply.failure = failure;
    reply.failure_text = "broken";
    return reply;
  }
};

}  // namespace usaged::support
