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

TEST(Ndjson, IsAnObjectALine) {
  const Json data = Json::array({{{"a", "=1"}, {"b", nullptr}}, {{"a", "x"}, {"b", 2.5}}});
  EXPECT_EQ(to_ndjson(to_table(data)), "{\"a\":\"=1\",\"b\":null}\n{\"a\":\"x\",\"b\":2.5}\n");
}

}  // namespace
}  // namespace usaged::web
