#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace usaged::app {

// Gives out the numbers from 0 to count - 1, each once. Safe for every thread.
class Turns {
 public:
  explicit Turns(std::size_t count) : count_(count) {}
  // False once all are given out.
  bool next(std::size_t& turn) {
    turn = next_++;
    return turn < count_;
  }

 private:
  std::size_t count_;
  std::atomic<std::size_t> next_{0};
};

// Runs `work` in as many threads as there are turns, `most` at most, this one among them, and
// returns when all have ended. `work` takes turns until there are none, and must not throw.
inline void in_parallel(std::size_t count, std::size_t most,
                        const std::function<void(Turns&)>& work) {
  Turns turns(count);
  std::vector<std::thread> helpers;
  for (std::size_t i = 1; i < std::min(count, most); ++i) {
    helpers.emplace_back([&] { work(turns); });
  }
  work(turns);
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace usaged::app
