// What STS and SNS answer.
#include "net/xml.h"

#include "fuzz/fuzz.h"

using namespace usaged;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accepted([&] { net::xml_texts(fuzz::text_of(data, size)); });
  return 0;
}
