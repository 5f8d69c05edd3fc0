// What a query string becomes when its PREPARE, EXECUTE and DEALLOCATE are to work on any server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/policy/prepared/client_statements.h"
#include "proxy/policy/prepared/server_statements.h"
#include "proxy/policy/prepared/sql_verb.h"

namespace pgweir::policy {

// A PREPARE or DEALLOCATE under way, in the order of their CommandCompletes.
struct SqlOrder {
  Verb verb = Verb::prepare;
  bool ours = false;               // the client did not ask for it, and does not hear of it
  std::string name;                // the client's; empty: of a stand-in
  StatementRef statement;          // what the PREPARE makes; empty: it was expected to fail
};

// A place where the text for the server differs from the client's. In characters, as PostgreSQL counts positions.
struct SqlEdit {
  std::uint32_t at = 0;            // in the text for the server
  std::uint32_t removed = 0, added = 0;
};

// `position`, counted from 1, in the client's text; that of the place for what only we have written.
std::uint32_t client_position(const std::vector<SqlEdit>& edits, std::uint32_t position);

struct SqlRename {
  std::uint64_t id = 0;            // the server knows it as PGBOUNCER_<id>
  std::string name;                // the client's
};

// A client's text and what its server is told instead.
class SqlRewrite {
 public:
  explicit SqlRewrite(std::string_view sql) : sql_(sql) {}
  // Puts `words` before what is at `at`. Calls come in the order of the text.
  void insert(std::size_t at, std::string_view words) { replace(at, at, words); }
  void replace(std::size_t from, std::size_t to, std::string_view words);
  std::string finish();
  std::vector<SqlEdit> edits;

 private:
  void copy_up_to(std::size_t at);

  std::string_view sql_;
  std::string text_;
  std::size_t copied_ = 0;         // of sql_
  std::uint32_t characters_ = 0;   // in text_
};

// The server's name for it, in quotes.
std::string quoted_name(std::uint64_t id);

// Text that makes `statement`, which has come into being by PREPARE, exist.
std::string prepare_text(const Statement& statement);

// `text` with what its one verb names called by the server's name.
std::string renamed(std::string_view text, const SqlVerb& verb, std::string_view server_name,
                    std::vector<SqlEdit>& edits);

// What has to happen for a simple query. A value; nothing has been done yet.
struct SqlPlan {
  std::string text;                         // to send; empty: the client's own
  std::vector<SqlEdit> edits;
  std::vector<SqlRename> renames;
  std::vector<SqlOrder> orders;
  std::vector<StatementRef> needed;         // to be on the server beforehand, which only a Parse can do
  std::vector<StatementRef> in_the_way;     // not to be on the server
  std::size_t made = 0;                     // how many statements it adds to the server
};

// Each statement sees the names as those before it leave them. PREPARE gets a name of ours, which is the same wherever
// the text is the same; EXECUTE is preceded by the PREPARE that its server lacks, so that an error comes at its place;
// DEALLOCATE takes away a stand-in, since others may use the statement. `planning`: what the client has set by now.
SqlPlan plan_sql(std::string_view sql, const std::vector<SqlVerb>& verbs, const SharedPlanning& planning,
                 const ClientStatements& client, ServerStatements& server, StatementStore& store);

}  // namespace pgweir::policy
