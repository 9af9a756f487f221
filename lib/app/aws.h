#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "app/clock.h"
#include "core/config.h"
#include "net/aws.h"
#include "net/credential_cache.h"
#include "net/credentials.h"
#include "net/environment.h"
#include "net/http.h"
#include "net/retry.h"

namespace usaged::app {

// Everything that asking AWS shares between polls: connections, credentials, what may be spent on
// retries, and how wrong the clock is. Safe for every thread.
class Aws {
 public:
  struct World {
    const core::Config& config;
    const Clock& clock;
    Stop& stop;
    net::Environment environment;
  };

  // Throws Error(kConfig) if the environment asks for what can't be.
  explicit Aws(World world);

  // A connection, lent until the lease ends. For one thread.
  class Lease {
   public:
    Lease(Aws& aws, std::unique_ptr<net::HttpClient> http) : aws_(&aws), http_(std::move(http)) {}
    ~Lease() { aws_->give_back(std::move(http_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    net::HttpClient& http() const { return *http_; }

   private:
    Aws* aws_;
    std::unique_ptr<net::HttpClient> http_;
  };
  Lease connect();

  // As whom, where and how long to ask.
  struct Call {
    const core::Target& target;
    std::string region;
    std::string account{};  // whose role, if there is one for each
    bool base = false;      // without the role: as whoever assumes it
    bool retry = true;
    std::chrono::steady_clock::time_point deadline{};
  };
  // A client of "inspector2", "sts" or "organizations". It must not outlive the lease.
  net::AwsClient client(const std::string& service, const Call& call, const Lease& lease);

  // The credentials of a call, from the cache or anew. Throws Error.
  net::FoundCredentials credentials(const Call& call, const Lease& lease,
                                    const net::sigv4::Credentials* rejected = nullptr);

  // When a job that begins now has to be over.
  std::chrono::steady_clock::time_point deadline() const;

 private:
  std::unique_ptr<net::HttpClient> take();
  void give_back(std::unique_ptr<net::HttpClient> http);
  net::RetryQuota& quota(const std::string& identity, const std::string& region);
  net::AwsClient make_client(const net::AwsEndpoint& endpoint, const Call& call, const Lease& lease,
                             net::Signer signer);
  net::CredentialWorld credential_world(const Call& call, const Lease& lease);

  World world_;
  int attempts_;
  net::ClockSkews skews_;
  net::CredentialCache cache_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<net::HttpClient>> idle_;
  std::map<std::pair<std::string, std::string>, net::RetryQuota> quotas_;
};

}  // namespace usaged::app
