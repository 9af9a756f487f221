#include "store/block.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/error.h"
#include "store/varint.h"

namespace usaged::store {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::uint8_t kVaried = 1;
constexpr std::uint8_t kConstant = 2;
constexpr std::uint8_t kBoth = Reading::kThere | Reading::kHasTotal | Reading::kHasCost;

constexpr const char* kBlock = "a block of samples";

[[noreturn]] void damaged() { throw_damaged(kBlock); }

// How a double is made of a whole number: divided, then moved by some of the doubles next to it,
// whose count is in its lowest bits. Without a divisor the bits are the double's own.
struct Scale {
  double divisor;
  int ulp_bits = 0;
};
constexpr double kMsPerHour = 3600000;
constexpr std::array kScales{Scale{0},
                             Scale{1},
                             Scale{1e2},
                             Scale{1e4},
                             Scale{1e6},
                             Scale{1e8},
                             Scale{1e10},
                             Scale{1e12},
                             Scale{kMsPerHour},
                             Scale{kMsPerHour, 3},
                             Scale{kMsPerHour * 1e3, 3}};
constexpr std::size_t kOwnBits = 0;
constexpr double kMostUnits = 1e15;  // whole numbers up to it are doubles

double from_units(const Scale& scale, std::int64_t units) {
  if (scale.divisor == 0) return std::bit_cast<double>(units);
  if (scale.ulp_bits == 0) return static_cast<double>(units) / scale.divisor;
  const std::int64_t half = std::int64_t{1} << (scale.ulp_bits - 1);
  const std::int64_t moved = (units & (2 * half - 1)) - half;
  const double near = static_cast<double>(units >> scale.ulp_bits) / scale.divisor;
  return std::bit_cast<double>(std::bit_cast<std::int64_t>(near) + moved);
}

// nullopt if the scale can't tell this double from others.
std::optional<std::int64_t> to_units(const Scale& scale, double value) {
  const auto bits = std::bit_cast<std::int64_t>(value);
  if (scale.divisor == 0) return bits;
  const double scaled = value * scale.divisor;
  if (!(std::abs(scaled) <= kMostUnits)) return std::nullopt;
  std::int64_t units = std::llround(scaled);
  if (scale.ulp_bits > 0) {
    const std::int64_t half = std::int64_t{1} << (scale.ulp_bits - 1);
    const double near = static_cast<double>(units) / scale.divisor;
    const std::int64_t moved = bits - std::bit_cast<std::int64_t>(near);
    if (moved < -half || moved >= half) return std::nullopt;
    units = units * 2 * half + moved + half;
  }
  if (std::bit_cast<std::int64_t>(from_units(scale, units)) != bits) return std::nullopt;
  return units;
}

// What a price makes of more units of usage. One multiplication and one rounding, so that every
// machine has the same.
double price_of(std::size_t total_scale, std::int64_t total, std::size_t cost_scale,
                std::int64_t cost) {
  if (total_scale == kOwnBits || cost_scale == kOwnBits || total == 0) return 0;
  return static_cast<double>(cost) / static_cast<double>(total);
}
std::uint64_t charge(double price, std::uint64_t more) {
  const double cost = price * static_cast<double>(static_cast<std::int64_t>(more));
  return std::abs(cost) <= kMostUnits ? unsigned_of(std::llround(cost)) : 0;
}

// Numbers in units of the first scale that fits them all.
class Column {
 public:
  explicit Column(std::span<const double> values) : units_(values.size()) {
    for (scale_ = kOwnBits + 1; scale_ < kScales.size(); ++scale_) {
      if (fits(values)) return;
    }
    scale_ = kOwnBits;
    fits(values);
  }
  std::size_t scale() const { return scale_; }
  std::int64_t operator[](std::size_t i) const { return units_[i]; }

 private:
  bool fits(std::span<const double> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0 &&
          std::bit_cast<std::int64_t>(values[i]) == std::bit_cast<std::int64_t>(values[i - 1])) {
        units_[i] = units_[i - 1];
        continue;
      }
      const auto units = to_units(kScales[scale_], values[i]);
      if (!units) return false;
      units_[i] = *units;
    }
    return true;
  }

  std::size_t scale_ = kOwnBits;
  std::vector<std::int64_t> units_;
};

// A line, read from its first frame on.
class Cursor {
 public:
  Cursor(std::string_view line, std::size_t frames) : bytes_(line, kBlock) {
    const std::uint8_t flags = bytes_.byte();
    if ((flags & kVaried) != 0) states_ = bytes_.take(frames);
    const std::uint8_t scales = bytes_.byte();
    const std::size_t total_scale = scales & 15U;
    const std::size_t cost_scale = scales >> 4;
    if (total_scale >= kScales.size() || cost_scale >= kScales.size()) damaged();
    total_scale_ = &kScales[total_scale];
    cost_scale_ = &kScales[cost_scale];
    total_ = bytes_.signed_number();
    cost_ = bytes_.signed_number();
    price_ = price_of(total_scale, static_cast<std::int64_t>(total_), cost_scale,
                      static_cast<std::int64_t>(cost_));
    if ((flags & kConstant) == 0) changes_ = bytes_.take((frames + 6) / 8);
    show();
  }

  const Reading& reading() {
    reading_.state = states_.empty() ? kBoth : static_cast<std::uint8_t>(states_[frame_]);
    return reading_;
  }

  void next() {
    const std::size_t bit = frame_++;
    if (changes_.empty()) return;
    if ((static_cast<std::uint8_t>(changes_[bit / 8]) >> (bit % 8) & 1) == 0) return;
    const std::uint64_t more = bytes_.signed_number();
    total_ += more;
    cost_ += bytes_.signed_number() + charge(price_, more);
    show();
  }

 private:
  void show() {
    reading_.total = from_units(*total_scale_, static_cast<std::int64_t>(total_));
    reading_.cost = from_units(*cost_scale_, static_cast<std::int64_t>(cost_));
  }

  Bytes bytes_;
  std::string_view states_;
  std::string_view changes_;
  const Scale* total_scale_ = nullptr;
  const Scale* cost_scale_ = nullptr;
  std::uint64_t total_ = 0;
  std::uint64_t cost_ = 0;
  double price_ = 0;
  std::size_t frame_ = 0;
  Reading reading_;
};

}  // namespace

Reading make_reading(const std::optional<double>& total, const std::optional<double>& cost) {
  Reading reading{Reading::kThere, total.value_or(0), cost.value_or(0)};
  if (total) reading.state |= Reading::kHasTotal;
  if (cost) reading.state |= Reading::kHasCost;
  return reading;
}

std::optional<double> total_of(const Reading& reading) {
  return reading.has(Reading::kHasTotal) ? std::optional(reading.total) : std::nullopt;
}

std::optional<double> cost_of(const Reading& reading) {
  return reading.has(Reading::kHasCost) ? std::optional(reading.cost) : std::nullopt;
}

void BlockWriter::add(std::int64_t series, std::span<const Reading> readings) {
  if (series <= last_series_) {
    throw core::Error(core::ErrorCode::kInternal, "series {} is in a snapshot twice", series);
  }
  bool varied = false;
  bool said = false;
  std::vector<double> totals(readings.size());
  std::vector<double> costs(readings.size());
  double total = 0;
  double cost = 0;
  const auto first_of = [&](Reading::State bit, double Reading::*number) {
    const auto found = std::ranges::find_if(readings, [&](const Reading& r) { return r.has(bit); });
    return found == readings.end() ? 0 : (*found).*number;
  };
  total = first_of(Reading::kHasTotal, &Reading::total);
  cost = first_of(Reading::kHasCost, &Reading::cost);
  for (std::size_t i = 0; i < readings.size(); ++i) {
    varied = varied || readings[i].state != kBoth;
    said = said || readings[i].state != 0;
    if (readings[i].has(Reading::kHasTotal)) total = readings[i].total;
    if (readings[i].has(Reading::kHasCost)) cost = readings[i].cost;
    totals[i] = total;
    costs[i] = cost;
  }
  if (!said) return;

  const Column total_units(totals);
  const Column cost_units(costs);
  std::string changes((readings.size() + 6) / 8, '\0');
  std::string later;
  const double price =
      price_of(total_units.scale(), total_units[0], cost_units.scale(), cost_units[0]);
  for (std::size_t i = 1; i < readings.size(); ++i) {
    const std::uint64_t more = unsigned_of(total_units[i]) - unsigned_of(total_units[i - 1]);
    const std::uint64_t cost_more = unsigned_of(cost_units[i]) - unsigned_of(cost_units[i - 1]);
    if (more == 0 && cost_more == 0) continue;
    changes[(i - 1) / 8] =
        static_cast<char>(static_cast<std::uint8_t>(changes[(i - 1) / 8]) | 1U << ((i - 1) % 8));
    put_signed(later, more);
    put_signed(later, cost_more - charge(price, more));
  }
  std::string line;
  line.push_back(static_cast<char>((varied ? kVaried : 0) | (later.empty() ? kConstant : 0)));
  if (varied) {
    for (const Reading& reading : readings) line.push_back(static_cast<char>(reading.state));
  }
  line.push_back(static_cast<char>(total_units.scale() | cost_units.scale() << 4));
  put_signed(line, unsigned_of(total_units[0]));
  put_signed(line, unsigned_of(cost_units[0]));
  if (!later.empty()) line += changes + later;

  put(index_, unsigned_of(series - last_series_));
  put(index_, line.size());
  lines_ += line;
  last_series_ = series;
  ++count_;
}

std::string BlockWriter::finish() const {
  std::string out;
  put(out, kVersion);
  put(out, frames_.size());
  Frame before;
  for (const Frame& frame : frames_) {
    put_signed(out, unsigned_of(frame.poll - before.poll));
    put_signed(out, unsigned_of(frame.at - before.at));
    before = frame;
  }
  put(out, count_);
  return out + index_ + lines_;
}

void BlockReader::open(std::string_view bytes) {
  Bytes in(bytes, kBlock);
  if (in.number() != kVersion) damaged();
  // No count may be more than there are bytes.
  const auto count = [&] {
    const std::uint64_t number = in.number();
    if (number > bytes.size()) damaged();
    return static_cast<std::size_t>(number);
  };
  frames_.resize(count());
  if (frames_.empty()) damaged();
  std::uint64_t poll = 0;
  std::uint64_t at = 0;
  for (Frame& frame : frames_) {
    frame.poll = static_cast<std::int64_t>(poll += in.signed_number());
    frame.at = static_cast<std::int64_t>(at += in.signed_number());
  }
  lines_.resize(count());
  std::uint64_t series = 0;
  std::size_t from = 0;
  for (Line& line : lines_) {
    const auto before = static_cast<std::int64_t>(series);
    line.series = static_cast<std::int64_t>(series += in.number());
    if (line.series <= before && &line != lines_.data()) damaged();
    line.from = from;
    line.size = count();
    from += line.size;
  }
  text_ = in.take(from);
}

std::optional<std::size_t> BlockReader::frame_of(std::int64_t poll) const {
  const auto found = std::ranges::find(frames_, poll, &Frame::poll);
  if (found == frames_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - frames_.begin());
}

std::optional<std::size_t> BlockReader::find(std::int64_t series) const {
  const auto found = std::ranges::lower_bound(lines_, series, {}, &Line::series);
  if (found == lines_.end() || found->series != series) return std::nullopt;
  return static_cast<std::size_t>(found - lines_.begin());
}

Reading BlockReader::at(std::size_t line, std::size_t frame) const {
  Cursor cursor(text_.substr(lines_[line].from, lines_[line].size), frames_.size());
  for (std::size_t i = 0; i < frame; ++i) cursor.next();
  return cursor.reading();
}

void BlockReader::read(std::size_t line, std::vector<Reading>& readings) const {
  readings.clear();
  readings.reserve(frames_.size());
  Cursor cursor(text_.substr(lines_[line].from, lines_[line].size), frames_.size());
  for (std::size_t i = 0; i < frames_.size(); ++i) {
    if (i > 0) cursor.next();
    readings.push_back(cursor.reading());
  }
}

}  // namespace usaged::store
