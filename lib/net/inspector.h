#pragma once

#include <string>
#include <vector>

#include "core/trial.h"
#include "core/usage.h"
#include "net/aws.h"

// Amazon Inspector's API, version 2020-06-08.
namespace usaged::net {

// The limits of ListUsageTotals, and of BatchGetFreeTrialInfo.
inline constexpr int kMostAccountIds = 7000;
inline constexpr int kMostResults = 500;
inline constexpr int kMostTrialAccountIds = 100;

// What all pages of all chunks said, merged: each series once.
struct UsageReply {
  std::vector<core::UsageTotal> totals;  // by account, type, provider, currency
  std::vector<std::string> accounts;     // returned, with usage or without; in order
  std::vector<std::string> missing;      // asked for and not returned
  std::vector<std::string> warnings;     // what was odd, but did no harm
};

// One page of a reply. Absent and null members are left empty.
struct UsagePage {
  std::vector<std::string> accounts;  // every one on the page, with usage or without
  std::vector<core::UsageTotal> totals;
  std::string next_token;  // empty: this was the last
};

// Reads a page. Throws Error(kRemote) that says what is wrong with it.
UsagePage parse_usage_page(const std::string& body);

// Asks ListUsageTotals for these accounts; for all that the credentials see if there are none.
// Throws AwsError; `stats` is kept up either way.
UsageReply list_usage_totals(AwsClient& client, const std::vector<std::string>& accounts,
                             CallStats& stats, int page_size = kMostResults);

// Whether ListUsageTotals is allowed: asks for as little as it can be asked for. Throws AwsError.
void probe_usage_totals(AwsClient& client, CallStats& stats);

// An account for which BatchGetFreeTrialInfo could not say.
struct TrialFailure {
  std::string account;
  std::string code;  // "ACCESS_DENIED", "INTERNAL_ERROR"
  std::string message;
};

struct TrialReply {
  std::vector<core::FreeTrial> trials;
  std::vector<TrialFailure> failures;
};

// Reads a reply. Throws Error(kRemote) that says what is wrong with it.
TrialReply parse_trial_reply(const std::string& body);

// Asks BatchGetFreeTrialInfo for these accounts, 100 at a time. Throws AwsError.
TrialReply batch_get_free_trial_info(AwsClient& client, const std::vector<std::string>& accounts,
                                     CallStats& stats);

}  // namespace usaged::net
