// A configuration is read, or refused with every error of it.
#include "core/config.h"

#include "fuzz/fuzz.h"

using namespace usaged;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text_of(data, size);
  core::AccountDirectory directory;
  fuzz::accepted([&] { core::parse_accounts_file("accounts", text, directory); });
  fuzz::accepted([&] { core::parse_config("config", text, "/nowhere"); });
  return 0;
}
