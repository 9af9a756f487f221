#include "web/terminal.h"

#include <gtest/gtest.h>

namespace usaged::web {
namespace {

TEST(Columns, AlignNumbersToTheRight) {
  const Json data = Json::array({{{"name", "a"}, {"n", 5}}, {{"name", "bcd"}, {"n", nullptr}}});
  const std::string text = to_columns(to_table(data));
  EXPECT_NE(text.find("a     5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("bcd   -\n"), std::string::npos) << text;
}

TEST(Columns, NumbersHaveSeparatorsAndTheDecimalsThatTheirColumnNeeds) {
  const Json data = Json::array({{{"id", 1234567}, {"n", 1234567}, {"x", 1234.5}, {"y", 0.12345}},
                                 {{"id", 1}, {"n", -1234}, {"x", -0.004}, {"y", 0.1}}});
  EXPECT_EQ(to_columns(to_table(data)),
            "     id          n         x       y\n"
            "1234567  1,234,567  1,234.50  0.1235\n"
            "      1     -1,234      0.00  0.1000\n");
  EXPECT_EQ(format_number(999.994, 1000), "999.99");
  EXPECT_EQ(format_number(-1000000, 1e6), "-1,000,000.00");
  EXPECT_EQ(format_number(0.000012, 0.01), "0.000012");
}

TEST(Columns, NothingDrivesTheTerminal) {
  const Json data = Json::array({{{"name", "a\x1b[31mb\n"}}});
  EXPECT_EQ(to_columns(to_table(data)), "name\na?[31mb?\n");
}

TEST(Sparkline, GoesFromTheSmallestToTheLargest) {
  EXPECT_EQ(sparkline({0, 7, std::nullopt, 3.5}, true), "▁█ ▅");
  EXPECT_EQ(sparkline({0, 7, std::nullopt, 3.5}, false), "_# =");
  EXPECT_EQ(sparkline({5, 5}, false), "==");
  EXPECT_EQ(sparkline({}, true), "");
  EXPECT_EQ(sparkline({std::nullopt}, true), " ");
}

TEST(Sparkline, ManyValuesAreMeansOfStretches) {
  EXPECT_EQ(sparkline({0, 0, 7, 7, std::nullopt, 7}, false, 3), "_##");
}

TEST(LineSummary, HasARowForEachLine) {
  const Json data = Json::array({{{"labels", {{"region", "r"}}},
                                  {"currency", "USD"},
                                  {"points", {{0, 1.5}, {60, nullptr}, {120, 2.5}}}}});
  EXPECT_EQ(to_columns(line_summary(data, false)),
            "region  currency   first    last     min     max  trend\n"
            "r       USD       1.5000  2.5000  1.5000  2.5000  _ #\n");
}

}  // namespace
}  // namespace usaged::web
