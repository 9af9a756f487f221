#include "core/interned.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace usaged::core {
namespace {

TEST(Interned, IsOneForOneText) {
  const Interned one("EC2_INSTANCE_HOURS");
  const Interned same(std::string("EC2_INSTANCE_") + "HOURS");
  EXPECT_EQ(one, same);
  EXPECT_EQ(&one.text(), &same.text());
  EXPECT_NE(one, Interned("LAMBDA_FUNCTION_HOURS"));
  EXPECT_EQ(Interned(), Interned(""));
  EXPECT_TRUE(Interned().empty());
}

TEST(Interned, IsInOrderOfTexts) {
  EXPECT_LT(Interned("a"), Interned("b"));
  EXPECT_LT(Interned(), Interned("a"));
  EXPECT_GT(Interned("b"), Interned("a"));
}

TEST(Interned, ManyThreadsAgree) {
  std::vector<std::vector<const std::string*>> seen(4);
  std::vector<std::thread> threads;
  for (auto& mine : seen) {
    threads.emplace_back([&mine] {
      for (int i = 0; i < 1000; ++i) mine.push_back(&Interned("type " + std::to_string(i)).text());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& other : seen) EXPECT_EQ(other, seen.front());
}

}  // namespace
}  // namespace usaged::core
