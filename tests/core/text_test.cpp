#include "core/text.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "core/usage.h"

namespace usaged::core {
namespace {

TEST(Text, FindsTheNearestWord) {
  const std::vector<std::string> words{"interval", "regions", "name"};
  EXPECT_EQ(nearest("intervall", words), "interval");
  EXPECT_EQ(nearest("region", words), "regions");
  EXPECT_EQ(nearest("zzz", words), "");
}

TEST(Text, PercentEncodesAllButTheUnreserved) {
  EXPECT_EQ(percent_encode("aZ09-_.~ /+=&%\xE1"), "aZ09-_.~%20%2F%2B%3D%26%25%E1");
  EXPECT_EQ(percent_encode("a/b", "/"), "a/b");
}

TEST(Text, HashesAsTheStandardsSay) {
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, test case 2.
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Text, Base64GoesBothWays) {
  // RFC 4648, section 10.
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64_decode("Zm9vYg=="), "foob");
  EXPECT_EQ(base64_decode(""), "");
  for (const char* bad : {"Zm9", "Zm9vYg=", "Zm9v Yg", "****"}) {
    EXPECT_THROW(base64_decode(bad), Error) << bad;
  }
}

TEST(Text, ComparesSecrets) {
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("abc", "abcd"));
}

TEST(Usage, KnowsTheUnitsThatAwsDocuments) {
  EXPECT_EQ(unit_of("EC2_INSTANCE_HOURS"), Unit::kHours);
  EXPECT_EQ(unit_of("ECR_RESCAN"), Unit::kScans);
  EXPECT_EQ(unit_of("AZURE_CONTAINER_IMAGE_INITIAL_SCAN"), Unit::kScans);
  EXPECT_EQ(unit_of("CODE_REPOSITORY_SAST"), Unit::kUnits);
  EXPECT_EQ(unit_of("SOMETHING_NEW"), Unit::kUnits);
}

TEST(Usage, KnowsAccountIds) {
  EXPECT_TRUE(is_account_id("012345678901"));
  EXPECT_FALSE(is_account_id("01234567890"));
  EXPECT_FALSE(is_account_id("0123456789012"));
  EXPECT_FALSE(is_account_id("01234567890a"));
}

}  // namespace
}  // namespace usaged::core
