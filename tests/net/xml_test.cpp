#include "net/xml.h"

#include <gmock/gmock.h>

#include "core/error.h"

namespace usaged::net {
namespace {

using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(Xml, GivesTextsByPath) {
  EXPECT_THAT(xml_texts("<?xml version='1.0'?><a xmlns='urn:x'><b> 1&amp;2 </b><b>3</b>"
                        "<c><d><![CDATA[<x>]]></d></c><!-- e --></a>"),
              UnorderedElementsAre(Pair("a/b", "1&2"), Pair("a/c/d", "<x>"), Pair("a/c", ""),
                                   Pair("a", "")));
}

TEST(Xml, RefusesWhatIsNoneAndWhatReachesOutside) {
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "<a>";
  for (const std::string& bad :
       {std::string(), std::string("text"), std::string("<a>"), std::string("<a></b>"),
        std::string("<a>&unknown;</a>"), std::string("<a/><b/>"), deep,
        std::string("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"),
        std::string("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>"),
        std::string("<!DOCTYPE a SYSTEM \"http://127.0.0.1:1/x.dtd\"><a/>"),
        // A billion laughs.
        std::string("<!DOCTYPE a [<!ENTITY l0 \"ha\"><!ENTITY l1 \"&l0;&l0;&l0;&l0;&l0;&l0;&l0;\">"
                    "<!ENTITY l2 \"&l1;&l1;&l1;&l1;&l1;&l1;&l1;\">]><a>&l2;</a>")}) {
    EXPECT_THROW(xml_texts(bad), core::Error) << bad;
  }
}

}  // namespace
}  // namespace usaged::net
