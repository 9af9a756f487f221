// The files of AWS's tools: no value of them is in an error, wherever they are broken.
#include "fuzz/fuzz.h"
#include "net/profiles.h"

using namespace usaged;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accepted([&] { net::parse_profile_file("profile", fuzz::text_of(data, size)); });
  return 0;
}
