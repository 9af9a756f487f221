#include "core/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace usaged::core {
namespace {

using ::testing::HasSubstr;

std::string template_error(const std::string& text) {
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
  EXPECT_EQ(template_error("{{ account_id }} {{tag.team}} }}"), "");
  EXPECT_THAT(template_error("{{ acount_id }}"), HasSubstr("did you mean 'account_id'?"));
  EXPECT_THAT(template_error("{{ zzzzzzzz }}"), HasSubstr("there are "));
  EXPECT_THAT(template_error("{{ after"), HasSubstr("has no }}"));
}

}  // namespace
}  // namespace usaged::core
