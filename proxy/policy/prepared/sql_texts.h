// What an EXECUTE in SQL really runs: for the timings, where names are not followed from server to server.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "proxy/policy/prepared/client_statements.h"

namespace pgweir::policy {

// Whether a text begins with a word that names a prepared statement. Quick; comments are skipped.
bool begins_with_verb(std::string_view sql);
// Of what follows the name in `PREPARE name (types) AS statement` the statement; a text of another form as it is.
std::string_view prepared_body(std::string_view behind_name);
// The statement that `sql`, an EXECUTE, runs for a client who knows these; empty: it is none, or the name means nothing.
std::string_view executed_text(std::string_view sql, const ClientStatements& known);

// The texts of PREPAREs in one session. Owned by the server connection, which in session mode is the session; bounded.
class SqlTexts {
 public:
  static constexpr std::size_t names_max = 1000;
  static constexpr std::size_t text_bytes_max = 4096;

  struct Change {                 // what a statement has done to names
    bool one = false, all = false;
    std::string name;             // of `one`
  };
  // A statement has succeeded: PREPARE adds a name; DEALLOCATE and DISCARD take names away, and are told.
  Change on_done(std::string_view sql);
  std::string_view executed(std::string_view sql) const;

 private:
  std::map<std::string, std::string, std::less<>> texts_;
};

}  // namespace pgweir::policy
