#include "store/sample_table.h"

#include <sqlite3.h>

#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include "core/error.h"
#include "store/samples.h"
#include "store/sqlite.h"

// https://www.sqlite.org/vtab.html: an eponymous-only table, so that no schema names it.
namespace usaged::store {
namespace {

enum Column { kPollId, kSeriesId, kTotal, kCost, kGone };
constexpr int kOfPoll = 1;
constexpr int kOfSeries = 2;

constexpr double kPollCost = 1e3;  // of its rows, if a poll is not named: all of them
constexpr double kAllCost = 1e7;

struct Table : sqlite3_vtab {
  Connection* db = nullptr;
};

struct Cursor : sqlite3_vtab_cursor {
  explicit Cursor(Connection& db)
      : sqlite3_vtab_cursor(),
        samples(db),
        polls(db,
              "SELECT s.id, p.id, p.started FROM poll p JOIN scope s USING (target, region) WHERE "
              "p.outcome = 'ok' ORDER BY p.id"),
        poll(db,
             "SELECT s.id, p.id, p.started FROM poll p JOIN scope s USING (target, region) WHERE "
             "p.outcome = 'ok' AND p.id = ?1") {}

  // Goes on to the next row, if there is any.
  void next() {
    if (++row < rows.size()) return;
    row = 0;
    rows.clear();
    while (rows.empty() && query != nullptr && query->step()) {
      const PollRef ref{query->integer(0), query->integer(1), core::from_unix(query->integer(2))};
      poll_id = ref.poll;
      if (!series) {
        rows = samples.of(ref);
      } else if (const auto reading = samples.find(ref, *series)) {
        rows.push_back({*series, *reading});
      }
    }
    if (rows.empty()) query = nullptr;
  }

  Samples samples;
  Query polls;
  Query poll;
  Query* query = nullptr;  // one of the two; nullptr: no more rows
  std::optional<std::int64_t> series;
  std::int64_t poll_id = 0;
  std::vector<Sample> rows;
  std::size_t row = 0;
};

Cursor& self(sqlite3_vtab_cursor* cursor) { return *static_cast<Cursor*>(cursor); }

// Nothing may be thrown through SQLite.
template <typename Action>
int guard(sqlite3_vtab* table, Action action) {
  try {
    action();
    return SQLITE_OK;
  } catch (const std::exception& e) {
    sqlite3_free(table->zErrMsg);
    table->zErrMsg = sqlite3_mprintf("%s", e.what());
    const auto* error = dynamic_cast<const SQLite::Exception*>(&e);
    return error == nullptr ? SQLITE_ERROR : error->getErrorCode();
  }
}

int connect(sqlite3* handle, void* db, int /*argc*/, const char* const* /*argv*/,
            sqlite3_vtab** table, char** /*error*/) {
  const int code = sqlite3_declare_vtab(
      handle,
      "CREATE TABLE sample (poll_id INTEGER, series_id INTEGER, total REAL, cost REAL, gone "
      "INTEGER)");
  if (code != SQLITE_OK) return code;
  // It reads this database and nothing else, so that views may use it.
  sqlite3_vtab_config(handle, SQLITE_VTAB_INNOCUOUS);
  auto made = std::make_unique<Table>();
  made->db = static_cast<Connection*>(db);
  *table = made.release();
  return SQLITE_OK;
}

int disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);  // NOLINT(cppcoreguidelines-owning-memory): SQLite holds it
  return SQLITE_OK;
}

int best_index(sqlite3_vtab* /*table*/, sqlite3_index_info* info) {
  int arguments = 0;
  info->idxNum = 0;
  for (const auto& [column, plan] :
       {std::pair(kPollId, kOfPoll), std::pair(kSeriesId, kOfSeries)}) {
    for (int i = 0; i < info->nConstraint; ++i) {
      const auto& constraint = info->aConstraint[i];
      if (constraint.iColumn != column || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ ||
          constraint.usable == 0) {
        continue;
      }
      info->aConstraintUsage[i].argvIndex = ++arguments;
      info->idxNum |= plan;
      break;
    }
  }
  const bool poll = (info->idxNum & kOfPoll) != 0;
  const bool series = (info->idxNum & kOfSeries) != 0;
  info->estimatedCost = (poll ? kPollCost : kAllCost) / (series ? 100 : 1);
  info->estimatedRows = static_cast<sqlite3_int64>(info->estimatedCost);
  return SQLITE_OK;
}

int open(sqlite3_vtab* table, sqlite3_vtab_cursor** cursor) {
  return guard(table, [&] {
    *cursor = std::make_unique<Cursor>(*static_cast<Table*>(table)->db).release();
  });
}

int close(sqlite3_vtab_cursor* cursor) {
  delete &self(cursor);  // NOLINT(cppcoreguidelines-owning-memory): SQLite holds it
  return SQLITE_OK;
}

int filter(sqlite3_vtab_cursor* cursor, int plan, const char* /*name*/, int /*argc*/,
           sqlite3_value** argv) {
  return guard(cursor->pVtab, [&] {
    Cursor& at = self(cursor);
    int argument = 0;
    at.polls.reset();
    at.poll.reset();
    at.query = &at.polls;
    if ((plan & kOfPoll) != 0) {
      at.query = &at.poll;
      at.poll.bind(1, static_cast<std::int64_t>(sqlite3_value_int64(argv[argument++])));
    }
    at.series.reset();
    if ((plan & kOfSeries) != 0) at.series = sqlite3_value_int64(argv[argument]);
    at.rows.clear();
    at.row = 0;
    at.next();
  });
}

int next(sqlite3_vtab_cursor* cursor) {
  return guard(cursor->pVtab, [&] { self(cursor).next(); });
}

int at_end(sqlite3_vtab_cursor* cursor) { return self(cursor).rows.empty() ? 1 : 0; }

int column(sqlite3_vtab_cursor* cursor, sqlite3_context* result, int number) {
  const Cursor& at = self(cursor);
  const Sample& sample = at.rows[at.row];
  const auto number_or_null = [&](const std::optional<double>& value) {
    if (value) {
      sqlite3_result_double(result, *value);
    } else {
      sqlite3_result_null(result);
    }
  };
  switch (number) {
    case kPollId:
      sqlite3_result_int64(result, at.poll_id);
      break;
    case kSeriesId:
      sqlite3_result_int64(result, sample.series);
      break;
    case kTotal:
      number_or_null(total_of(sample.reading));
      break;
    case kCost:
      number_or_null(cost_of(sample.reading));
      break;
    default:
      sqlite3_result_int(result, sample.reading.has(Reading::kGone) ? 1 : 0);
      break;
  }
  return SQLITE_OK;
}

int row_id(sqlite3_vtab_cursor* cursor, sqlite3_int64* id) {
  *id = static_cast<sqlite3_int64>(self(cursor).row);
  return SQLITE_OK;
}

const sqlite3_module kModule = [] {
  sqlite3_module module{};
  module.xConnect = connect;
  module.xBestIndex = best_index;
  module.xDisconnect = disconnect;
  module.xOpen = open;
  module.xClose = close;
  module.xFilter = filter;
  module.xNext = next;
  module.xEof = at_end;
  module.xColumn = column;
  module.xRowid = row_id;
  return module;
}();

}  // namespace

void add_sample_table(Connection& db) {
  const int code = sqlite3_create_module(sqlite(db).getHandle(), "sample", &kModule, &db);
  if (code != SQLITE_OK) {
    throw core::Error(core::ErrorCode::kStorage, "{}: {}", db.engine().place(),
                      sqlite3_errmsg(sqlite(db).getHandle()));
  }
}

}  // namespace usaged::store
