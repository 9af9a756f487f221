#include "core/focus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/csv.h"

namespace usaged::core {
namespace {

Charge charge() {
  Charge one;
  one.day = 20544;  // 2026-04-01
  one.account = "111111111111";
  one.account_name = "=shop";
  one.tags = {{"team", "a\"b"}};
  one.region = "eu-west-1";
  one.usage_type = "ECR_RESCAN";
  one.currency = "USD";
  one.cost = 1.25;
  one.cost_low = 1;
  one.tag = "bounded";
  one.usage = 3;
  return one;
}

TEST(Focus, HasTheMandatoryColumnsOfVersion12) {
  const std::vector<std::string> mandatory{
      "BilledCost",        "BillingAccountId",   "BillingAccountName", "BillingCurrency",
      "BillingPeriodEnd",  "BillingPeriodStart", "ChargeCategory",     "ChargeClass",
      "ChargeDescription", "ChargePeriodEnd",    "ChargePeriodStart",  "ContractedCost",
      "EffectiveCost",     "InvoiceIssuerName",  "ListCost",           "PricingQuantity",
      "PricingUnit",       "ProviderName",       "PublisherName",      "ServiceCategory",
      "ServiceName"};
  const std::vector<std::string> columns = focus_columns();
  ASSERT_GE(columns.size(), mandatory.size());
  EXPECT_EQ(std::vector<std::string>(columns.begin(), columns.begin() + 21), mandatory);
  for (const char* own : {"x_Estimate", "x_EstimateTag", "x_CostLow", "x_CostHigh"}) {
    EXPECT_NE(std::find(columns.begin(), columns.end(), own), columns.end()) << own;
  }
}

TEST(Focus, ARowIsADayOfASeries) {
  const auto row = nlohmann::json::parse(focus_ndjson(charge(), ""));
  EXPECT_EQ(row["ChargePeriodStart"], "2026-04-01T00:00:00Z");
  EXPECT_EQ(row["ChargePeriodEnd"], "2026-04-02T00:00:00Z");
  EXPECT_EQ(row["BillingPeriodStart"], "2026-04-01T00:00:00Z");
  EXPECT_EQ(row["BillingPeriodEnd"], "2026-05-01T00:00:00Z");
  for (const char* cost : {"BilledCost", "EffectiveCost", "ListCost", "ContractedCost"}) {
    EXPECT_EQ(row[cost], 1.25) << cost;
  }
  EXPECT_EQ(row["PricingQuantity"], 3);
  EXPECT_EQ(row["PricingUnit"], "Scans");
  EXPECT_EQ(row["BillingAccountId"], "111111111111");
  EXPECT_EQ(row["x_Estimate"], true);
  EXPECT_EQ(row["x_EstimateTag"], "bounded");
  EXPECT_TRUE(row["x_CostHigh"].is_null());
  EXPECT_TRUE(row["ChargeClass"].is_null());
  const auto paid = nlohmann::json::parse(focus_ndjson(charge(), "999999999999"));
  EXPECT_EQ(paid["BillingAccountId"], "999999999999");
  EXPECT_EQ(paid["SubAccountId"], "111111111111");
  EXPECT_TRUE(paid["BillingAccountName"].is_null());
}

TEST(Focus, ItsCsvIsReadBack) {
  std::string line = focus_csv(charge(), "");
  ASSERT_TRUE(line.ends_with("\r\n"));
  const auto cells = csv_cells(line.substr(0, line.size() - 2));
  ASSERT_EQ(cells.size(), focus_columns().size());
  EXPECT_THAT(line, ::testing::HasSubstr(",'=shop,"));  // no formula
  EXPECT_EQ(cells[2], "=shop");
  EXPECT_EQ(cells[7], "");  // null
  EXPECT_EQ(cells[28], R"({"team":"a\"b"})");
}

TEST(Focus, ADecemberEndsInTheNextYear) {
  Charge one = charge();
  one.day = 20818;  // 2026-12-31
  const auto row = nlohmann::json::parse(focus_ndjson(one, ""));
  EXPECT_EQ(row["ChargePeriodEnd"], "2027-01-01T00:00:00Z");
  EXPECT_EQ(row["BillingPeriodEnd"], "2027-01-01T00:00:00Z");
}

}  // namespace
}  // namespace usaged::core
