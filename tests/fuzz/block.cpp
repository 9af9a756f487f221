// A block of samples: what can be read comes back from what is written of it.
#include "store/block.h"

#include "fuzz/fuzz.h"

using namespace usaged;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes = fuzz::text_of(data, size);
  fuzz::accepted([&] {
    const store::BlockReader block(bytes);
    std::vector<store::Reading> readings;
    for (std::size_t line = 0; line < block.size(); ++line) {
      fuzz::require(block.series(line) == block.series(*block.find(block.series(line))));
      block.read(line, readings);
      fuzz::require(readings.size() == block.frames().size());
      for (std::size_t frame = 0; frame < readings.size(); frame += 7) {
        fuzz::require(block.at(line, frame).state == readings[frame].state);
      }
    }
  });
  return 0;
}
