#include "app/process.h"

#include <malloc.h>

#include <cstdio>

namespace usaged::app {
namespace {

// Of what is free at the end of a heap so much is kept: each poll needs it again.
constexpr int kKeptAtTheEnd = 4 << 20;

}  // namespace

void prepare_process() {
  // Threads share two heaps: what one poll has freed serves the next. With a heap for each thread,
  // as glibc has it, many large polls side by side keep half as much memory again.
  mallopt(M_ARENA_MAX, 2);  // NOLINT(concurrency-mt-unsafe): there is one thread
  // Large pieces go back to the system as they are freed; glibc would begin to keep them.
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);     // NOLINT(concurrency-mt-unsafe)
  mallopt(M_TRIM_THRESHOLD, kKeptAtTheEnd);  // NOLINT(concurrency-mt-unsafe)
  // A core dump has no memory of ours, which holds credentials (core(5), coredump_filter).
  if (std::FILE* filter = std::fopen("/proc/self/coredump_filter", "w")) {
    std::fputs("0", filter);
    std::fclose(filter);  // NOLINT(cert-err33-c): without /proc there are the limits of the unit
  }
}

void give_back_memory() { malloc_trim(kKeptAtTheEnd); }

}  // namespace usaged::app
