#include "net/credentials.h"

#include <gmock/gmock.h>

#include <fstream>
#include <map>

#include "core/error.h"
#include "support/temp_folder.h"

namespace usaged::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Environment environment(const std::map<std::string, std::string>& values) {
  return [values](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

std::string error_of(const std::string& profile, const Environment& env) {
  try {
    find_credentials(profile, env);
  } catch (const core::Error& e) {
    return e.what();
  }
  return "no error";
}

class CredentialsTest : public ::testing::Test {
 protected:
  std::string file(const std::string& text) {
    std::ofstream(folder_.path("credentials")) << text;
    return folder_.path("credentials");
  }
  support::TempFolder folder_;
};

TEST_F(CredentialsTest, TheEnvironmentComesFirst) {
  const auto env = environment({{"AWS_ACCESS_KEY_ID", "AK"},
                                {"AWS_SECRET_ACCESS_KEY", "SK"},
                                {"AWS_SESSION_TOKEN", "T"},
                                {"AWS_SHARED_CREDENTIALS_FILE", "/no/such"}});
  const auto found = find_credentials("", env);
  EXPECT_EQ(found.access_key_id, "AK");
  EXPECT_EQ(found.secret_access_key, "SK");
  EXPECT_EQ(found.session_token, "T");
}

TEST_F(CredentialsTest, OneOfThePairAloneIsAnErrorThatShowsNoSecret) {
  const std::string message = error_of("", environment({{"AWS_SECRET_ACCESS_KEY", "HIDDEN"}}));
  EXPECT_THAT(message, HasSubstr("AWS_ACCESS_KEY_ID"));
  EXPECT_THAT(message, Not(HasSubstr("HIDDEN")));
}

TEST_F(CredentialsTest, ANamedProfileWinsOverTheEnvironment) {
  const auto env = environment(
      {{"AWS_ACCESS_KEY_ID", "AK"},
       {"AWS_SECRET_ACCESS_KEY", "SK"},
       {"AWS_SHARED_CREDENTIALS_FILE",
        file("# x\n[default]\naws_access_key_id = D\naws_secret_access_key = E\n\n[ audit ]\n"
             "AWS_Access_Key_Id=A\naws_secret_access_key=B=C\naws_session_token=T\nregion=x\n")}});
  const auto found = find_credentials("audit", env);
  EXPECT_EQ(found.access_key_id, "A");
  EXPECT_EQ(found.secret_access_key, "B=C");
  EXPECT_EQ(found.session_token, "T");
}

TEST_F(CredentialsTest, WithoutAnythingTheDefaultProfileIsRead) {
  const std::string path =
      file("[default]\naws_access_key_id=D\naws_secret_access_key=E\n[p]\naws_access_key_id=P\n");
  EXPECT_EQ(
      find_credentials("", environment({{"AWS_SHARED_CREDENTIALS_FILE", path}})).access_key_id,
      "D");
  EXPECT_THAT(
      error_of("", environment({{"AWS_SHARED_CREDENTIALS_FILE", path}, {"AWS_PROFILE", "p"}})),
      HasSubstr("profile 'p'"));
}

TEST_F(CredentialsTest, ErrorsSayWhereItLooked) {
  EXPECT_THAT(error_of("", environment({{"HOME", folder_.path()}})),
              HasSubstr(folder_.path(".aws/credentials")));
  const std::string path = file("[a]\nnonsense\n");
  EXPECT_THAT(error_of("a", environment({{"AWS_SHARED_CREDENTIALS_FILE", path}})),
              HasSubstr(path + ":2:"));
  EXPECT_THAT(error_of("b", environment({{"AWS_SHARED_CREDENTIALS_FILE", path}})),
              HasSubstr("has no profile 'b'"));
}

}  // namespace
}  // namespace usaged::net
