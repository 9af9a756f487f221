#include "net/credential_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "core/error.h"

namespace usaged::net {
namespace {

const core::Time kCacheNow = core::from_unix(1772366400);

class CacheTest : public ::testing::Test {
 protected:
  // Keys that end after `life`; none: they have no end.
  std::string get(core::Time now, std::optional<core::Seconds> life = core::kHour,
                  const sigv4::Credentials* rejected = nullptr) {
    return cache_
        .get("key", now, rejected,
             [&]() -> FoundCredentials {
               ++fetched_;
               if (fail_) throw core::Error(core::ErrorCode::kConfig, "failed");
               FoundCredentials found;
               found.keys.access_key_id = "AK" + std::to_string(fetched_);
               if (life) found.expires = now + *life;
               return found;
             })
        .keys.access_key_id;
  }

  CredentialCache cache_;
  int fetched_ = 0;
  bool fail_ = false;
};

TEST_F(CacheTest, KeepsThemUntilTheWindowBeginsAndTriesThen) {
  EXPECT_EQ(get(kCacheNow), "AK1");
  const core::Time expires = kCacheNow + core::kHour;
  EXPECT_EQ(get(expires - kAdvisoryRefresh - core::Seconds{1}), "AK1");
  fail_ = true;
  EXPECT_EQ(get(expires - kAdvisoryRefresh), "AK1");  // tolerated
  EXPECT_EQ(fetched_, 2);
  EXPECT_EQ(get(expires - kAdvisoryRefresh + core::Seconds{59}), "AK1");  // not at once again
  EXPECT_EQ(fetched_, 2);
  EXPECT_EQ(get(expires - kMandatoryRefresh - core::Seconds{1}), "AK1");
  EXPECT_EQ(fetched_, 3);
  EXPECT_THROW(get(expires - kMandatoryRefresh), core::Error);  // required
  fail_ = false;
  EXPECT_EQ(get(expires - kMandatoryRefresh), "AK5");
}

TEST_F(CacheTest, ThoseWithoutAnEndAreLookedForAgainAfterAMinute) {
  EXPECT_EQ(get(kCacheNow, std::nullopt), "AK1");
  EXPECT_EQ(get(kCacheNow + core::Seconds{59}, std::nullopt), "AK1");
  EXPECT_EQ(get(kCacheNow + core::Seconds{60}, std::nullopt), "AK2");
}

TEST_F(CacheTest, TheRejectedOnesAreFetchedAnewOnce) {
  EXPECT_EQ(get(kCacheNow), "AK1");
  sigv4::Credentials rejected;
  rejected.access_key_id = "AK1";
  EXPECT_EQ(get(kCacheNow, core::kHour, &rejected), "AK2");
  // Another thread that was told the same of the same keys takes what there is.
  EXPECT_EQ(get(kCacheNow, core::kHour, &rejected), "AK2");
  EXPECT_EQ(fetched_, 2);
}

TEST_F(CacheTest, KeysThatLiveShorterThanTheWindowAreUsed) {
  EXPECT_EQ(get(kCacheNow, core::Seconds{300}), "AK1");
  EXPECT_EQ(get(kCacheNow, core::Seconds{300}), "AK2");
}

TEST_F(CacheTest, IdentitiesAreKeptApart) {
  const auto of = [&](const std::string& key) {
    return cache_.get(key, kCacheNow, nullptr, [&] {
      FoundCredentials found;
      found.keys.access_key_id = key;
      found.expires = kCacheNow + core::kHour;
      return found;
    });
  };
  EXPECT_EQ(of("a").keys.access_key_id, "a");
  EXPECT_EQ(of("b").keys.access_key_id, "b");
  EXPECT_EQ(of("a").keys.access_key_id, "a");
}

// Many ask at once; one fetches, and all share what comes of it.
class SharedFetch : public ::testing::TestWithParam<bool> {};

TEST_P(SharedFetch, IsOne) {
  CredentialCache cache;
  std::atomic<int> fetched = 0;
  std::atomic<int> good = 0;
  std::atomic<int> bad = 0;
  std::atomic<int> begun = 0;
  constexpr int kThreads = 16;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      ++begun;
      try {
        cache.get("key", kCacheNow, nullptr, [&]() -> FoundCredentials {
          ++fetched;
          while (begun < kThreads) std::this_thread::yield();
          std::this_thread::sleep_for(std::chrono::milliseconds{100});
          if (GetParam()) throw core::Error(core::ErrorCode::kConfig, "failed");
          FoundCredentials found;
          found.expires = kCacheNow + core::kHour;
          return found;
        });
        ++good;
      } catch (const core::Error&) {
        ++bad;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, GetParam() ? 0 : kThreads);
  EXPECT_EQ(bad, GetParam() ? kThreads : 0);
  // A thread that comes to ask only after the fetch has failed asks anew.
  EXPECT_LE(fetched, GetParam() ? 2 : 1);
}

INSTANTIATE_TEST_SUITE_P(Success, SharedFetch, ::testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Failure, SharedFetch, ::testing::Values(true));

}  // namespace
}  // namespace usaged::net
