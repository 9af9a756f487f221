#pragma once

#include <cstdint>

// Memory that runs out: of C++'s `new` and of SQLite's own.
namespace usaged::faults {

// Before SQLite is used, which is when it would take its own.
void install_allocation_faults();

// The n-th allocation of this thread fails, counted from 1, and (`for_good`) each after it.
void fail_allocation(std::int64_t n, bool for_good);
// None fails any more.
void allow_allocations();
// Whether one has failed since fail_allocation().
bool allocation_failed();

// While one of these lives none fails, nor is counted: what a test does in between.
class OwnAllocations {
 public:
  OwnAllocations();
  ~OwnAllocations();
  OwnAllocations(const OwnAllocations&) = delete;
  OwnAllocations& operator=(const OwnAllocations&) = delete;

 private:
  std::int64_t at_;
};

}  // namespace usaged::faults
