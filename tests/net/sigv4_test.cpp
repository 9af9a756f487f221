#include "net/sigv4.h"

#include <gtest/gtest.h>

#include "core/text.h"
#include "core/time.h"

// The examples of AWS's Signature Version 4 test suite and documentation: key AKIDEXAMPLE, region
// us-east-1, service "service", 2015-08-30T12:36:00Z.
namespace usaged::net::sigv4 {
namespace {

const core::Time kTime = core::parse_time("2015-08-30T12:36:00Z", core::Time{});
const Scope kScope{kTime, "us-east-1", "service"};
const std::string kSigningSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const std::string kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

Request request(const std::string& method, const std::string& path, const std::string& query = "") {
  return {method,
          path,
          query,
          {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
          ""};
}

std::string signature_of(const Request& r) {
  return signature(kScope, kSigningSecret, string_to_sign(kScope, canonical_request(r)));
}

TEST(SigV4, GetVanillaStageByStage) {
  const std::string canonical = canonical_request(request("GET", "/"));
  EXPECT_EQ(canonical,
            "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\n"
            "host;x-amz-date\n" +
                kEmptyHash);
  const std::string to_sign = string_to_sign(kScope, canonical);
  EXPECT_EQ(to_sign,
            "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
            "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63");
  EXPECT_EQ(signature(kScope, kSigningSecret, to_sign),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(SigV4, SignsTheOtherVectors) {
  EXPECT_EQ(signature_of(request("POST", "/")),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  EXPECT_EQ(signature_of(request("GET", "/", "Param2=value2&Param1=value1")),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  // get-relative, get-slash, get-slash-dot-slash: normalised to "/".
  for (const char* path : {"/example/..", "//", "/./"}) {
    EXPECT_EQ(signature_of(request("GET", path)),
              "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
        << path;
  }
}

struct Vector {
  const char* name;
  Request request;
  const char* signature;
};

Request with(Request r, const Headers& headers, const std::string& body = "") {
  r.headers.insert(r.headers.end(), headers.begin(), headers.end());
  r.body = body;
  return r;
}

const char* const kToken =
    "AQoDYXdzEPT//////////"
    "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeo"
    "IYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/"
    "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5V"
    "SXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+"
    "scqKmlzm8FDrypNC9Yj"
    "c8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

TEST(SigV4, SignsTheSuitesOddCases) {
  const std::string unreserved =
      "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const std::vector<Vector> vectors{
      {"get-header-key-duplicate",
       with(request("GET", "/"),
            {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}}),
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
      {"get-header-value-multiline",
       with(request("GET", "/"), {{"My-Header1", "value1\n  value2\n     value3"}}),
       "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd"},
      {"get-header-value-order",
       with(request("GET", "/"), {{"My-Header1", "value4"},
                                  {"My-Header1", "value1"},
                                  {"My-Header1", "value3"},
                                  {"My-Header1", "value2"}}),
       "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
      {"get-header-value-trim",
       with(request("GET", "/"), {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}}),
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
      {"get-unreserved", request("GET", "/" + unreserved),
       "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
      {"get-utf8", request("GET", "/\u1234"),
       "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"get-space", request("GET", "/example space/"),
       "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
      {"get-slashes", request("GET", "//example//"),
       "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
      {"get-slash-pointless-dot", request("GET", "/./example"),
       "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
      {"get-vanilla-empty-query-key", request("GET", "/", "Param1=value1"),
       "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
      {"get-vanilla-query-order-value", request("GET", "/", "Param1=value2&Param1=value1"),
       "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
      {"get-vanilla-query-unreserved", request("GET", "/", unreserved + "=" + unreserved),
       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
      {"get-vanilla-utf8-query", request("GET", "/", "\u1234=bar"),
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"post-header-key-sort", with(request("POST", "/"), {{"My-Header1", "value1"}}),
       "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
      {"post-header-value-case", with(request("POST", "/"), {{"My-Header1", "VALUE1"}}),
       "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
      {"post-sts-header-before", with(request("POST", "/"), {{"X-Amz-Security-Token", kToken}}),
       "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
      {"post-vanilla-query", request("POST", "/", "Param1=value1"),
       "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
      {"post-x-www-form-urlencoded",
       with(request("POST", "/"), {{"Content-Type", "application/x-www-form-urlencoded"}},
            "Param1=value1"),
       "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
      {"post-x-www-form-urlencoded-parameters",
       with(request("POST", "/"),
            {{"Content-Type", "application/x-www-form-urlencoded; charset=utf8"}}, "Param1=value1"),
       "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
  };
  for (const Vector& vector : vectors) {
    EXPECT_EQ(signature_of(vector.request), vector.signature) << vector.name << "\n"
                                                              << canonical_request(vector.request);
  }
}

TEST(SigV4, TheSigningKeyIsThatOfTheDocumentation) {
  const Scope iam{kTime, "us-east-1", "iam"};
  EXPECT_EQ(core::hex(signing_key(iam, kSigningSecret)),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

TEST(SigV4, HeadersAreSortedTrimmedAndMerged) {
  Request r = request("GET", "/");
  r.headers.emplace_back("My-Header1", "  a   b   c  ");
  r.headers.emplace_back("my-header1", "d");
  r.headers.emplace_back("User-Agent", "curl");
  r.headers.emplace_back("Connection", "close");
  EXPECT_EQ(signed_headers(r.headers), "host;my-header1;x-amz-date");
  EXPECT_NE(canonical_request(r).find("my-header1:a b c,d\n"), std::string::npos);
}

TEST(SigV4, SigningAgainReplacesTheFirstSignature) {
  Request once{"POST", "/", "", {{"Host", "h"}, {"x-amz-date", "20000101T000000Z"}}, ""};
  sign(once, kScope, {"AKIDEXAMPLE", kSigningSecret, "OLD"});
  Request twice = once;
  sign(twice, kScope, {"AKIDEXAMPLE", kSigningSecret, ""});
  sign(once, kScope, {"AKIDEXAMPLE", kSigningSecret, ""});
  EXPECT_EQ(once.headers, twice.headers);
  EXPECT_EQ(once.headers.size(), 3U);
}

TEST(SigV4, SignAddsDateTokenAndAuthorization) {
  Request r{"POST", "/usage/list", "", {{"Host", "h"}}, "{}"};
  sign(r, kScope, {"AKIDEXAMPLE", kSigningSecret, "TOKEN"});
  std::string authorization;
  std::string token;
  for (const auto& [name, value] : r.headers) {
    if (core::lower(name) == "authorization") authorization = value;
    if (core::lower(name) == "x-amz-security-token") token = value;
  }
  EXPECT_EQ(token, "TOKEN");
  EXPECT_TRUE(authorization.starts_with(
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
      "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="))
      << authorization;
}

}  // namespace
}  // namespace usaged::net::sigv4
