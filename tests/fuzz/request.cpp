// Bytes at the server's socket: each answer is one, and it goes on answering.
#include <Poco/Net/StreamSocket.h>

#include "fuzz/fuzz.h"
#include "store/store.h"
#include "support/raw_http.h"
#include "support/temp_folder.h"
#include "support/usage.h"
#include "web/server.h"

using namespace usaged;

namespace {

constexpr core::Time kNow = core::from_unix(1772366400);

class Served {
 public:
  Served() {
    const auto id = store_.begin_poll("t", "eu-west-1", kNow, core::kHour, kNow);
    store_.finish_poll(id, {{support::usage("111111111111", "EC2_INSTANCE_HOURS", 2, 3)}, {}},
                       {kNow, core::Outcome::kOk, 1, 1, "", ""});
    web::ServerOptions options;
    options.anonymous = core::Access::kRead;  // who writes has a token, which no input has
    options.database = store_.path();
    server_ = std::make_unique<web::Server>(
        options,
        web::ServerWorld{[] { return kNow; }, [] { return std::string(); },
                         web::Actors{&store_, [] { fuzz::require(false); },
                                     [](const auto&) {
                                       fuzz::require(false);
                                       return std::vector<std::pair<std::string, std::string>>{};
                                     },
                                     [] { fuzz::require(false); }},
                         [] { return std::vector<core::Rule>{}; }, [](const web::Request&) {}},
        counters_);
  }
  int port() const { return server_->port(); }

 private:
  support::TempFolder folder_;
  store::Store store_{folder_.path("u.db")};
  web::Counters counters_;
  std::unique_ptr<web::Server> server_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Served served;
  const std::string reply = support::raw_http(served.port(), fuzz::text_of(data, size), true);
  fuzz::require(reply.empty() || reply.starts_with("HTTP/1."));
  static int count = 0;
  if (++count % 1000 == 0) {
    fuzz::require(support::get(served.port(), "/-/healthy").find("healthy") != std::string::npos);
  }
  return 0;
}
