#include "sim/inspector.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/error.h"
#include "core/text.h"

namespace usaged::sim {
namespace {

using json = nlohmann::ordered_json;

constexpr int kMostResults = 500;
constexpr int kDefaultResults = 100;
constexpr std::size_t kMostAccountIds = 7000;
constexpr std::size_t kMostTrialAccountIds = 100;

Refusal validation(std::string message, std::string reason, std::vector<FieldError> fields = {}) {
  return {400, "ValidationException", std::move(message), std::move(reason), std::move(fields), {}};
}

// The members of a request; what is wrong with their values is collected, in the words of AWS's
// validation.
class Members {
 public:
  explicit Members(const std::string& body)
      : parsed_(body.empty() ? json::object() : json::parse(body, nullptr, false)) {
    if (!parsed_.is_object()) {
      throw validation("The request body is not a JSON object", "CANNOT_PARSE");
    }
  }

  // nullptr if it is absent or null.
  const json* find(const char* name) const {
    const auto found = parsed_.find(name);
    return found == parsed_.end() || found->is_null() ? nullptr : &*found;
  }

  static Refusal wrong_type(const std::string& name, const std::string& wanted) {
    return validation(fmt::format("'{}' must be {}", name, wanted), "CANNOT_PARSE",
                      {{name, "must be " + wanted}});
  }

  void check(bool good, const std::string& name, const std::string& value,
             const std::string& constraint) {
    if (good) return;
    const std::string shown = value.empty() ? "Value" : fmt::format("Value '{}'", value);
    errors_.push_back({name, fmt::format("{} at '{}' failed to satisfy constraint: {}", shown, name,
                                         constraint)});
  }

  std::vector<std::string> account_ids(std::size_t most) {
    std::vector<std::string> result;
    const json* ids = find("accountIds");
    if (ids == nullptr) return result;
    if (!ids->is_array()) throw wrong_type("accountIds", "a list of strings");
    check(!ids->empty(), "accountIds", "", "Member must have length greater than or equal to 1");
    check(ids->size() <= most, "accountIds", "",
          fmt::format("Member must have length less than or equal to {}", most));
    for (std::size_t i = 0; i < ids->size(); ++i) {
      const json& id = (*ids)[i];
      const std::string name = fmt::format("accountIds.{}.member", i + 1);
      if (!id.is_string()) throw wrong_type(name, "a string");
      const auto text = id.get<std::string>();
      check(core::is_account_id(text), name, text,
            "Member must satisfy regular expression pattern: [0-9]{12}");
      result.push_back(text);
    }
    return result;
  }

  // Throws a Refusal if anything was wrong.
  void finish() const {
    if (errors_.empty()) return;
    std::vector<std::string> messages;
    for (const FieldError& error : errors_) messages.push_back(error.message);
    throw validation(fmt::format("{} validation error{} detected: {}", errors_.size(),
                                 errors_.size() == 1 ? "" : "s", core::join(messages, "; ")),
                     "FIELD_VALIDATION_FAILED", errors_);
  }

 private:
  json parsed_;
  std::vector<FieldError> errors_;
};

json usage_json(const core::UsageTotal& total) {
  return {{"cloudProvider", total.provider},
          {"currency", total.currency},
          {"estimatedMonthlyCost", total.cost ? json(*total.cost) : json(nullptr)},
          {"total", total.total ? json(*total.total) : json(nullptr)},
          {"type", total.type}};
}

bool meets(const std::vector<Fault>& faults, FaultKind kind) {
  return std::ranges::any_of(faults, [kind](const Fault& fault) { return fault.kind == kind; });
}

void spoil(json& usage, const std::vector<Fault>& faults) {
  if (usage.empty()) return;
  if (meets(faults, FaultKind::kUnknownType)) {
    usage.push_back({{"cloudProvider", "AWS"},
                     {"currency", "USD"},
                     {"estimatedMonthlyCost", 1.5},
                     {"total", 3.0},
                     {"type", "SIMULATED_FUTURE_THING"}});
  }
  if (meets(faults, FaultKind::kNullMembers)) {
    usage[0]["estimatedMonthlyCost"] = nullptr;
    usage[0].erase("cloudProvider");
    if (usage.size() > 1) usage[1].erase("total");
  }
}

}  // namespace

// The members of ListUsageTotals.
struct Inspector::Question {
  std::vector<std::string> account_ids;  // empty: all
  int max_results = kDefaultResults;
  std::string next_token;

  static Question parse(const std::string& body) {
    Members members(body);
    Question question;
    question.account_ids = members.account_ids(kMostAccountIds);
    if (const json* most = members.find("maxResults")) {
      if (!most->is_number_integer()) throw Members::wrong_type("maxResults", "an integer");
      const bool positive = !most->is_number_unsigned() ? most->get<std::int64_t>() >= 1
                                                        : most->get<std::uint64_t>() >= 1;
      const bool small = !most->is_number_unsigned() || most->get<std::uint64_t>() <= kMostResults;
      members.check(positive, "maxResults", most->dump(),
                    "Member must have value greater than or equal to 1");
      members.check(small, "maxResults", most->dump(),
                    "Member must have value less than or equal to 500");
      if (positive && small) question.max_results = most->get<int>();
    }
    if (const json* token = members.find("nextToken")) {
      if (!token->is_string()) throw Members::wrong_type("nextToken", "a string");
      question.next_token = token->get<std::string>();
      members.check(!question.next_token.empty(), "nextToken", "",
                    "Member must have length greater than or equal to 1");
    }
    members.finish();
    return question;
  }
};

bool Inspector::sees(const Caller& caller, int account, core::Time now) const {
  if (!organization_.is_member(account, now)) return false;
  return caller.administrator() ||
         organization_.account_ids().at(static_cast<std::size_t>(account)) == caller.account;
}

// What a token is bound to: who asks, the region, and the accounts that were asked for.
std::string Inspector::token_for(const Caller& caller, const Question& asked, std::size_t offset,
                                 std::size_t skip) const {
  const std::string place = fmt::format("{}:{}", offset, skip);
  const std::string bound = place + "\n" + caller.account + "\n" + caller.region + "\n" +
                            core::join(asked.account_ids, ",");
  return core::base64(place + ":" + core::hmac_sha256(secret_, bound));
}

// Where a page begins: the account, and how many of its types the page before had.
std::pair<std::size_t, std::size_t> Inspector::start_of(const Caller& caller,
                                                        const Question& asked) const {
  if (asked.next_token.empty()) return {0, 0};
  std::size_t offset = 0;
  std::size_t skip = 0;
  bool good = false;
  try {
    const auto parts = core::split(core::base64_decode(asked.next_token), ':');
    offset = std::stoul(parts.at(0));
    skip = std::stoul(parts.at(1));
    good = core::equal_constant_time(asked.next_token, token_for(caller, asked, offset, skip));
  } catch (const std::exception&) {
    good = false;
  }
  if (!good) {
    const std::string message = "Invalid nextToken: it belongs to no request like this one";
    throw validation(message, "OTHER", {{"nextToken", message}});
  }
  return {offset, skip};
}

Reply Inspector::list_usage_totals(const Caller& caller, const Request& request,
                                   const std::vector<Fault>& faults, core::Time now) const {
  const Question asked = Question::parse(request.body);
  if (fixed_reply_) return {*fixed_reply_};
  std::vector<int> accounts;
  if (asked.account_ids.empty()) {
    for (int i = 0; i < static_cast<int>(organization_.account_ids().size()); ++i) {
      if (sees(caller, i, now)) accounts.push_back(i);
    }
  } else {
    std::unordered_set<int> seen;
    for (const std::string& id : asked.account_ids) {
      const auto index = organization_.find(id);
      if (index && sees(caller, *index, now) && seen.insert(*index).second) {
        accounts.push_back(*index);
      }
    }
  }
  const auto [offset, skip] = start_of(caller, asked);
  const std::size_t end =
      std::min(accounts.size(), offset + static_cast<std::size_t>(asked.max_results));
  json totals = json::array();
  std::size_t next_offset = end;
  std::size_t next_skip = 0;
  for (std::size_t i = offset; i < end; ++i) {
    json usage = json::array();
    const auto all = organization_.totals(accounts[i], caller.region, now);
    const std::size_t first = i == offset ? std::min(skip, all.size()) : 0;
    std::size_t last = all.size();
    if (i + 1 == end && i + 1 < accounts.size() && meets(faults, FaultKind::kStraddle) &&
        first == 0 && last > 1) {
      last = all.size() / 2;
      next_offset = i;
      next_skip = last;
    }
    for (std::size_t k = first; k < last; ++k) usage.push_back(usage_json(all[k]));
    spoil(usage, faults);
    totals.push_back(
        {{"accountId", organization_.account_ids().at(static_cast<std::size_t>(accounts[i]))},
         {"usage", usage}});
  }
  json reply{{"totals", totals}};
  if (meets(faults, FaultKind::kRepeatedToken)) {
    reply["nextToken"] = token_for(caller, asked, offset, skip);
  } else if (next_offset < accounts.size()) {
    reply["nextToken"] = token_for(caller, asked, next_offset, next_skip);
  }
  return {reply.dump()};
}

Reply Inspector::batch_get_free_trial_info(const Caller& caller, const Request& request,
                                           core::Time now) const {
  constexpr std::array<const char*, 5> kTypes{"EC2", "ECR", "LAMBDA", "LAMBDA_CODE",
                                              "CODE_REPOSITORY"};
  Members members(request.body);
  members.check(members.find("accountIds") != nullptr, "accountIds", "", "Member must not be null");
  const auto ids = members.account_ids(kMostTrialAccountIds);
  members.finish();
  json accounts = json::array();
  json failed = json::array();
  for (const std::string& id : ids) {
    const auto index = organization_.find(id);
    if (!index || !sees(caller, *index, now)) {
      failed.push_back({{"accountId", id},
                        {"code", "ACCESS_DENIED"},
                        {"message", "The account is no member of this administrator"}});
      continue;
    }
    const Trial trial = organization_.trial(*index);
    json infos = json::array();
    for (const char* type : kTypes) {
      infos.push_back({{"end", core::unix_seconds(trial.end)},
                       {"start", core::unix_seconds(trial.start)},
                       {"status", now < trial.end ? "ACTIVE" : "INACTIVE"},
                       {"type", type}});
    }
    accounts.push_back({{"accountId", id}, {"freeTrialInfo", infos}});
  }
  return {json{{"accounts", accounts}, {"failedAccounts", failed}}.dump()};
}

}  // namespace usaged::sim
