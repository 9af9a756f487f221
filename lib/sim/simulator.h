#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/time.h"
#include "net/sigv4.h"
#include "sim/faults.h"
#include "sim/identity.h"
#include "sim/inspector.h"
#include "sim/organization.h"
#include "sim/sns.h"
#include "sim/sts.h"

namespace Poco {
class ThreadPool;
namespace Net {
class HTTPServer;
}
}  // namespace Poco

namespace usaged::sim {

// A message that arrived at the simulator's webhook receiver.
struct ReceivedWebhook {
  std::string id;         // header webhook-id
  std::string timestamp;  // header webhook-timestamp
  std::string signature;  // header webhook-signature
  std::string body;
};

struct SimulatorOptions {
  std::string address = "127.0.0.1";
  int port = 0;  // 0: any free one
  OrganizationSpec organization;
  net::sigv4::Credentials credentials{"AKIASIMULATOR", "simulator-secret", ""};
  StsOptions sts;
  std::string container_token;       // the Authorization that the container's keys take; empty: any
  std::optional<std::string> reply;  // sent to every good request as it stands
  std::vector<Fault> faults;
  // The time of the data. May be frozen, and moved by PUT /simulator/clock.
  std::function<core::Time()> now;
  // The time that signatures are checked against, and by how much AWS's clock differs from it.
  std::function<core::Time()> signing_now;
  core::Seconds clock_skew{0};
};

// A simulated AWS that speaks the real protocols, at one address for all services and regions (the
// signature's scope says which): Amazon Inspector's ListUsageTotals and BatchGetFreeTrialInfo, STS,
// Organizations' ListAccounts, the instance metadata service below /latest/, a container's
// credentials below /v2/credentials/, and beside them
//   GET  /simulator/clock     the data's time;  PUT with a time as body sets it
//   GET  /simulator/labels    spikes and bursts, ?start=&end=
//   GET  /simulator/published what SNS was given to publish
//   GET  /simulator/requests  how many came, by service
//   GET  /simulator/webhooks  what arrived at POST /webhook
class Simulator {
 public:
  // Listens at once. Throws Error(kUnavailable) if the address is taken.
  explicit Simulator(SimulatorOptions options);
  ~Simulator();
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  int port() const;
  std::string url() const;  // http://127.0.0.1:PORT

  // From now on the data's time stands still at t.
  void freeze(core::Time t);
  core::Time now() const;

  const Organization& organization() const { return organization_; }
  std::vector<ReceivedWebhook> webhooks() const;
  // Requests to a service so far, good and bad: "inspector2" (ListUsageTotals), "trials", "sts",
  // "organizations".
  std::int64_t requests(const std::string& service = "inspector2") const;

 private:
  friend class SimulatorHandler;

  void count(const std::string& service);

  SimulatorOptions options_;
  Organization organization_;
  FaultPlan faults_;
  Identities identities_;
  Inspector inspector_;
  Sts sts_;
  Sns sns_;
  mutable std::mutex mutex_;
  std::optional<core::Time> frozen_;
  std::vector<ReceivedWebhook> webhooks_;
  std::map<std::string, std::int64_t> requests_;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Poco::ThreadPool> threads_;
  std::unique_ptr<Poco::Net::HTTPServer> server_;
};

}  // namespace usaged::sim
