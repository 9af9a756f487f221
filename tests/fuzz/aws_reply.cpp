// A page of ListUsageTotals, a reply of BatchGetFreeTrialInfo, and errors of any service. The first
// byte says which.
#include <cmath>

#include "fuzz/fuzz.h"
#include "net/inspector.h"

using namespace usaged;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text = fuzz::text_of(data + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      fuzz::accepted([&] {
        for (const core::UsageTotal& one : net::parse_usage_page(text).totals) {
          fuzz::require(!one.total || std::isfinite(*one.total));
          fuzz::require(!one.cost || std::isfinite(*one.cost));
        }
      });
      break;
    case 1:
      fuzz::accepted([&] { net::parse_trial_reply(text); });
      break;
    default: {
      net::HttpReply reply;
      reply.status = 400;
      reply.headers.emplace("x-amzn-errortype", text.substr(0, text.find('\n')));
      reply.body = text;
      const net::ServiceError error = net::parse_service_error(reply);
      fuzz::require(net::one_line(error.message).size() <= 310);
    }
  }
  return 0;
}
