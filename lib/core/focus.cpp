#include "core/focus.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/csv.h"
#include "core/text.h"
#include "core/usage.h"

namespace usaged::core {
namespace {

using Json = nlohmann::ordered_json;

std::string day_text(std::chrono::sys_days day) { return format_time(Time{day}); }

// FOCUS wants units capitalised and in plural (its "Unit Format").
std::string unit_text(std::string_view usage_type) {
  switch (unit_of(usage_type)) {
    case Unit::kHours:
      return "Hours";
    case Unit::kScans:
      return "Scans";
    case Unit::kUnits:
      break;
  }
  return "Units";
}

Json focus_row(const Charge& charge, const std::string& billing_account) {
  const std::chrono::sys_days day{std::chrono::days{charge.day}};
  const std::chrono::year_month_day date{day};
  const std::chrono::year_month month = date.year() / date.month();
  const Json usage = charge.usage ? Json(*charge.usage) : Json(nullptr);
  const std::string unit = unit_text(charge.usage_type);
  const bool own = billing_account.empty();
  const Json name = charge.account_name.empty() ? Json(nullptr) : Json(charge.account_name);
  return {
      {"BilledCost", charge.cost},
      {"BillingAccountId", own ? charge.account : billing_account},
      {"BillingAccountName", own ? name : Json(nullptr)},
      {"BillingCurrency", charge.currency},
      {"BillingPeriodEnd", day_text(std::chrono::sys_days{(month + std::chrono::months{1}) / 1})},
      {"BillingPeriodStart", day_text(std::chrono::sys_days{month / 1})},
      {"ChargeCategory", "Usage"},
      {"ChargeClass", nullptr},
      {"ChargeDescription",
       fmt::format("Amazon Inspector {} in {}, estimated", charge.usage_type, charge.region)},
      {"ChargePeriodEnd", day_text(day + std::chrono::days{1})},
      {"ChargePeriodStart", day_text(day)},
      {"ContractedCost", charge.cost},
      {"EffectiveCost", charge.cost},
      {"InvoiceIssuerName", "Amazon Web Services"},
      {"ListCost", charge.cost},
      {"PricingQuantity", usage},
      {"PricingUnit", usage.is_null() ? Json(nullptr) : Json(unit)},
      {"ProviderName", "Amazon Web Services"},
      {"PublisherName", "Amazon Web Services"},
      {"ServiceCategory", "Security"},
      {"ServiceName", "Amazon Inspector"},
      {"ConsumedQuantity", usage},
      {"ConsumedUnit", usage.is_null() ? Json(nullptr) : Json(unit)},
      {"RegionId", charge.region},
      {"RegionName", charge.region},
      {"ServiceSubcategory", "Security Posture Management"},
      {"SubAccountId", charge.account},
      {"SubAccountName", name},
      {"Tags", charge.tags},
      {"x_Estimate", true},
      {"x_EstimateTag", charge.tag},
      {"x_CostLow", charge.cost_low},
      {"x_CostHigh", charge.cost_high ? Json(*charge.cost_high) : Json(nullptr)},
      {"x_UsageType", charge.usage_type},
      {"x_CloudProvider", charge.provider.empty() ? Json(nullptr) : Json(charge.provider)},
  };
}

std::string text_of(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::vector<std::string> focus_columns() {
  static const std::vector<std::string> kColumns = [] {
    std::vector<std::string> names;
    const Json row = focus_row(Charge{}, "");
    for (const auto& [name, value] : row.items()) names.push_back(name);
    return names;
  }();
  return kColumns;
}

std::string focus_header() { return join(focus_columns(), ",") + "\r\n"; }

std::string focus_csv(const Charge& charge, const std::string& billing_account) {
  std::vector<std::string> cells;
  const Json row = focus_row(charge, billing_account);
  for (const auto& [name, value] : row.items()) {
    cells.push_back(value.is_null()     ? ""
                    : value.is_string() ? csv_cell(value.get<std::string>())
                    : value.is_object() ? csv_cell(text_of(value))
                                        : text_of(value));
  }
  return join(cells, ",") + "\r\n";
}

std::string focus_ndjson(const Charge& charge, const std::string& billing_account) {
  return text_of(focus_row(charge, billing_account)) + "\n";
}

}  // namespace usaged::core
