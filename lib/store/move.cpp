#include "store/move.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <optional>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "store/database.h"
#include "store/write_lock.h"

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;

// Rows in a transaction.
constexpr std::int64_t kBatch = 5000;

enum class Type { kInteger, kReal, kText, kBlob };

struct Relation {
  std::string name;
  std::vector<std::string> columns;  // the key's first
  std::vector<Type> types;
  std::size_t keys = 0;
  bool counts = false;  // gives its rows numbers, and none of them twice

  std::string list(std::size_t count, std::string_view after = "") const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back(columns[i] + std::string(after));
    return fmt::format("{}", fmt::join(names, ", "));
  }
};

Type type_of(const std::string& declared) {
  if (declared == "INTEGER") return Type::kInteger;
  if (declared == "REAL") return Type::kReal;
  return declared == "TEXT" ? Type::kText : Type::kBlob;
}

// What there is to copy, as the schema of a file has it, those that others refer to first. What an
// engine keeps for itself stays.
std::vector<Relation> tables_of(Connection& file) {
  std::vector<Relation> tables;
  Query names(file,
              "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_schema WHERE type = 'table' AND "
              "name NOT LIKE 'sqlite_%' AND name NOT IN ('migration', 'written', 'moving', "
              "'sample') ORDER BY rowid");
  while (names.step()) {
    Relation table;
    table.name = names.text(0);
    table.counts = names.integer(1) != 0;
    Query columns(
        file,
        "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY CASE pk WHEN 0 THEN 100 "
        "ELSE pk END, cid");
    columns.bind(1, table.name);
    while (columns.step()) {
      table.columns.push_back(columns.text(0));
      table.types.push_back(type_of(columns.text(1)));
      if (columns.integer(2) != 0) ++table.keys;
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

void put(Query& to, int index, const Query& from, int column, Type type) {
  if (from.is_null(column)) {
    to.bind_null(index);
    return;
  }
  switch (type) {
    case Type::kInteger:
      to.bind(index, from.integer(column));
      break;
    case Type::kReal:
      to.bind(index, from.real(column));
      break;
    case Type::kText:
      to.bind(index, from.text(column));
      break;
    case Type::kBlob:
      to.bind_blob(index, from.blob(column));
      break;
  }
}

std::string marks(std::size_t count) {
  return fmt::format("{}", fmt::join(std::vector<char>(count, '?'), ", "));
}

std::int64_t count(Connection& db, const Relation& table) {
  return db.integer("SELECT count(*) FROM " + table.name);
}

// The last key of a table, as its newest row has it.
struct Key {
  std::vector<std::int64_t> integers;
  std::vector<std::string> texts;  // an integer key has an empty one here, and the other way round

  void bind(Query& query, const Relation& table) const {
    for (std::size_t i = 0; i < table.keys; ++i) {
      const int index = static_cast<int>(i) + 1;
      if (table.types[i] == Type::kInteger) {
        query.bind(index, integers[i]);
      } else {
        query.bind(index, texts[i]);
      }
    }
  }
  static Key of(const Query& row, const Relation& table) {
    Key key;
    for (std::size_t i = 0; i < table.keys; ++i) {
      const int column = static_cast<int>(i);
      const bool number = table.types[i] == Type::kInteger;
      key.integers.push_back(number ? row.integer(column) : 0);
      key.texts.push_back(number ? "" : row.text(column));
    }
    return key;
  }
};

std::optional<Key> last_key(Connection& db, const Relation& table) {
  Query query(db, fmt::format("SELECT {} FROM {} ORDER BY {} LIMIT 1", table.list(table.keys),
                              table.name, table.list(table.keys, " DESC")));
  if (!query.step()) return std::nullopt;
  return Key::of(query, table);
}

// Calls `use` with each row after a key, or with all, in the order of keys; `batch_ends` after some
// of them.
void each_row(Connection& db, const Relation& table, std::optional<Key> after,
              const std::function<void(const Query&)>& use,
              const std::function<void()>& batch_ends) {
  for (;;) {
    std::int64_t read = 0;
    {
      const std::string from =
          after ? fmt::format("WHERE ({}) > ({})", table.list(table.keys), marks(table.keys)) : "";
      Query rows(db, fmt::format("SELECT {} FROM {} {} ORDER BY {} LIMIT {}",
                                 table.list(table.columns.size()), table.name, from,
                                 table.list(table.keys), kBatch));
      if (after) after->bind(rows, table);
      while (rows.step()) {
        use(rows);
        after = Key::of(rows, table);
        ++read;
      }
    }
    batch_ends();
    if (read < kBatch) return;
  }
}

// A hash of all rows: types, lengths and bytes.
std::string checksum(Connection& db, const std::vector<Relation>& tables,
                     const std::function<void(std::int64_t)>& progress) {
  std::string chain;
  for (const Relation& table : tables) {
    std::string text = chain + table.name;
    std::int64_t rows = 0;
    each_row(
        db, table, std::nullopt,
        [&](const Query& row) {
          ++rows;
          for (std::size_t i = 0; i < table.columns.size(); ++i) {
            const int column = static_cast<int>(i);
            if (row.is_null(column)) {
              text += 'n';
            } else if (table.types[i] == Type::kInteger) {
              text += fmt::format("i{}", row.integer(column));
            } else if (table.types[i] == Type::kReal) {
              text += fmt::format("r{:x}", std::bit_cast<std::uint64_t>(row.real(column)));
            } else {
              const std::string_view bytes = row.blob(column);
              text += fmt::format("b{}:", bytes.size());
              text += bytes;
            }
          }
        },
        [&] {
          text = core::hex(core::sha256(text));
          progress(rows);
          rows = 0;
        });
    chain = text;
  }
  return chain;
}

// The last number that a table has given, which may be of a row that is no longer there.
std::int64_t last_number(Connection& db, bool file, const Relation& table) {
  if (!file) {
    return db.integer(fmt::format(
        "SELECT coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence('{}', 'id') AS "
        "regclass)), 0)",
        table.name));
  }
  return db.integer(fmt::format(
      "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{}'), 0)", table.name));
}

// Goes on counting after a number. A file counts from its largest row, unless it is to know of
// larger ones.
void set_last_number(Connection& db, bool file, const Relation& table, std::int64_t number) {
  if (file && table.counts) {
    db.execute(
        fmt::format("UPDATE sqlite_sequence SET seq = {1} WHERE name = '{0}'; INSERT INTO "
                    "sqlite_sequence (name, seq) SELECT '{0}', {1} WHERE NOT EXISTS (SELECT "
                    "1 FROM sqlite_sequence WHERE name = '{0}')",
                    table.name, number));
  } else if (!file && number > 0) {
    db.execute(
        fmt::format("SELECT setval(CAST(pg_get_serial_sequence('{}', 'id') AS regclass), {})",
                    table.name, number));
  }
}

// Marks a database as one that is not whole yet. Throws Error(kConflict) unless it is new, or was
// begun from the same.
void begin(Connection& target, const std::string& from, bool has_rows) {
  Query begun(target, "SELECT source FROM moving");
  if (begun.step()) {
    if (begun.text(0) == from) return;
    throw Error(ErrorCode::kConflict,
                "{}: is a copy of {} that is not complete; it was left as it is",
                target.engine().place(), begun.text(0));
  }
  if (has_rows) {
    throw Error(ErrorCode::kConflict, "{}: has a history of its own; it was left as it is",
                target.engine().place());
  }
  Transaction transaction(target);
  Query mark(target, "INSERT INTO moving (source) VALUES (?)");
  mark.bind(1, from);
  mark.run();
  transaction.commit();
}

// Copies what the target has not, each batch in a transaction; `note` is told how many rows it had.
void copy(Connection& source, Connection& target, const Relation& table,
          const std::function<void(std::int64_t)>& note) {
  std::optional<Transaction> transaction;
  Query insert(target, fmt::format("INSERT INTO {} ({}) VALUES ({})", table.name,
                                   table.list(table.columns.size()), marks(table.columns.size())));
  std::int64_t rows = 0;
  each_row(
      source, table, last_key(target, table),
      [&](const Query& row) {
        if (!transaction) transaction.emplace(target);
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
          put(insert, static_cast<int>(i) + 1, row, static_cast<int>(i), table.types[i]);
        }
        insert.run();
        insert.reset();
        ++rows;
      },
      [&] {
        if (transaction) transaction->commit();
        transaction.reset();
        note(rows);
        rows = 0;
      });
}

// New rows get numbers that go on from the source's.
void copy_numbers(Connection& source, Connection& target, const Relation& table, bool from_file) {
  if (table.keys != 1 || table.columns[0] != "id" || table.types[0] != Type::kInteger) return;
  const std::int64_t number =
      !from_file || table.counts ? last_number(source, from_file, table)
                                 : source.integer("SELECT coalesce(max(id), 0) FROM " + table.name);
  Transaction transaction(target);
  set_last_number(target, !from_file, table, number);
  transaction.commit();
}

}  // namespace

Moved move_store(const std::string& from, const std::string& to,
                 const std::function<void(double)>& progress) {
  const bool from_file = !is_postgres(from);
  if (from_file == !is_postgres(to)) {
    throw Error(
        ErrorCode::kInvalid,
        "one of the two must be a file, the other postgresql://...; `backup` copies a file, "
        "pg_dump a server's");
  }
  return guarded("copy", from_file ? to : from, [&] {
    const WriteLock lock(from_file ? from : to);
    Connection source = from_file ? open_reader(from) : open_postgres_reader(from);
    Connection target = from_file ? open_postgres_writer(to, Incomplete::kAllowed)
                                  : open_writer(to, lock, schema_version(), Incomplete::kAllowed);
    const Moment moment(source);
    const std::vector<Relation> tables = tables_of(from_file ? source : target);

    std::int64_t all = 0;
    Moved moved;
    for (const Relation& table : tables) {
      all += count(source, table);
      moved.resumed += count(target, table);
    }
    begin(target, place_of(from), moved.resumed > 0);
    // Copied once, read twice.
    std::int64_t done = moved.resumed;
    const auto note = [&](std::int64_t rows) {
      done += rows;
      if (progress) progress(static_cast<double>(done) / static_cast<double>(3 * all + 1));
    };
    moved.rows = all;
    for (const Relation& table : tables) {
      copy(source, target, table, note);
      copy_numbers(source, target, table, from_file);
    }
    moved.sha256 = checksum(source, tables, note);
    const std::string there = checksum(target, tables, note);
    if (there != moved.sha256) {
      throw Error(
          ErrorCode::kConflict,
          "{} and {} differ (SHA-256 {} and {}), though all was copied: did something write "
          "one of them? Empty the new one and begin anew",
          place_of(from), place_of(to), moved.sha256, there);
    }
    Transaction transaction(target);
    target.execute("DELETE FROM moving");
    transaction.commit();
    if (progress) progress(1);
    return moved;
  });
}

}  // namespace usaged::store
