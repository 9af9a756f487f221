#include "store/block.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "core/error.h"

namespace usaged::store {
namespace {

using ::testing::ElementsAre;

Reading both(double total, double cost) { return make_reading(total, cost); }

// Equal to the bit, where there is a number.
void expect_same(const Reading& read, const Reading& written) {
  ASSERT_EQ(read.state, written.state);
  if (written.has(Reading::kHasTotal)) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(read.total),
              std::bit_cast<std::uint64_t>(written.total));
  }
  if (written.has(Reading::kHasCost)) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(read.cost), std::bit_cast<std::uint64_t>(written.cost));
  }
}

std::vector<Frame> frames(std::size_t count) {
  std::vector<Frame> all;
  for (std::size_t i = 0; i < count; ++i) {
    const auto n = static_cast<std::int64_t>(i);
    all.push_back({1000 + 7 * n, 1772323200 + 3600 * n});
  }
  return all;
}

// Writes lines, reads them back in every way, and returns the size.
std::size_t round_trip(const std::vector<std::vector<Reading>>& lines) {
  BlockWriter writer(frames(lines[0].size()));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    writer.add(static_cast<std::int64_t>(1 + 3 * i), lines[i]);
  }
  const std::string bytes = writer.finish();
  const BlockReader block(bytes);
  EXPECT_EQ(block.frames(), frames(lines[0].size()));
  EXPECT_EQ(block.size(), lines.size());
  std::vector<Reading> read;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto line = block.find(static_cast<std::int64_t>(1 + 3 * i));
    EXPECT_EQ(line, i);
    block.read(*line, read);
    EXPECT_EQ(read.size(), lines[i].size());
    for (std::size_t k = 0; k < read.size(); ++k) {
      expect_same(read[k], lines[i][k]);
      expect_same(block.at(*line, k), lines[i][k]);
    }
  }
  EXPECT_FALSE(block.find(2));
  return bytes.size();
}

TEST(Block, GivesBackEveryDoubleToTheBit) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::vector<double> odd{0.0,
                                -0.0,
                                1.0,
                                -1.0,
                                0.1,
                                1.0 / 3,
                                1893.4784083333334,
                                9375.379274166668,
                                4.6022044647,
                                1e15,
                                1e16,
                                1e300,
                                5e-324,
                                1e-11,
                                24.36,
                                std::nextafter(1.0, 2.0),
                                -123456.789,
                                9007199254740993.0,
                                kInfinity,
                                -kInfinity,
                                std::nan(""),
                                std::numeric_limits<double>::max()};
  std::vector<std::vector<Reading>> lines;
  for (const double first : odd) {
    for (const double second : odd) {
      lines.push_back({both(first, second), both(second, first), both(first, first),
                       both(first, first), both(second, second)});
    }
  }
  round_trip(lines);
}

TEST(Block, KeepsWhatIsMissingGoneOrUnknown) {
  const Reading nothing;
  const Reading gone{Reading::kGone};
  const Reading unknown = make_reading(std::nullopt, std::nullopt);
  const Reading no_cost = make_reading(5.0, std::nullopt);
  const Reading no_total = make_reading(std::nullopt, 7.0);
  const std::vector<Reading> all{nothing, gone, unknown, no_cost, no_total, both(1, 2)};
  std::vector<std::vector<Reading>> lines;
  for (const Reading& a : all) {
    for (const Reading& b : all) {
      for (const Reading& c : all) {
        if (a.state != 0 || b.state != 0 || c.state != 0) lines.push_back({a, b, c});
      }
    }
  }
  round_trip(lines);
}

TEST(Block, LeavesOutASeriesOfWhichNothingIsSaid) {
  BlockWriter writer(frames(1));
  EXPECT_TRUE(writer.empty());
  const Reading nothing;
  writer.add(5, {&nothing, 1});
  EXPECT_TRUE(writer.empty());
  const Reading something = both(1, 1);
  writer.add(6, {&something, 1});
  EXPECT_FALSE(writer.empty());
  // In order, and once.
  EXPECT_THROW(writer.add(6, {&something, 1}), core::Error);
  EXPECT_THROW(writer.add(4, {&something, 1}), core::Error);
}

TEST(Block, RandomHistoriesComeBackAndAreSmall) {
  std::mt19937_64 random(7);
  std::vector<std::vector<Reading>> lines;
  for (int i = 0; i < 100; ++i) {
    std::vector<Reading> line;
    std::int64_t ms = static_cast<std::int64_t>(random() % 36000000000);
    for (int k = 0; k < 24; ++k) {
      if (random() % 3 == 0) ms += static_cast<std::int64_t>(random() % 10000000);
      const double hours = static_cast<double>(ms) / 3600000;
      line.push_back(both(hours, std::round(hours * 0.0017361111 * 1e10) / 1e10));
    }
    lines.push_back(line);
  }
  // 16 bytes a pair as doubles.
  EXPECT_LT(round_trip(lines), 100U * 24 * 3);
}

TEST(Block, FindsItsFrames) {
  BlockWriter writer(frames(3));
  const std::vector<Reading> line{both(1, 1), both(2, 2), both(3, 3)};
  writer.add(1, line);
  const std::string bytes = writer.finish();
  const BlockReader block(bytes);
  EXPECT_EQ(block.frame_of(1007), 1U);
  EXPECT_EQ(block.frame_of(1), std::nullopt);
  EXPECT_EQ(block.at(0, 1).total, 2);
}

TEST(Block, SeriesThatAreNotInOrderAreDamage) {
  // One frame, and twice the same series.
  const std::string bytes{1, 1, 2, 2, 2, 5, 4, 0, 4, 0, 0, 2, 2, 0, 0, 2, 2, 0};
  EXPECT_THROW(BlockReader{bytes}, core::Error);
}

// Cut off anywhere, or with any byte changed, it is refused or read as something; nothing else.
TEST(Block, DamageIsNoticedOrHarmless) {
  std::vector<Reading> line;
  for (int i = 0; i < 12; ++i) line.push_back(both(i * 1.5, i / 3.0));
  line[5] = Reading{Reading::kGone};
  BlockWriter writer(frames(12));
  for (const std::int64_t series : {3, 9, 200}) writer.add(series, line);
  const std::string whole = writer.finish();
  const auto read_all = [](const std::string& bytes) {
    try {
      const BlockReader block(bytes);
      std::vector<Reading> read;
      for (std::size_t i = 0; i < block.size(); ++i) block.read(i, read);
      return true;
    } catch (const core::Error& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr("damaged"));
      return false;
    }
  };
  EXPECT_TRUE(read_all(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(read_all(whole.substr(0, size))) << size;
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int change : {1, 0x7f, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ change);
      read_all(bytes);
    }
  }
}

}  // namespace
}  // namespace usaged::store
