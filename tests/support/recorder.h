#pragma once

#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerParams.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/StreamCopier.h>
#include <Poco/ThreadPool.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace usaged::support {

// A receiver that keeps what it is sent, and answers as it is told.
class Recorder {
 public:
  struct Answer {
    int status = 200;
    std::map<std::string, std::string> headers;
    std::chrono::milliseconds delay{0};
  };
  struct Request {
    std::string path;
    std::string id;  // webhook-id
    std::string body;
  };

  Recorder() : server_(new Factory(*this), threads_, socket(), params()) { server_.start(); }
  ~Recorder() {
    server_.stopAll(true);
    threads_.joinAll();
  }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
  // The next answers; after them it is 200.
  void answer(const std::vector<Answer>& answers) {
    const std::lock_guard lock(mutex_);
    answers_.assign(answers.begin(), answers.end());
  }
  std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  static Poco::Net::ServerSocket socket() {
    return Poco::Net::ServerSocket(Poco::Net::SocketAddress("127.0.0.1", 0));
  }

  static Poco::Net::HTTPServerParams::Ptr params() {
    Poco::Net::HTTPServerParams::Ptr params = new Poco::Net::HTTPServerParams;
    params->setKeepAlive(false);
    return params;
  }

  struct Handler : Poco::Net::HTTPRequestHandler {
    explicit Handler(Recorder& r) : recorder(r) {}
    void handleRequest(Poco::Net::HTTPServerRequest& request,
                       Poco::Net::HTTPServerResponse& response) override {
      Request one{request.getURI(), request.get("webhook-id", ""), ""};
      Poco::StreamCopier::copyToString(request.stream(), one.body);
      Answer answer;
      {
        const std::lock_guard lock(recorder.mutex_);
        recorder.requests_.push_back(std::move(one));
        if (!recorder.answers_.empty()) {
          answer = recorder.answers_.front();
          recorder.answers_.pop_front();
        }
      }
      std::this_thread::sleep_for(answer.delay);
      response.setStatus(static_cast<Poco::Net::HTTPResponse::HTTPStatus>(answer.status));
      for (const auto& [name, value] : answer.headers) response.set(name, value);
      response.setContentLength(0);
      response.send();
    }
    Recorder& recorder;
  };
  struct Factory : Poco::Net::HTTPRequestHandlerFactory {
    explicit Factory(Recorder& r) : recorder(r) {}
    Poco::Net::HTTPRequestHandler* createRequestHandler(
        const Poco::Net::HTTPServerRequest& /*request*/) override {
      return new Handler(recorder);  // Poco deletes it
    }
    Recorder& recorder;
  };

  mutable std::mutex mutex_;
  std::deque<Answer> answers_;
  std::vector<Request> requests_;
  Poco::ThreadPool threads_;  // of its own, so that none outlives it
  Poco::Net::HTTPServer server_;
};

}  // namespace usaged::support
