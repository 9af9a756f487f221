#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// How samples lie in the database: in blocks of what some polls of one target and region said of
// neighbouring series. A block is exact: the doubles that come out are those that went in.
//
// Format (numbers are LEB128 varints, signed ones zigzag-coded):
//
//   1 (the version); frames: how many, then for each its poll and its time, less those before it;
//   series: how many, then for each its id, less the one before it, and the length of its line.
//
// A line:
//
//   flags: 1, a byte with the state (Reading::State) of each frame follows; else each has both
//          numbers; 2, no number changes, and what follows the first ones is left out
//   a byte: the scale of the totals (low half) and that of the costs
//   the first total and the first cost, in units of their scales
//   a bit for each later frame, lowest first: whether a number differs from the frame before
//   for each that does: what was added to the total, and to the cost less what the unit price of
//   the first frame makes of that
//
// A scale says of which units a double is the nearest to a whole number: AWS sends costs with 10
// decimals, and hours that are whole milliseconds. A frame without a number repeats the one before.
namespace usaged::store {

// A poll, and when it was. Of a poll that retention dropped the id is 0.
struct Frame {
  std::int64_t poll = 0;
  std::int64_t at = 0;  // Unix seconds

  bool operator==(const Frame&) const = default;
};

// One series in one frame.
struct Reading {
  // Bits of `state`; none of them: the poll said nothing of it.
  enum State : std::uint8_t {
    kThere = 1,
    kHasTotal = 2,
    kHasCost = 4,
    kGone = 8,  // the poll before had it, and this one has not
  };
  std::uint8_t state = 0;
  double total = 0;
  double cost = 0;

  bool has(State bit) const { return (state & bit) != 0; }
};

Reading make_reading(const std::optional<double>& total, const std::optional<double>& cost);
std::optional<double> total_of(const Reading& reading);
std::optional<double> cost_of(const Reading& reading);

class BlockWriter {
 public:
  // Frames in order of time.
  explicit BlockWriter(std::vector<Frame> frames) : frames_(std::move(frames)) {}

  // Series in order of id, with a reading for each frame. One that no frame says anything of is
  // left out.
  void add(std::int64_t series, std::span<const Reading> readings);

  bool empty() const { return count_ == 0; }
  std::string finish() const;

 private:
  std::vector<Frame> frames_;
  std::string index_;
  std::string lines_;
  std::int64_t last_series_ = 0;
  std::uint64_t count_ = 0;
};

// Reads a block, whose bytes must outlive it. Everything throws Error(kStorage) if they are
// damaged.
class BlockReader {
 public:
  BlockReader() = default;  // of nothing
  explicit BlockReader(std::string_view bytes) { open(bytes); }

  // Goes on with another block, in the memory of this one.
  void open(std::string_view bytes);

  const std::vector<Frame>& frames() const { return frames_; }
  // The index of a poll's frame; nullopt if it has none.
  std::optional<std::size_t> frame_of(std::int64_t poll) const;

  std::size_t size() const { return lines_.size(); }
  std::int64_t series(std::size_t line) const { return lines_[line].series; }
  // The index of the line of a series; nullopt if it has none.
  std::optional<std::size_t> find(std::int64_t series) const;

  Reading at(std::size_t line, std::size_t frame) const;
  // Of every frame.
  void read(std::size_t line, std::vector<Reading>& readings) const;

 private:
  struct Line {
    std::int64_t series;
    std::size_t from;  // in `text_`
    std::size_t size;
  };

  std::vector<Frame> frames_;
  std::vector<Line> lines_;
  std::string_view text_;
};

}  // namespace usaged::store
