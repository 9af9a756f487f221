#pragma once

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/error.h"
#include "store/connection.h"
#include "store/schema.h"

// The engine of a server: PostgreSQL, and what speaks its protocol.
namespace usaged::store {

// Whether the name of a database is that of one on a server: postgresql://[USER@]HOST[:PORT]/NAME
// [?PARAMETER=VALUE&...], as libpq has it.
bool is_postgres(std::string_view database);

// The database and its server: a URL without what it may have of secrets; the path of a file as it
// is.
std::string place_of(const std::string& url);

// What a process calls itself, and no other does.
std::string random_name();

// What the server, or the way to it, said: SQLSTATE (PostgreSQL, appendix A) and message.
struct PostgresError : std::runtime_error {
  PostgresError(std::string sqlstate, const std::string& message)
      : std::runtime_error(message), state(std::move(sqlstate)) {}
  std::string state;  // "08006" if there is no connection
};

// kUnavailable for what may be over soon (no connection, a deadline, a lock, a server that starts),
// kStorage for the rest.
core::Error error_of(const PostgresError& error, const std::string& database,
                     std::string_view what);

class PostgresEngine : public Engine {
 public:
  enum class Access { kRead, kWrite };

  // Throws PostgresError.
  PostgresEngine(const std::string& url, Access access);
  ~PostgresEngine() override;

  std::unique_ptr<Statement> prepare(const std::string& sql) override;
  void execute(const std::string& sql) override;
  // Writers of one database wait for each other, in whichever process they are. Throws
  // Error(kConfig) if a newer program has migrated it meanwhile.
  void begin_write() override;
  void begin_read() override;
  // If the connection is lost meanwhile, a new one tells whether it was committed.
  void commit() override;
  void roll_back() noexcept override;
  void set_deadline(std::chrono::steady_clock::time_point deadline) override {
    deadline_ = deadline;
  }
  // The server's autovacuum does.
  void give_back_space() override {}
  // From now on, a newer version of the schema than this is not written to.
  void know(int schema) { schema_ = schema; }
  const std::string& place() const override { return place_; }

 private:
  friend class PostgresStatement;
  struct Close {
    void operator()(PGconn* connection) const { PQfinish(connection); }
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Result = std::unique_ptr<PGresult, Close>;

  // A connection that works, made anew if need be and no transaction is open.
  PGconn* connection();
  void connect();
  // What a transaction writes is sent without waiting for what comes of it (libpq, "Pipeline
  // Mode"), until something is asked or the transaction ends.
  bool in_pipeline() const { return PQpipelineStatus(connection_.get()) != PQ_PIPELINE_OFF; }
  void enter_pipeline();
  void leave_pipeline();
  void send(const std::string& sql);
  // Waits for what was sent; throws if any of it failed, or the deadline has passed. The last
  // result.
  Result wait();
  void wait_for_input();
  Result run(const std::string& sql);
  bool committed();
  // Does it once more if a connection that was idle turns out to be gone, as after a restart of the
  // server: nothing is lost with it as long as no transaction is open.
  template <typename Action>
  Result again(Action action) {
    const int session = session_;
    try {
      return action();
    } catch (const PostgresError&) {
      const bool was_idle = !open_ && session == session_ && session > 0;
      if (!was_idle || PQstatus(connection_.get()) == CONNECTION_OK) throw;
    }
    return action();
  }
  [[noreturn]] void fail(const PGresult* result);

  std::string url_;
  std::string place_;
  Access access_;
  std::unique_ptr<PGconn, Close> connection_;
  int session_ = 0;                // counts connections: statements are prepared in one
  int statements_ = 0;             // names given
  int waiting_ = 0;                // sent, and nobody has waited for them
  bool open_ = false;              // a transaction
  std::string writer_;             // the key of this session's row in `written`
  std::int64_t transactions_ = 0;  // that it has tried to commit
  std::optional<int> schema_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
};

}  // namespace usaged::store
