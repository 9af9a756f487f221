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
const std::string kSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const std::string kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

Request request(const std::string& method, const std::string& path, const std::string& query = "") {
  return {method,
          path,
          query,
          {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
          ""};
}

std::string signature_of(const Request& r) {
  return signature(kScope, kSecret, string_to_sign(kScope, canonical_request(r)));
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
  EXPECT_EQ(signature(kScope, kSecret, to_sign),
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

TEST(SigV4, TheSigningKeyIsThatOfTheDocumentation) {
  const Scope iam{kTime, "us-east-1", "iam"};
  EXPECT_EQ(core::hex(signing_key(iam, kSecret)),
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

TEST(SigV4, SignAddsDateTokenAndAuthorization) {
  Request r{"POST", "/usage/list", "", {{"Host", "h"}}, "{}"};
  sign(r, kScope, {"AKIDEXAMPLE", kSecret, "TOKEN"});
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
