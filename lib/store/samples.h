#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/time.h"
#include "store/block.h"
#include "store/connection.h"

// The samples: what each good poll said of each series, in the table `sample_block`.
//
// A poll is written as it came, a block for each 128 neighbouring series. Once its day is over, the
// polls of the day become one block, and the days of a month of which retention left one poll each
// become one again. So a poll is in one place, and a question about many polls reads few blocks.
namespace usaged::store {

// Where the samples of a poll are looked for.
struct PollRef {
  std::int64_t scope = 0;
  std::int64_t poll = 0;
  core::Time at;
};

struct Sample {
  std::int64_t series = 0;
  Reading reading;
};

class Samples {
 public:
  explicit Samples(Connection& db) : db_(db) {}

  // What a poll said, in order of series, what is gone included.
  std::vector<Sample> of(const PollRef& poll);
  // Of one series; nullopt if it said nothing. Fast for one poll after the other.
  std::optional<Reading> find(const PollRef& poll, std::int64_t series);
  // Calls use(series, reading) for those of some series, in order, of which it said something.
  template <typename Use>
  void each(const PollRef& poll, std::span<const std::int64_t> series, const Use& use) {
    for (auto one = series.begin(); one != series.end();) {
      const std::int64_t bucket = bucket_of(*one);
      Cached* cached = block_of(poll, bucket);
      for (; one != series.end() && bucket_of(*one) == bucket; ++one) {
        const Reading* reading = cached == nullptr ? nullptr : cached->reading(*one);
        if (reading != nullptr) use(*one, *reading);
      }
    }
  }
  // What find() and each() have read is read anew: it may have changed since.
  void forget();
  // The blocks of days that are over, of some neighbouring series, in no order of time.
  using UseBlock = std::function<void(std::string_view)>;
  void each_settled(std::int64_t scope, std::int64_t bucket, const UseBlock& use);

  // Writes what a poll said, in order of series. Its day must not be settled.
  void put(const PollRef& poll, std::span<const Sample> samples);
  void remove(const PollRef& poll);

  // What follows brings blocks into their next form, those of one bucket at a time: the first after
  // `after` that has any to do. Returns it; nullopt if there was none. Readers see each poll before
  // and after.
  std::optional<std::int64_t> settle_some(std::int64_t scope, std::int64_t day, std::int64_t after);
  std::optional<std::int64_t> pack_some(std::int64_t scope, std::int64_t month, std::int64_t after);
  // Of the day of a poll, which is settled, keeps what this poll said, and the first and the last
  // reading of each series.
  std::optional<std::int64_t> thin_some(const PollRef& kept, std::int64_t after);
  // Makes the days of a scope that are settled into single polls again.
  void unsettle(std::int64_t scope);

  // Which block of its neighbours a series is in.
  static std::int64_t bucket_of(std::int64_t series) { return series / kSeriesOfBlock; }

 private:
  static constexpr std::int64_t kSeriesOfBlock = 128;

  enum Level { kPoll = 0, kDay = 1, kMonth = 2 };

  // The block that each() read last of some series, their lines, and blocks of the days after.
  struct Cached {
    std::string bytes;
    BlockReader block;
    bool there = false;  // else there is none for the poll `missing`
    std::int64_t missing = 0;
    std::size_t frame = 0;     // of the last poll
    std::uint64_t number = 0;  // how many blocks were read before
    struct Line {
      std::uint64_t number = 0;  // of the block that it is of
      std::vector<Reading> readings;
    };
    std::vector<Line> lines;  // by the series' place in its bucket
    struct Day {
      std::int64_t day;
      std::string bytes;
    };
    std::vector<Day> ahead;
    std::int64_t days = 0;  // that the last statement asked for
    std::int64_t last_day = 0;

    // Goes on with this block; false if it does not have the poll.
    bool use(std::string_view block_bytes, std::int64_t poll);
    // What the last poll said; nullptr if nothing.
    const Reading* reading(std::int64_t series);
    void forget();
  };
  struct Row {
    std::int64_t id;
    std::string bytes;
  };

  Cached* block_of(const PollRef& poll, std::int64_t bucket);
  std::vector<Row> rows(Level level, std::int64_t scope, std::int64_t from, std::int64_t to,
                        std::int64_t bucket);
  std::optional<std::int64_t> merge_some(Level from, std::int64_t scope, std::int64_t first,
                                         std::int64_t last, Level to, std::int64_t at,
                                         std::int64_t after);
  void insert(Level level, std::int64_t scope, std::int64_t at, std::int64_t bucket,
              const BlockWriter& block);
  void erase(const std::vector<Row>& rows);

  Connection& db_;
  std::map<std::pair<std::int64_t, std::int64_t>, Cached> cache_;  // by scope and bucket
};

}  // namespace usaged::store
