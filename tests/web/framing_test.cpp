#include "web/framing.h"

#include <gmock/gmock.h>

namespace usaged::web {
namespace {

using ::testing::HasSubstr;

std::string wrong(const std::string& bytes) {
  Framing whole;
  whole.feed(bytes);
  // The same in pieces of any size.
  Framing pieces;
  for (const char c : bytes) pieces.feed({&c, 1});
  EXPECT_EQ(pieces.wrong(), whole.wrong()) << bytes;
  return whole.wrong();
}

std::string wrong_header(const std::string& header) {
  return wrong("GET / HTTP/1.1\r\nHost: localhost\r\n" + header + "\r\n\r\n");
}

TEST(Framing, RequestsOneAfterTheOther) {
  const std::string post = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 7 \r\n\r\n";
  EXPECT_EQ(wrong(post + "a\nb: \r\n" + "GET /?a=b%20c HTTP/1.0\r\nX-Y:\r\nZ: \"\t\xff\"\r\n\r\n" +
                  post + "1234567" + "GET / HTTP/1.1\r\n"),
            "");
}

TEST(Framing, WhatIsWrongStays) {
  Framing framing;
  framing.feed("GET / HTTP/1.1\nHost: x\r\n\r\n");
  EXPECT_THAT(framing.wrong(), HasSubstr("CR and LF"));
  framing.feed("GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(framing.wrong(), HasSubstr("CR and LF"));
}

TEST(Framing, FirstLinesThatSomeTakeOtherwise) {
  for (const std::string line :
       {"GET  / HTTP/1.1", "GET / HTTP/1.1 ", "GET /a b HTTP/1.1", "GET / HTTP/2.0", "GET /", "",
        " GET / HTTP/1.1", "GE\tT / HTTP/1.1", "GET\t/ HTTP/1.1", "GET /a\t/b HTTP/1.1",
        "GET / http/1.1", "GET / HTTP/1.1\rX: y", "G(T / HTTP/1.1"}) {
    EXPECT_NE(wrong(line + "\r\n"), "") << line;
  }
}

TEST(Framing, HeadersThatSomeTakeOtherwise) {
  for (const std::string header :
       {"Content-Length:\x0b"
        "0",
        "X: y\r\n Transfer-Encoding: chunked", "X: y\n\tTransfer-Encoding: chunked",
        "Transfer-Encoding", "Transfer-Encoding: identity", "transfer-encoding:", "X : y", ": y",
        "X: y\rZ: y", "X: y\nZ: y", "Content-Length: 0\r\nContent-Length: 0", "Content-Length: +1",
        "Content-Length: -1", "Content-Length: 0x1", "Content-Length: 1, 1", "Content-Length:",
        "Content-Length: 99999999999999999999", "Content-Length: 1 1", "X\xc3\xa4: y"}) {
    EXPECT_NE(wrong_header(header), "") << header;
  }
  EXPECT_NE(wrong_header(std::string("X: \0", 4)), "");
  EXPECT_EQ(wrong_header("X: " + std::string(60000, 'y')), "");
  EXPECT_THAT(wrong_header("X: " + std::string(70000, 'y')), HasSubstr("65536"));
}

}  // namespace
}  // namespace usaged::web
