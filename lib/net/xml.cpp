#include "net/xml.h"

#include <Poco/SAX/DefaultHandler.h>
#include <Poco/SAX/InputSource.h>
#include <Poco/SAX/LexicalHandler.h>
#include <Poco/SAX/SAXException.h>
#include <Poco/SAX/SAXParser.h>
#include <Poco/XML/XMLException.h>

#include <sstream>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace usaged::net {
namespace {

using core::Error;
using core::ErrorCode;

constexpr std::size_t kMostDepth = 32;

class Collector : public Poco::XML::DefaultHandler, public Poco::XML::LexicalHandler {
 public:
  void startElement(const Poco::XML::XMLString& /*uri*/, const Poco::XML::XMLString& local_name,
                    const Poco::XML::XMLString& /*name*/,
                    const Poco::XML::Attributes& /*attributes*/) override {
    if (path_.size() == kMostDepth) throw Poco::XML::SAXException("nested too deeply");
    path_.push_back(local_name);
    text_.clear();
  }
  void endElement(const Poco::XML::XMLString& /*uri*/, const Poco::XML::XMLString& /*local_name*/,
                  const Poco::XML::XMLString& /*name*/) override {
    texts_.emplace(core::join(path_, "/"), core::trim(text_));
    path_.pop_back();
    text_.clear();
  }
  void characters(const Poco::XML::XMLChar data[], int start, int length) override {
    text_.append(data + start, static_cast<std::size_t>(length));
  }
  void startDTD(const Poco::XML::XMLString& /*name*/, const Poco::XML::XMLString& /*public_id*/,
                const Poco::XML::XMLString& /*system_id*/) override {
    throw Poco::XML::SAXException("a document type is not accepted");
  }
  void endDTD() override {}
  void startEntity(const Poco::XML::XMLString& /*name*/) override {}
  void endEntity(const Poco::XML::XMLString& /*name*/) override {}
  void startCDATA() override {}
  void endCDATA() override {}
  void comment(const Poco::XML::XMLChar /*data*/[], int /*start*/, int /*length*/) override {}

  std::map<std::string, std::string> take() { return std::move(texts_); }

 private:
  std::vector<std::string> path_;
  std::string text_;
  std::map<std::string, std::string> texts_;
};

}  // namespace

std::map<std::string, std::string> xml_texts(const std::string& text) {
  Collector collector;
  try {
    Poco::XML::SAXParser parser;
    parser.setFeature(Poco::XML::XMLReader::FEATURE_NAMESPACES, true);
    parser.setFeature(Poco::XML::XMLReader::FEATURE_EXTERNAL_GENERAL_ENTITIES, false);
    parser.setFeature(Poco::XML::XMLReader::FEATURE_EXTERNAL_PARAMETER_ENTITIES, false);
    parser.setContentHandler(&collector);
    parser.setProperty(Poco::XML::XMLReader::PROPERTY_LEXICAL_HANDLER,
                       static_cast<Poco::XML::LexicalHandler*>(&collector));
    parser.parseString(text);
  } catch (const Poco::Exception& e) {
    throw Error(ErrorCode::kRemote, "the reply is not the XML that was expected: {}",
                e.displayText());
  }
  return collector.take();
}

}  // namespace usaged::net
