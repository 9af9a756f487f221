#include "store/postgres.h"

#include <endian.h>
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace usaged::store {
namespace {

using core::Error;
using core::ErrorCode;
using std::chrono::steady_clock;

// Types of values (PostgreSQL, pg_type.dat), and how they look in its binary format: numbers with
// their highest byte first.
constexpr Oid kBool = 16;
constexpr Oid kBytes = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;
constexpr Oid kFloat8 = 701;
constexpr int kBinary = 1;

// Whoever writes a database of ours holds this lock of the server's.
constexpr std::int64_t kWriteLock = kApplicationId;

constexpr const char* kNoConnection = "08006";
// So many statements are sent before it is asked what became of them.
constexpr int kMostWaiting = 500;
// How long it is tried to learn whether a transaction was committed: servers restart, and fail
// over, in less.
constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kBetweenAttempts{500};

// What libpq is told where the URL says nothing else: peers that are gone are noticed.
constexpr std::array<std::pair<const char*, const char*>, 6> kDefaults{{
    {"application_name", "inspector-usaged"},
    {"connect_timeout", "10"},
    {"keepalives_idle", "30"},
    {"keepalives_interval", "10"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "60000"},
}};
// A writer that stands still for longer lets others in.
constexpr const char* kWriterSettings =
    "SET lock_timeout = '30s'; SET statement_timeout = '5min'; "
    "SET idle_in_transaction_session_timeout = '60s'; "
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') = 'off'";

// What libpq says of a connection has lines, indented.
std::string in_one_line(std::string_view message) {
  std::string line;
  for (const char c : message) {
    const bool space = c == '\n' || c == '\t' || c == ' ';
    if (!space) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  if (line.ends_with(' ')) line.pop_back();
  return line;
}

bool has_worked(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

std::string encoded(std::int64_t value) {
  const std::uint64_t bytes = htobe64(static_cast<std::uint64_t>(value));
  std::string text(sizeof(bytes), '\0');
  std::memcpy(text.data(), &bytes, sizeof(bytes));
  return text;
}

std::int64_t decoded(const char* bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return static_cast<std::int64_t>(be64toh(value));
}

// ? and ?N, as SQLite counts them, become $N.
std::string with_numbers(const std::string& sql, int& parameters) {
  std::string text;
  bool quoted = false;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '\'') quoted = !quoted;
    if (quoted || sql[i] != '?') {
      text += sql[i];
      continue;
    }
    int number = 0;
    while (i + 1 < sql.size() && std::isdigit(static_cast<unsigned char>(sql[i + 1])) != 0) {
      number = number * 10 + (sql[++i] - '0');
    }
    if (number == 0) number = parameters + 1;
    parameters = std::max(parameters, number);
    text += fmt::format("${}", number);
  }
  return text;
}

}  // namespace

class PostgresStatement : public Statement {
 public:
  PostgresStatement(PostgresEngine& engine, const std::string& sql) : engine_(engine) {
    int parameters = 0;
    sql_ = with_numbers(sql, parameters);
    parameters_.resize(static_cast<std::size_t>(parameters));
  }

  void bind(int index, std::int64_t value) override { set(index, kInt8, encoded(value)); }
  void bind(int index, double value) override {
    set(index, kFloat8, encoded(std::bit_cast<std::int64_t>(value)));
  }
  void bind(int index, const std::string& value) override { set(index, kText, value); }
  void bind_blob(int index, std::string_view bytes) override {
    set(index, kBytes, std::string(bytes));
  }
  void bind_null(int index) override { at(index) = {}; }
  void clear() override { std::ranges::fill(parameters_, Parameter{}); }

  bool step() override {
    if (!result_) {
      result_ = execute();
      row_ = -1;
    }
    return ++row_ < PQntuples(result_.get());
  }
  void run() override {
    if (!engine_.in_pipeline()) {
      execute();
      return;
    }
    send();
    if (++engine_.waiting_ >= kMostWaiting) engine_.wait();
  }
  std::int64_t run_for_count() override {
    result_ = execute();
    return std::strtoll(PQcmdTuples(result_.get()), nullptr, 10);
  }
  void reset() override { result_.reset(); }

  bool is_null(int column) const override { return PQgetisnull(result_.get(), row_, column) != 0; }
  std::int64_t integer(int column) const override {
    if (is_null(column)) return 0;
    const char* bytes = value(column);
    switch (type(column)) {
      case kInt8:
        return decoded(bytes);
      case kInt4: {
        std::uint32_t number = 0;
        std::memcpy(&number, bytes, sizeof(number));
        return static_cast<std::int32_t>(be32toh(number));
      }
      case kBool:
        return *bytes;
      default:
        throw Error(ErrorCode::kInternal, "{}: column {} is no integer (type {})", sql_, column,
                    type(column));
    }
  }
  double real(int column) const override {
    if (is_null(column)) return 0;
    if (type(column) == kFloat8) return std::bit_cast<double>(decoded(value(column)));
    return static_cast<double>(integer(column));
  }
  std::string text(int column) const override {
    switch (type(column)) {
      case kFloat8:
        return is_null(column) ? "" : fmt::format("{}", real(column));
      case kInt8:
      case kInt4:
        return is_null(column) ? "" : std::to_string(integer(column));
      default:
        return std::string(blob(column));
    }
  }
  std::string_view blob(int column) const override {
    return {value(column), static_cast<std::size_t>(PQgetlength(result_.get(), row_, column))};
  }

 private:
  struct Parameter {
    Oid type = 0;  // 0: NULL
    std::string value;
  };

  Parameter& at(int index) { return parameters_.at(static_cast<std::size_t>(index - 1)); }
  void set(int index, Oid type, std::string value) { at(index) = {type, std::move(value)}; }
  const char* value(int column) const { return PQgetvalue(result_.get(), row_, column); }
  Oid type(int column) const { return PQftype(result_.get(), column); }

  // Prepared for the types that are bound: a server would guess them from what is around.
  const std::string& name() {
    std::vector<Oid> types;
    for (const Parameter& parameter : parameters_) types.push_back(parameter.type);
    PGconn* connection = engine_.connection();
    if (session_ != engine_.session_) names_.clear();
    session_ = engine_.session_;
    const auto [found, is_new] = names_.try_emplace(types);
    if (is_new) {
      const std::string name = fmt::format("s{}", ++engine_.statements_);
      if (PQsendPrepare(connection, name.c_str(), sql_.c_str(), static_cast<int>(types.size()),
                        types.data()) == 0) {
        names_.erase(found);
        engine_.fail(nullptr);
      }
      try {
        engine_.wait();
      } catch (...) {
        names_.erase(found);
        throw;
      }
      found->second = name;
    }
    return found->second;
  }

  PostgresEngine::Result execute() {
    return engine_.again([this] {
      send();
      return engine_.wait();
    });
  }

  void send() {
    const std::string& statement = name();
    std::vector<const char*> values;
    std::vector<int> lengths;
    for (const Parameter& parameter : parameters_) {
      values.push_back(parameter.type == 0 ? nullptr : parameter.value.data());
      lengths.push_back(static_cast<int>(parameter.value.size()));
    }
    const std::vector<int> formats(parameters_.size(), kBinary);
    if (PQsendQueryPrepared(engine_.connection_.get(), statement.c_str(),
                            static_cast<int>(values.size()), values.data(), lengths.data(),
                            formats.data(), kBinary) == 0) {
      engine_.fail(nullptr);
    }
  }

  PostgresEngine& engine_;
  std::string sql_;
  std::vector<Parameter> parameters_;
  int session_ = 0;
  std::map<std::vector<Oid>, std::string> names_;
  PostgresEngine::Result result_;
  int row_ = -1;
};

bool is_postgres(std::string_view database) {
  return database.starts_with("postgresql://") || database.starts_with("postgres://");
}

std::string place_of(const std::string& url) {
  if (!is_postgres(url)) return url;
  const std::size_t at = url.find('@');
  const std::size_t start = url.find("://") + 3;
  const std::size_t end = url.find('?');
  const std::size_t from = at != std::string::npos && at < end ? at + 1 : start;
  return "postgresql://" + url.substr(from, end == std::string::npos ? end : end - from);
}

std::string random_name() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

Error error_of(const PostgresError& error, const std::string& database, std::string_view what) {
  const std::string place = place_of(database);
  if (error.state == "57014") {
    return Error(ErrorCode::kUnavailable,
                 "{}: took too long; ask for less (a shorter range, a larger step)", what);
  }
  const std::string kind = error.state.substr(0, 2);
  const bool passes = kind == "08" || kind == "53" || kind == "40" || error.state == "55P03" ||
                      error.state.starts_with("57P") || error.state == "25P03";
  return Error(passes ? ErrorCode::kUnavailable : ErrorCode::kStorage, "{}: {}: {} (SQLSTATE {})",
               place, what, error.what(), error.state);
}

PostgresEngine::PostgresEngine(const std::string& url, Access access)
    : url_(url), place_(place_of(url)), access_(access), writer_(random_name()) {
  connect();
}

PostgresEngine::~PostgresEngine() = default;

void PostgresEngine::connect() {
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : kDefaults) {
    names.push_back(name);
    values.push_back(value);
  }
  // What comes later wins, and a name that is a URL is taken apart.
  names.push_back("dbname");
  values.push_back(url_.c_str());
  names.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectdbParams(names.data(), values.data(), 1));
  ++session_;
  open_ = false;
  if (PQstatus(connection_.get()) != CONNECTION_OK) fail(nullptr);
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
  const char* settings =
      access_ == Access::kWrite ? kWriterSettings : "SET default_transaction_read_only = on";
  if (PQsendQuery(connection_.get(), settings) == 0) fail(nullptr);
  wait();
}

PGconn* PostgresEngine::connection() {
  if (!open_ && PQstatus(connection_.get()) != CONNECTION_OK) connect();
  return connection_.get();
}

void PostgresEngine::fail(const PGresult* result) {
  const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* said =
      result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  throw PostgresError(state != nullptr ? state : kNoConnection,
                      in_one_line(said != nullptr ? said : PQerrorMessage(connection_.get())));
}

void PostgresEngine::enter_pipeline() {
  if (PQenterPipelineMode(connection_.get()) == 0) fail(nullptr);
}

void PostgresEngine::leave_pipeline() {
  if (!in_pipeline()) return;
  wait();
  if (PQexitPipelineMode(connection_.get()) == 0) fail(nullptr);
}

void PostgresEngine::send(const std::string& sql) {
  if (PQsendQueryParams(connection_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) ==
      0) {
    fail(nullptr);
  }
}

// Until a result can be had without waiting.
void PostgresEngine::wait_for_input() {
  PGconn* connection = connection_.get();
  bool cancelled = false;
  while (PQflush(connection) == 1 || PQisBusy(connection) != 0) {
    pollfd socket{PQsocket(connection), POLLIN, 0};
    if (PQflush(connection) == 1) socket.events |= POLLOUT;
    int patience = -1;
    if (deadline_ && !cancelled) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - steady_clock::now());
      patience = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    }
    if (::poll(&socket, 1, patience) == 0) {
      cancelled = true;
      std::array<char, 256> ignored{};
      if (PGcancel* cancel = PQgetCancel(connection)) {
        PQcancel(cancel, ignored.data(), ignored.size());
        PQfreeCancel(cancel);
      }
    }
    if (PQconsumeInput(connection) == 0) fail(nullptr);
  }
}

PostgresEngine::Result PostgresEngine::wait() {
  PGconn* connection = connection_.get();
  const bool piped = in_pipeline();
  if (piped && PQpipelineSync(connection) == 0) fail(nullptr);
  waiting_ = 0;
  // The last of several, or the first that failed.
  Result last;
  for (;;) {
    wait_for_input();
    Result result(PQgetResult(connection));
    // A pipeline has this between its statements.
    if (!result && piped && PQstatus(connection) == CONNECTION_OK) continue;
    if (!result || PQresultStatus(result.get()) == PGRES_PIPELINE_SYNC) break;
    if (!last || has_worked(last.get())) last = std::move(result);
  }
  if (last && !has_worked(last.get())) fail(last.get());
  return last;
}

PostgresEngine::Result PostgresEngine::run(const std::string& sql) {
  return again([&] {
    if (PQsendQuery(connection(), sql.c_str()) == 0) fail(nullptr);
    return wait();
  });
}

std::unique_ptr<Statement> PostgresEngine::prepare(const std::string& sql) {
  return std::make_unique<PostgresStatement>(*this, sql);
}

void PostgresEngine::execute(const std::string& sql) {
  // There may be several statements in it, which a pipeline does not take.
  const bool piped = in_pipeline();
  leave_pipeline();
  run(sql);
  if (piped) enter_pipeline();
}

void PostgresEngine::begin_write() {
  const Result found = again([this] {
    connection();
    enter_pipeline();
    send("BEGIN");
    send(fmt::format("SELECT pg_advisory_xact_lock({})", kWriteLock));
    // A statement of its own: it must see what whoever had the lock has done.
    if (schema_) send("SELECT max(version) FROM migration");
    return wait();
  });
  open_ = true;
  if (!schema_) return;
  const auto version = static_cast<int>(std::strtol(PQgetvalue(found.get(), 0, 0), nullptr, 10));
  if (version > *schema_) throw made_by_newer(place_, version);
}

void PostgresEngine::begin_read() {
  run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  open_ = true;
}

void PostgresEngine::commit() {
  ++transactions_;
  try {
    send(
        fmt::format("INSERT INTO written (writer, transactions) VALUES ('{0}', {1}) ON CONFLICT "
                    "(writer) DO UPDATE SET transactions = {1}, at = now()",
                    writer_, transactions_));
    send("COMMIT");
    leave_pipeline();
    open_ = false;
  } catch (const PostgresError&) {
    open_ = false;
    if (PQstatus(connection_.get()) == CONNECTION_OK || !committed()) throw;
  }
}

// Whether the last transaction, whose connection was lost, was committed.
// Nobody can know while the server is away.
bool PostgresEngine::committed() {
  const auto until = steady_clock::now() + kPatience;
  for (;;) {
    try {
      connect();
      // Once the lock is free, that transaction has ended.
      const Result found = run(fmt::format(
          "BEGIN; SELECT pg_advisory_xact_lock({}); SELECT 1 FROM written WHERE writer = "
          "'{}' AND transactions = {}",
          kWriteLock, writer_, transactions_));
      const bool there = PQntuples(found.get()) == 1;
      run("COMMIT");
      return there;
    } catch (const PostgresError&) {
      if (steady_clock::now() > until) throw;
      std::this_thread::sleep_for(kBetweenAttempts);
    }
  }
}

void PostgresEngine::roll_back() noexcept {
  try {
    leave_pipeline();
  } catch (const std::exception&) {  // what is left of the transaction is undone below
    PQexitPipelineMode(connection_.get());
  }
  if (PQtransactionStatus(connection_.get()) == PQTRANS_INTRANS ||
      PQtransactionStatus(connection_.get()) == PQTRANS_INERROR) {
    Result(PQexec(connection_.get(), "ROLLBACK"));
  }
  open_ = false;
}

}  // namespace usaged::store
