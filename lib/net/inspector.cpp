#include "net/inspector.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <unordered_set>

#include "core/error.h"
#include "core/text.h"

namespace usaged::net {
namespace {

using core::Error;
using core::ErrorCode;
using core::Outcome;

// A JSON member: absent and null are the same.
std::optional<std::string> text_member(simdjson::dom::object object, std::string_view key) {
  const auto found = object[key];
  if (found.error() != simdjson::SUCCESS || found.value_unsafe().is_null()) return std::nullopt;
  std::string_view text;
  if (found.get(text) != simdjson::SUCCESS) {
    throw Error(ErrorCode::kRemote, "`{}` is not a text", key);
  }
  return std::string(text);
}

std::optional<double> number_member(simdjson::dom::object object, std::string_view key) {
  const auto found = object[key];
  if (found.error() != simdjson::SUCCESS || found.value_unsafe().is_null()) return std::nullopt;
  double number = 0;
  if (found.get(number) != simdjson::SUCCESS || !std::isfinite(number)) {
    throw Error(ErrorCode::kRemote, "`{}` is not a number", key);
  }
  return number;
}

std::optional<simdjson::dom::array> array_member(simdjson::dom::object object,
                                                 std::string_view key) {
  const auto found = object[key];
  if (found.error() != simdjson::SUCCESS || found.value_unsafe().is_null()) return std::nullopt;
  simdjson::dom::array array;
  if (found.get(array) != simdjson::SUCCESS) {
    throw Error(ErrorCode::kRemote, "`{}` is not a list", key);
  }
  return array;
}

// A time in seconds since the epoch.
std::optional<core::Time> time_member(simdjson::dom::object object, std::string_view key) {
  const auto seconds = number_member(object, key);
  if (!seconds) return std::nullopt;
  constexpr double kMost = 253402300799;  // the end of the year 9999
  if (*seconds < 0 || *seconds > kMost) throw Error(ErrorCode::kRemote, "`{}` is no time", key);
  return core::from_unix(static_cast<std::int64_t>(*seconds));
}

simdjson::dom::object parse_object(simdjson::dom::parser& parser, const std::string& body) {
  simdjson::dom::object root;
  const auto error = parser.parse(body).get(root);
  if (error != simdjson::SUCCESS) {
    throw Error(ErrorCode::kRemote, "the reply is not a JSON object: {}",
                simdjson::error_message(error));
  }
  return root;
}

// The objects of a list; none if it is absent or null.
// The parser, which threads have in turn: it needs more than ten times the memory of a page, and to
// get that from the system anew takes longer than to fill it. A page is read in a few milliseconds.
class SharedParser {
 public:
  SharedParser() : shared_(shared()), lock_(shared_.mutex) {}
  ~SharedParser() {
    if (shared_.parser.capacity() > kMostKept) shared_.parser = simdjson::dom::parser();
  }
  SharedParser(const SharedParser&) = delete;
  SharedParser& operator=(const SharedParser&) = delete;

  simdjson::dom::object parse(const std::string& body) {
    return parse_object(shared_.parser, body);
  }

 private:
  static constexpr std::size_t kMostKept = 1 << 20;  // bytes of a page

  struct Shared {
    std::mutex mutex;
    simdjson::dom::parser parser;
  };
  static Shared& shared() {
    static Shared shared;
    return shared;
  }

  Shared& shared_;
  std::lock_guard<std::mutex> lock_;
};

std::vector<simdjson::dom::object> objects(simdjson::dom::object parent, std::string_view key) {
  std::vector<simdjson::dom::object> result;
  const auto items = array_member(parent, key);
  if (!items) return result;
  for (const simdjson::dom::element item : *items) {
    simdjson::dom::object object;
    if (item.get(object) != simdjson::SUCCESS) {
      throw Error(ErrorCode::kRemote, "an item of `{}` is not an object", key);
    }
    result.push_back(object);
  }
  return result;
}

std::string account_id(simdjson::dom::object object, std::string_view list) {
  std::string id = text_member(object, "accountId").value_or("");
  if (!core::is_account_id(id)) {
    throw Error(ErrorCode::kRemote, "an item of `{}` has {} as `accountId`", list,
                id.empty() ? "nothing" : "'" + one_line(id) + "'");
  }
  return id;
}

auto series_of(const core::UsageTotal& total) {
  return std::tie(total.account, total.type, total.provider, total.currency);
}

// Each series once, in order. The later of two that differ counts: it is the newer answer.
void merge(UsageReply& reply) {
  std::vector<core::UsageTotal>& totals = reply.totals;
  // Sorting takes half as much memory again, and many replies may be under way.
  if (!std::ranges::is_sorted(totals, {}, series_of)) {
    std::ranges::stable_sort(totals, {}, series_of);
  }
  auto last = totals.begin();
  for (auto next = last; next != totals.end(); ++next) {
    if (next == totals.begin()) continue;
    const bool twice = series_of(*last) == series_of(*next);
    if (twice && (last->total != next->total || last->cost != next->cost)) {
      reply.warnings.push_back(fmt::format("account {}: {} came twice with different numbers",
                                           next->account, next->type));
    }
    if (!twice) ++last;
    if (last != next) *last = std::move(*next);
  }
  if (!totals.empty()) totals.erase(std::next(last), totals.end());
}

}  // namespace

UsagePage parse_usage_page(const std::string& body) {
  SharedParser parser;
  const simdjson::dom::object root = parser.parse(body);
  UsagePage page;
  page.next_token = text_member(root, "nextToken").value_or("");
  for (const simdjson::dom::object account : objects(root, "totals")) {
    const std::string id = account_id(account, "totals");
    page.accounts.push_back(id);
    for (const simdjson::dom::object usage : objects(account, "usage")) {
      core::UsageTotal total;
      total.account = id;
      total.type = text_member(usage, "type").value_or("");
      total.provider = text_member(usage, "cloudProvider").value_or("");
      total.currency = text_member(usage, "currency").value_or("");
      total.total = number_member(usage, "total");
      total.cost = number_member(usage, "estimatedMonthlyCost");
      page.totals.push_back(std::move(total));
    }
  }
  return page;
}

void probe_usage_totals(AwsClient& client, CallStats& stats) {
  const std::string body = client.call(
      {"/usage/list", {{"Content-Type", "application/json"}}, R"({"maxResults":1})"}, stats);
  try {
    parse_usage_page(body);
  } catch (const Error& e) {
    throw AwsError(Outcome::kMalformed, fmt::format("{} ({}, request {})", e.what(),
                                                    client.endpoint().region, stats.request_id));
  }
}

UsageReply list_usage_totals(AwsClient& client, const std::vector<std::string>& accounts,
                             CallStats& stats, int page_size) {
  const std::string& region = client.endpoint().region;
  UsageReply reply;
  std::set<std::string> returned;
  std::vector<std::vector<core::UsageTotal>> pages;
  std::size_t first = 0;
  do {
    const std::size_t last =
        std::min(accounts.size(), first + static_cast<std::size_t>(kMostAccountIds));
    nlohmann::json request{{"maxResults", page_size}};
    if (!accounts.empty()) {
      request["accountIds"] =
          std::vector<std::string>(accounts.begin() + static_cast<std::ptrdiff_t>(first),
                                   accounts.begin() + static_cast<std::ptrdiff_t>(last));
    }
    std::unordered_set<std::string> tokens;
    while (true) {
      const std::string body = client.call(
          {"/usage/list", {{"Content-Type", "application/json"}}, request.dump()}, stats);
      UsagePage page;
      try {
        page = parse_usage_page(body);
      } catch (const Error& e) {
        throw AwsError(Outcome::kMalformed, fmt::format("{} ({}, request {}, page {})", e.what(),
                                                        region, stats.request_id, stats.pages + 1));
      }
      ++stats.pages;
      pages.push_back(std::move(page.totals));
      std::ranges::move(page.accounts, std::inserter(returned, returned.end()));
      if (page.next_token.empty()) break;
      if (!tokens.insert(page.next_token).second) {
        throw AwsError(Outcome::kMalformed,
                       fmt::format("the same nextToken came twice ({}, request {}, page {})",
                                   region, stats.request_id, stats.pages));
      }
      request["nextToken"] = page.next_token;
    }
    first = last;
  } while (first < accounts.size());

  // One piece of the right size: a vector that grows would take twice as much.
  std::size_t count = 0;
  for (const auto& page : pages) count += page.size();
  reply.totals.reserve(count);
  for (auto& page : pages) {
    std::ranges::move(page, std::back_inserter(reply.totals));
    page = {};
  }
  merge(reply);
  for (const std::string& account : accounts) {
    if (!returned.contains(account)) reply.missing.push_back(account);
  }
  reply.accounts.assign(returned.begin(), returned.end());
  return reply;
}

TrialReply parse_trial_reply(const std::string& body) {
  SharedParser parser;
  const simdjson::dom::object root = parser.parse(body);
  TrialReply reply;
  for (const simdjson::dom::object account : objects(root, "accounts")) {
    const std::string id = account_id(account, "accounts");
    for (const simdjson::dom::object info : objects(account, "freeTrialInfo")) {
      core::FreeTrial trial;
      trial.account = id;
      trial.type = text_member(info, "type").value_or("");
      trial.status = text_member(info, "status").value_or("");
      trial.start = time_member(info, "start");
      trial.end = time_member(info, "end");
      reply.trials.push_back(std::move(trial));
    }
  }
  for (const simdjson::dom::object failure : objects(root, "failedAccounts")) {
    reply.failures.push_back({account_id(failure, "failedAccounts"),
                              one_line(text_member(failure, "code").value_or("")),
                              one_line(text_member(failure, "message").value_or(""))});
  }
  return reply;
}

TrialReply batch_get_free_trial_info(AwsClient& client, const std::vector<std::string>& accounts,
                                     CallStats& stats) {
  constexpr auto kMost = static_cast<std::size_t>(kMostTrialAccountIds);
  TrialReply all;
  for (std::size_t first = 0; first < accounts.size(); first += kMost) {
    const std::size_t last = std::min(accounts.size(), first + kMost);
    const nlohmann::json request{
        {"accountIds",
         std::vector<std::string>(accounts.begin() + static_cast<std::ptrdiff_t>(first),
                                  accounts.begin() + static_cast<std::ptrdiff_t>(last))}};
    const std::string body = client.call(
        {"/freetrialinfo/batchget", {{"Content-Type", "application/json"}}, request.dump()}, stats);
    try {
      TrialReply reply = parse_trial_reply(body);
      std::ranges::move(reply.trials, std::back_inserter(all.trials));
      std::ranges::move(reply.failures, std::back_inserter(all.failures));
    } catch (const Error& e) {
      throw AwsError(Outcome::kMalformed, fmt::format("{} ({}, request {})", e.what(),
                                                      client.endpoint().region, stats.request_id));
    }
  }
  return all;
}

}  // namespace usaged::net
