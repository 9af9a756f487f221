#include "faults/allocation.h"

#include <sqlite3.h>

#include <cstdlib>
#include <new>
#include <utility>

namespace usaged::faults {
namespace {

struct Plan {
  std::int64_t count = 0;
  std::int64_t at = 0;  // 0: none fails
  bool for_good = false;
  bool failed = false;
};
thread_local Plan plan;

bool fails() {
  if (plan.at == 0) return false;
  ++plan.count;
  const bool now = plan.for_good ? plan.count >= plan.at : plan.count == plan.at;
  plan.failed = plan.failed || now;
  return now;
}

sqlite3_mem_methods real;

}  // namespace

void install_allocation_faults() {
  sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
  sqlite3_mem_methods methods = real;
  methods.xMalloc = [](int size) { return fails() ? nullptr : real.xMalloc(size); };
  methods.xRealloc = [](void* old, int size) {
    return fails() ? nullptr : real.xRealloc(old, size);
  };
  if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK) std::abort();
}

void fail_allocation(std::int64_t n, bool for_good) { plan = {0, n, for_good, false}; }
void allow_allocations() { plan.at = 0; }
bool allocation_failed() { return plan.failed; }
OwnAllocations::OwnAllocations() : at_(std::exchange(plan.at, 0)) {}
OwnAllocations::~OwnAllocations() { plan.at = at_; }

namespace {
void* try_to_allocate(std::size_t size) {
  return fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
}
void* allocate(std::size_t size) {
  void* memory = try_to_allocate(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

}  // namespace usaged::faults

void* operator new(std::size_t size) { return usaged::faults::allocate(size); }
void* operator new[](std::size_t size) { return usaged::faults::allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return usaged::faults::try_to_allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return usaged::faults::try_to_allocate(size);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
