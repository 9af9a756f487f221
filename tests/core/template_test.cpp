#include "core/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace usaged::core {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    check_template(text);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(Template, PlacesAreFilledAndWithoutAValueEmpty) {
  EXPECT_EQ(fill_template("{{ account_id }} has {{after}}{{region}}!",
                          {{"account_id", "1"}, {"after", "{{x}}"}}),
            "1 has {{x}}!");
  EXPECT_EQ(fill_template("plain {", {}), "plain {");
}

TEST(Template, WhatThereIsNotIsAnError) {
  EXPECT_EQ(error_of("{{ account_id }} {{tag.team}} }}"), "");
  EXPECT_THAT(error_of("{{ acount_id }}"), HasSubstr("did you mean 'account_id'?"));
  EXPECT_THAT(error_of("{{ zzzzzzzz }}"), HasSubstr("there are "));
  EXPECT_THAT(error_of("{{ after"), HasSubstr("has no }}"));
}

}  // namespace
}  // namespace usaged::core
