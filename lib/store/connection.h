#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// What the store asks of a database engine. Parameters count from 1, columns from 0.
namespace usaged::store {

// A statement that an engine has prepared. Each of these throws what the engine throws, which
// guarded() turns into an Error.
class Statement {
 public:
  virtual ~Statement() = default;

  virtual void bind(int index, std::int64_t value) = 0;
  virtual void bind(int index, double value) = 0;
  virtual void bind(int index, const std::string& value) = 0;
  // The bytes must stay until it has run.
  virtual void bind_blob(int index, std::string_view bytes) = 0;
  virtual void bind_null(int index) = 0;
  // Nothing is bound any more.
  virtual void clear() = 0;

  // Goes to the next row; false: there is none.
  virtual bool step() = 0;
  // Runs it to its end. An engine may do so later, before it answers anything else or the
  // transaction ends; what is wrong with it is thrown then.
  virtual void run() = 0;
  // The same at once; how many rows it changed.
  virtual std::int64_t run_for_count() = 0;
  // Back to the beginning, with what is bound.
  virtual void reset() = 0;

  virtual bool is_null(int column) const = 0;
  virtual std::int64_t integer(int column) const = 0;
  virtual double real(int column) const = 0;
  virtual std::string text(int column) const = 0;
  // Until the next step.
  virtual std::string_view blob(int column) const = 0;
};

// One session of a database, as an engine has it.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::unique_ptr<Statement> prepare(const std::string& sql) = 0;
  // Statements without parameters, to their end.
  virtual void execute(const std::string& sql) = 0;
  // A transaction that may write, or one that reads as of one moment.
  virtual void begin_write() = 0;
  virtual void begin_read() = 0;
  // Ends one that wrote: it is on the disk then.
  virtual void commit() = 0;
  // Needs no memory; nothing if there is no transaction.
  virtual void roll_back() noexcept = 0;
  // Questions after this time end with an error that guarded() calls kUnavailable.
  virtual void set_deadline(std::chrono::steady_clock::time_point deadline) = 0;
  // Lets the database shrink by some of what it no longer uses, if that is much.
  virtual void give_back_space() = 0;
  // Where the database is, for people.
  virtual const std::string& place() const = 0;
};

// A session that keeps its statements once they are prepared, which costs more than most of them
// take to run.
class Connection {
 public:
  explicit Connection(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}

  Engine& engine() { return *engine_; }
  void execute(const std::string& sql) { engine_->execute(sql); }
  // The first column of the first row, which there must be.
  std::int64_t integer(const std::string& sql);

 private:
  friend class Query;
  std::unique_ptr<Engine> engine_;  // goes after its statements
  std::unordered_map<std::string, std::vector<std::unique_ptr<Statement>>> idle_;  // by their text
};

// A statement of a connection's, with nothing bound, until this goes. Not for texts of which there
// is no end, since each is kept.
class Query {
 public:
  Query(Connection& db, const std::string& sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  void bind(int index, int value) { statement_->bind(index, std::int64_t{value}); }
  void bind(int index, std::int64_t value) { statement_->bind(index, value); }
  void bind(int index, double value) { statement_->bind(index, value); }
  void bind(int index, const std::string& value) { statement_->bind(index, value); }
  void bind(int index, const char* value) { statement_->bind(index, std::string(value)); }
  void bind_blob(int index, std::string_view bytes) { statement_->bind_blob(index, bytes); }
  void bind_null(int index) { statement_->bind_null(index); }

  bool step() { return statement_->step(); }
  // Runs one that returns an id, as INSERT ... RETURNING id does; the id.
  std::int64_t run_for_id();
  void run() { statement_->run(); }
  std::int64_t run_for_count() { return statement_->run_for_count(); }
  void reset() { statement_->reset(); }

  bool is_null(int column) const { return statement_->is_null(column); }
  std::int64_t integer(int column) const { return statement_->integer(column); }
  double real(int column) const { return statement_->real(column); }
  std::string text(int column) const { return statement_->text(column); }
  std::string_view blob(int column) const { return statement_->blob(column); }

  // Where the database is, for people.
  const std::string& place() const { return place_; }

 private:
  using Idle = std::vector<std::unique_ptr<Statement>>;
  const std::string& place_;
  Idle& idle_;
  std::unique_ptr<Statement> statement_;
};

// What is written between its beginning and commit() is stored as a whole, or not at all. It can be
// undone without memory, and ends one before it that could not be.
class Transaction {
 public:
  explicit Transaction(Connection& db);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Connection& db_;
  bool open_ = true;
};

// What is read while it lives is as of one moment.
class Moment {
 public:
  explicit Moment(Connection& db);
  ~Moment();
  Moment(const Moment&) = delete;
  Moment& operator=(const Moment&) = delete;

 private:
  Connection& db_;
};

}  // namespace usaged::store
