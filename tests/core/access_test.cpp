#include "core/access.h"

#include <gtest/gtest.h>

#include "core/text.h"

namespace usaged::core {
namespace {

TEST(Access, AHeaderHasATokenOrNot) {
  const std::vector<Token> tokens{{"a", Access::kRead, hex(sha256("alpha"))},
                                  {"b", Access::kWrite, hex(sha256("beta"))}};
  const auto name = [&](std::string_view header) -> std::string {
    const Token* token = find_token(tokens, header);
    return token == nullptr ? "" : token->name;
  };
  EXPECT_EQ(name("Bearer alpha"), "a");
  EXPECT_EQ(name("bearer beta"), "b");
  EXPECT_EQ(name("Bearer   beta  "), "b");
  for (const char* header :
       {"", "Bearer", "Bearer ", "Bearer alph", "Bearer alphaa", "Bearer Alpha", "alpha",
        "Basic alpha", "Bearer alpha beta",
        "Bearer 8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8"}) {
    EXPECT_EQ(name(header), "") << header;
  }
  // Not even the hash of nothing.
  EXPECT_EQ(find_token({{"c", Access::kWrite, ""}}, "Bearer "), nullptr);
}

}  // namespace
}  // namespace usaged::core
