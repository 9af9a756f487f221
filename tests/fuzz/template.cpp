// Texts with places in them: what is accepted can be filled.
#include "core/template.h"

#include "fuzz/fuzz.h"

using namespace usaged;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text_of(data, size);
  if (fuzz::accepted([&] { core::check_template(text); })) {
    core::fill_template(text, {{"account_id", "{{ region }}"}, {"summary", text}});
  }
  return 0;
}
