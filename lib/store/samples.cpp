#include "store/samples.h"

#include <algorithm>

#include "core/error.h"
#include "store/rows.h"

namespace usaged::store {
namespace {

// The blocks that may hold a poll (?1 scope, ?2 poll, ?3 day, ?4 month) of all series, or of a
// bucket (?5) with those of the days after until ?6. One statement, so that none can move
// meanwhile. (`level > 0` is what the index by bucket is of.)
constexpr const char* kBlocks =
    "SELECT data FROM sample_block WHERE scope_id = ?1 AND level = 0 AND at = ?2 "
    "UNION ALL SELECT data FROM sample_block WHERE scope_id = ?1 AND level = 1 AND at = ?3 "
    "UNION ALL SELECT data FROM sample_block WHERE scope_id = ?1 AND level = 2 AND at = ?4";
constexpr const char* kBlocksOfBucket =
    "SELECT data, 0 FROM sample_block WHERE scope_id = ?1 AND level = 0 AND at = ?2 AND "
    "bucket = ?5 UNION ALL SELECT data, at FROM sample_block WHERE scope_id = ?1 AND bucket = ?5 "
    "AND level = 1 AND level > 0 AND at BETWEEN ?3 AND ?6 "
    "UNION ALL SELECT data, 0 FROM sample_block WHERE scope_id = ?1 AND level = 2 AND at = ?4 "
    "AND bucket = ?5";

void bind(Query& statement, const PollRef& poll) {
  statement.bind(1, poll.scope);
  statement.bind(2, poll.poll);
  statement.bind(3, core::day_of(poll.at));
  statement.bind(4, core::month_number(core::month_of(core::day_of(poll.at))));
}

// One block of all that several ones say. A frame may be in one of them only.
BlockWriter merge(const std::vector<BlockReader>& blocks) {
  struct Source {
    Frame frame;
    std::size_t block;
    std::size_t index;
  };
  std::vector<Source> sources;
  std::vector<std::int64_t> series;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    for (std::size_t i = 0; i < blocks[b].frames().size(); ++i) {
      sources.push_back({blocks[b].frames()[i], b, i});
    }
    for (std::size_t i = 0; i < blocks[b].size(); ++i) series.push_back(blocks[b].series(i));
  }
  std::ranges::stable_sort(
      sources, {}, [](const Source& one) { return std::pair(one.frame.at, one.frame.poll); });
  std::ranges::sort(series);
  series.erase(std::unique(series.begin(), series.end()), series.end());

  std::vector<Frame> frames;
  for (const Source& source : sources) frames.push_back(source.frame);
  BlockWriter writer(std::move(frames));
  std::vector<Reading> line(sources.size());
  std::vector<std::vector<Reading>> parts(blocks.size());
  for (const std::int64_t one : series) {
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      parts[b].clear();
      if (const auto found = blocks[b].find(one)) blocks[b].read(*found, parts[b]);
    }
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const std::vector<Reading>& part = parts[sources[i].block];
      line[i] = part.empty() ? Reading{} : part[sources[i].index];
    }
    writer.add(one, line);
  }
  return writer;
}

// What thinning keeps of a day: what the poll said, and the first and the last total of each
// series.
BlockWriter thinned(const BlockReader& block, const PollRef& kept) {
  std::vector<Frame> frames = block.frames();
  auto kept_frame = block.frame_of(kept.poll);
  if (!kept_frame) {  // the poll had none of these series
    kept_frame = frames.size();
    frames.push_back({kept.poll, core::unix_seconds(kept.at)});
  }
  std::vector<bool> needed(frames.size());
  needed[*kept_frame] = *kept_frame < block.frames().size();
  std::vector<std::vector<Reading>> lines(block.size());
  for (std::size_t i = 0; i < block.size(); ++i) {
    block.read(i, lines[i]);
    lines[i].resize(frames.size());
    std::optional<std::size_t> first;
    std::size_t last = 0;
    bool gone = false;
    for (std::size_t k = 0; k < frames.size(); ++k) {
      const Reading& reading = lines[i][k];
      if (reading.state != 0) gone = reading.has(Reading::kGone);
      if (!reading.has(Reading::kHasTotal)) continue;
      if (!first) first = k;
      last = k;
    }
    if (first) needed[*first] = needed[last] = true;
    // What was gone before the poll stays gone.
    if (gone && lines[i][*kept_frame].state == 0) {
      lines[i][*kept_frame].state = Reading::kGone;
      needed[*kept_frame] = true;
    }
  }
  std::vector<Frame> left;
  for (std::size_t k = 0; k < frames.size(); ++k) {
    if (needed[k]) left.push_back({frames[k].poll == kept.poll ? kept.poll : 0, frames[k].at});
  }
  BlockWriter writer(std::move(left));
  std::vector<Reading> line;
  for (std::size_t i = 0; i < block.size(); ++i) {
    line.clear();
    for (std::size_t k = 0; k < frames.size(); ++k) {
      if (needed[k]) line.push_back(lines[i][k]);
    }
    writer.add(block.series(i), line);
  }
  return writer;
}

}  // namespace

std::vector<Sample> Samples::of(const PollRef& poll) {
  std::vector<Sample> samples;
  Query query(db_, kBlocks);
  bind(query, poll);
  while (query.step()) {
    const BlockReader block(query.blob(0));
    const auto frame = block.frame_of(poll.poll);
    if (!frame) continue;
    for (std::size_t i = 0; i < block.size(); ++i) {
      const Reading reading = block.at(i, *frame);
      if (reading.state != 0) samples.push_back({block.series(i), reading});
    }
  }
  // While a day is settled, some of it is still in polls.
  if (!std::ranges::is_sorted(samples, {}, &Sample::series)) {
    std::ranges::sort(samples, {}, &Sample::series);
  }
  return samples;
}

std::optional<Reading> Samples::find(const PollRef& poll, std::int64_t series) {
  std::optional<Reading> found;
  each(poll, {&series, 1}, [&](std::int64_t, const Reading& reading) { found = reading; });
  return found;
}

const Reading* Samples::Cached::reading(std::int64_t series) {
  Line& line = lines[static_cast<std::size_t>(series % kSeriesOfBlock)];
  if (line.number != number) {
    line.number = number;
    line.readings.clear();
    if (const auto found = block.find(series)) block.read(*found, line.readings);
  }
  if (line.readings.empty()) return nullptr;
  const Reading& reading = line.readings[frame];
  return reading.state == 0 ? nullptr : &reading;
}

void Samples::forget() {
  // What a few questions need is kept for its memory.
  constexpr std::size_t kMostKept = 16;
  if (cache_.size() > kMostKept) cache_.clear();
  for (auto& [key, cached] : cache_) cached.forget();
}

void Samples::Cached::forget() {
  there = false;
  missing = 0;
  ahead.clear();
  days = 0;
}

bool Samples::Cached::use(std::string_view block_bytes, std::int64_t poll) {
  bytes = block_bytes;
  block.open(bytes);
  lines.resize(kSeriesOfBlock);
  ++number;
  const auto found = block.frame_of(poll);
  if (found) frame = *found;
  there = found.has_value();
  return there;
}

// The block that has this poll, at its frame; nullptr if there is none.
Samples::Cached* Samples::block_of(const PollRef& poll, std::int64_t bucket) {
  Cached& cached = cache_[{poll.scope, bucket}];
  if (cached.there) {
    const std::vector<Frame>& frames = cached.block.frames();
    if (frames[cached.frame].poll == poll.poll) return &cached;
    if (cached.frame + 1 < frames.size() && frames[cached.frame + 1].poll == poll.poll) {
      ++cached.frame;
      return &cached;
    }
    if (const auto frame = cached.block.frame_of(poll.poll)) {
      cached.frame = *frame;
      return &cached;
    }
  } else if (cached.missing == poll.poll) {
    return nullptr;
  }
  const std::int64_t day = core::day_of(poll.at);
  // What was read ahead is true of the polls that it has; others may have come to their day since.
  const auto ahead = std::ranges::find(cached.ahead, day, &Cached::Day::day);
  if (ahead != cached.ahead.end() && cached.use(ahead->bytes, poll.poll)) return &cached;

  cached.there = false;
  cached.missing = poll.poll;
  // Twice as many days each time that one is asked for after the other.
  constexpr std::int64_t kMostDays = 8;
  constexpr std::int64_t kMostBlocks = 512;  // of all that is cached, some 4 kB each
  const std::int64_t most =
      std::clamp<std::int64_t>(kMostBlocks / std::ssize(cache_), 1, kMostDays);
  cached.days = cached.days > 0 && day == cached.last_day + 1 ? std::min(cached.days * 2, most) : 1;
  cached.last_day = day + cached.days - 1;
  cached.ahead.clear();
  Query query(db_, kBlocksOfBucket);
  bind(query, poll);
  query.bind(5, bucket);
  query.bind(6, cached.last_day);
  while (query.step()) {
    const std::int64_t of_day = query.integer(1);
    if (of_day > day) {
      cached.ahead.push_back({of_day, std::string(query.blob(0))});
    } else if (!cached.there) {
      cached.use(query.blob(0), poll.poll);
    }
    if (cached.there && of_day == cached.last_day) break;
  }
  return cached.there ? &cached : nullptr;
}

void Samples::each_settled(std::int64_t scope, std::int64_t bucket, const UseBlock& use) {
  Query query(db_, "SELECT data FROM sample_block WHERE scope_id = ? AND bucket = ? AND level > 0");
  query.bind(1, scope);
  query.bind(2, bucket);
  while (query.step()) use(query.blob(0));
}

void Samples::put(const PollRef& poll, std::span<const Sample> samples) {
  for (auto from = samples.begin(); from != samples.end();) {
    const std::int64_t bucket = bucket_of(from->series);
    BlockWriter writer({{poll.poll, core::unix_seconds(poll.at)}});
    for (; from != samples.end() && bucket_of(from->series) == bucket; ++from) {
      writer.add(from->series, {&from->reading, 1});
    }
    insert(kPoll, poll.scope, poll.poll, bucket, writer);
  }
}

void Samples::remove(const PollRef& poll) {
  Query statement(db_, "DELETE FROM sample_block WHERE scope_id = ? AND level = 0 AND at = ?");
  statement.bind(1, poll.scope);
  statement.bind(2, poll.poll);
  statement.run();
}

std::vector<Samples::Row> Samples::rows(Level level, std::int64_t scope, std::int64_t from,
                                        std::int64_t to, std::int64_t bucket) {
  // Of the polls of a day: those that the table has.
  Query query(
      db_, level == kPoll
               ? "SELECT b.id, b.data FROM scope s JOIN poll p ON p.target = s.target AND p.region "
                 "= s.region AND p.started BETWEEN ?2 * 86400 AND ?3 * 86400 + 86399 JOIN "
                 "sample_block b ON b.scope_id = s.id AND b.level = 0 AND b.at = p.id AND b.bucket "
                 "= ?4 WHERE s.id = ?1"
               : "SELECT id, data FROM sample_block WHERE scope_id = ?1 AND level = ?5 AND at "
                 "BETWEEN ?2 AND ?3 AND bucket = ?4");
  query.bind(1, scope);
  query.bind(2, from);
  query.bind(3, to);
  query.bind(4, bucket);
  if (level != kPoll) query.bind(5, static_cast<int>(level));
  std::vector<Row> rows;
  while (query.step()) {
    rows.push_back({query.integer(0), std::string(query.blob(1))});
  }
  return rows;
}

std::optional<std::int64_t> Samples::merge_some(Level from, std::int64_t scope, std::int64_t first,
                                                std::int64_t last, Level to, std::int64_t at,
                                                std::int64_t after) {
  Query next(
      db_, from == kPoll
               ? "SELECT min((SELECT min(b.bucket) FROM sample_block b WHERE b.scope_id = s.id AND "
                 "b.level = 0 AND b.at = p.id AND b.bucket > ?4)) FROM scope s JOIN poll p ON "
                 "p.target = s.target AND p.region = s.region AND p.started BETWEEN ?2 * 86400 AND "
                 "?3 * 86400 + 86399 WHERE s.id = ?1"
               : "SELECT bucket FROM sample_block WHERE scope_id = ?1 AND bucket > ?4 AND level = "
                 "1 AND at BETWEEN ?2 AND ?3 ORDER BY bucket LIMIT 1");
  next.bind(1, scope);
  next.bind(2, first);
  next.bind(3, last);
  next.bind(4, after);
  if (!next.step() || next.is_null(0)) return std::nullopt;
  const std::int64_t bucket = next.integer(0);
  next.reset();

  std::vector<Row> sources = rows(from, scope, first, last, bucket);
  for (Row& there : rows(to, scope, at, at, bucket)) sources.push_back(std::move(there));
  std::vector<BlockReader> blocks;
  for (const Row& source : sources) blocks.emplace_back(source.bytes);
  erase(sources);
  insert(to, scope, at, bucket, merge(blocks));
  return bucket;
}

std::optional<std::int64_t> Samples::settle_some(std::int64_t scope, std::int64_t day,
                                                 std::int64_t after) {
  return merge_some(kPoll, scope, day, day, kDay, day, after);
}

std::optional<std::int64_t> Samples::pack_some(std::int64_t scope, std::int64_t month,
                                               std::int64_t after) {
  return merge_some(kDay, scope, core::first_day(core::month_from(month)),
                    core::first_day(core::month_from(month + 1)) - 1, kMonth, month, after);
}

std::optional<std::int64_t> Samples::thin_some(const PollRef& kept, std::int64_t after) {
  const std::int64_t day = core::day_of(kept.at);
  Query query(db_,
              "SELECT id, bucket, data FROM sample_block WHERE scope_id = ? AND level "
              "= 1 AND at = ? AND bucket > ? ORDER BY bucket LIMIT 1");
  query.bind(1, kept.scope);
  query.bind(2, day);
  query.bind(3, after);
  if (!query.step()) return std::nullopt;
  const std::int64_t bucket = query.integer(1);
  const Row row{query.integer(0), std::string(query.blob(2))};
  query.reset();
  const BlockReader block(row.bytes);
  erase({row});
  insert(kDay, kept.scope, day, bucket, thinned(block, kept));
  return bucket;
}

void Samples::unsettle(std::int64_t scope) {
  std::vector<std::int64_t> ids;
  Query all(db_, "SELECT id FROM sample_block WHERE scope_id = ? AND level > 0");
  all.bind(1, scope);
  while (all.step()) ids.push_back(all.integer(0));
  Query query(db_, "SELECT bucket, data FROM sample_block WHERE id = ?");
  for (const std::int64_t id : ids) {
    query.bind(1, id);
    if (!query.step()) continue;
    const std::int64_t bucket = query.integer(0);
    const Row row{id, std::string(query.blob(1))};
    query.reset();
    const BlockReader block(row.bytes);
    if (block.frame_of(0)) continue;  // some of it is nobody's poll any more
    erase({row});
    for (std::size_t k = 0; k < block.frames().size(); ++k) {
      const Frame& frame = block.frames()[k];
      BlockWriter writer({frame});
      for (std::size_t i = 0; i < block.size(); ++i) {
        const Reading reading = block.at(i, k);
        writer.add(block.series(i), {&reading, 1});
      }
      insert(kPoll, scope, frame.poll, bucket, writer);
    }
  }
}

void Samples::insert(Level level, std::int64_t scope, std::int64_t at, std::int64_t bucket,
                     const BlockWriter& block) {
  if (block.empty()) return;
  Query statement(
      db_, "INSERT INTO sample_block (scope_id, level, at, bucket, data) VALUES (?, ?, ?, ?, ?)");
  statement.bind(1, scope);
  statement.bind(2, static_cast<int>(level));
  statement.bind(3, at);
  statement.bind(4, bucket);
  const std::string data = block.finish();
  statement.bind_blob(5, data);
  statement.run();
}

void Samples::erase(const std::vector<Row>& rows) {
  Query statement(db_, "DELETE FROM sample_block WHERE id = ?");
  for (const Row& row : rows) {
    statement.bind(1, row.id);
    statement.run();
    statement.reset();
  }
  cache_.clear();
}

}  // namespace usaged::store
