// A PostgreSQL session after its login, as far as a pooler can tell: transactions, both query
// protocols, COPY, parameters, errors. No sockets, no time: the same class computes what a client
// would have been told directly.
//
// A statement of a client's is "c12.3 VERB arguments": whose it is, a number, and what to do. It
// echoes in the reply.
//   SELECT | ROWS count bytes | BEGIN | COMMIT | ROLLBACK | SET name='value' | SHOW name | FAIL |
//   SLEEP | NOTICE COPYIN | COPYOUT count | DIE | LITERAL (the TimeZone of its Parse) |
//   ALTER | STAR (its result type changes with each ALTER that anybody says)
//
// PREPARE name AS statement, EXECUTE name, DEALLOCATE name or ALL and DISCARD ALL stand alone, as in SQL.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sim {

using ParameterMap = std::map<std::string, std::string>;

// The settings that a fresh session reports.
ParameterMap default_parameters();
// How PostgreSQL spells a value.
std::string spelled(const std::string& name, const std::string& value);
// The place of `name` in the map, in any case; its end: unknown.
ParameterMap::const_iterator find_parameter(const ParameterMap& map, std::string_view name);

class SimSession {
 public:
  explicit SimSession(ParameterMap parameters = default_parameters())
      : parameters_(parameters), defaults_(std::move(parameters)) {}

  // Takes one whole message; replies are appended to `out`. Not while busy().
  void on_message(std::string_view message, std::string& out);
  // A SLEEP is running: it ends by finish() or cancel().
  bool busy() const { return busy_; }
  void finish(std::string& out);
  void cancel(std::string& out);
  // The message fails with 57014 instead of being executed: its sender was cancelled while it
  // waited.
  void reject(std::string_view message, std::string& out);
  // The message would be answered by nothing.
  bool silent(std::string_view message) const;

  bool dead() const { return dead_; }
  bool in_copy() const { return copy_in_; }
  char status() const { return status_; }
  bool at_rest() const {
    return status_ == 'I' && !busy_ && !copy_in_ && !batch_open_ && !skipping_;
  }
  const ParameterMap& parameters() const { return parameters_; }
  // How often anybody has said ALTER.
  void share_schema(unsigned& version) { schema_ = &version; }
  // Names of its statements.
  std::vector<std::string> prepared() const;
  const std::string& running() const { return current_; }
  // Somebody spoke into another's transaction, batch or COPY; empty: never.
  const std::string& breach() const { return breach_; }

 private:
  struct Portal {
    std::string sql;
    int rows_sent = 0;
    std::string time_zone;
  };

  struct Prepared {
    std::string sql;
    std::string time_zone;  // when it was parsed
    unsigned schema = 0;    // when its result type was last told
  };

  void run_simple(std::string& out);
  void execute_portal(Portal& portal, unsigned rows_max, std::string& out);
  // False: it failed, or is not over.
  bool run(const std::string& sql, bool simple, unsigned rows_max, Portal* portal,
           std::string& out);
  bool run_known(const std::string& verb, const std::string& rest, const std::string& sql,
                 bool simple, unsigned rows_max, Portal* portal, std::string& out);
  bool run_about_statements(const std::string& verb, const std::string& rest, bool simple, Portal* portal,
                            std::string& out);
  bool prepare(const std::string& name, const std::string& sql, std::string& out);
  const Prepared* find_prepared(const std::string& name, std::string& out);
  bool plan_is_stale(const std::string& name, std::string& out);
  const std::string& meant_by(const std::string& sql) const;
  void set(std::string_view assignment, std::string& out, bool& failed);
  void put(const std::string& name, const std::string& value, std::string& out);
  void discard_all(std::string& out);
  void end_transaction(bool commit, std::string& out);
  void fail(std::string_view code, std::string_view text, std::string& out);
  void on_extended(char tag, std::string_view body, std::string& out);
  void on_copy_message(char tag, std::string_view body, std::string& out);
  void statement_over(std::string& out);
  void notice_owner(const std::string& sql);
  bool refuses(const std::string& sql) const;
  bool returns_rows(const std::string& sql) const;

  ParameterMap parameters_, defaults_, before_transaction_;
  char status_ = 'I';
  bool busy_ = false, copy_in_ = false, skipping_ = false, batch_open_ = false, dead_ = false;
  bool simple_ = false;  // what runs came as a Query
  int copied_ = 0;
  std::string current_;                 // what runs
  std::deque<std::string> statements_;  // of the Query that runs, those to come
  std::map<std::string, Prepared> prepared_;
  unsigned* schema_ = nullptr;  // null: nobody says ALTER
  std::map<std::string, Portal> portals_;
  std::string owner_;  // of the open transaction, batch or COPY
  std::string breach_;
};

// Whose statement it is: "c12"; empty: the pooler's, or anybody's.
std::string owner_of(std::string_view sql);
// "c12.3 ROWS 5 9" -> "ROWS 5 9"; the pooler's own have no owner to strip, and "any SELECT" is everybody's.
std::string without_owner(const std::string& sql);

}  // namespace pgweir::sim
