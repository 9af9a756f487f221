#include "web/table.h"

#include <gtest/gtest.h>

namespace usaged::web {
namespace {

TEST(Csv, NoCellBeginsAFormula) {
  const Json data = Json::array({{{"a", "=1+1"}, {"b", -2.5}, {"c", nullptr}},
                                 {{"a", "x\"y,z\n"}, {"b", 1e300}, {"d", "@x"}}});
  EXPECT_EQ(to_csv(to_table(data)), "a,b,c,d\r\n'=1+1,-2.5,,\r\n\"x\"\"y,z\n\",1e+300,,'@x\r\n");
}

TEST(Csv, EachPointOfAHistoryIsARow) {
  const Json data = Json::array({{{"labels", {{"region", "r"}}},
                                  {"currency", "USD"},
                                  {"points", {{0, 1.5}, {60, nullptr}}}}});
  EXPECT_EQ(to_csv(to_table(data)),
            "time,region,currency,value\r\n1970-01-01T00:00:00Z,r,USD,1.5\r\n"
            "1970-01-01T00:01:00Z,r,USD,\r\n");
}

TEST(Columns, AlignNumbersToTheRight) {
  const Json data = Json::array({{{"name", "a"}, {"n", 5}}, {{"name", "bcd"}, {"n", nullptr}}});
  const std::string text = to_columns(to_table(data));
  EXPECT_NE(text.find("a     5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("bcd   -\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace usaged::web
