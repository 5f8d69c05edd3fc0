// Recognises the SQL statements that are about prepared statements. One pass; allocates only where it finds one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::policy {

enum class Verb : std::uint8_t {
  other,
  prepare,        // PREPARE name ... AS ...
  execute,        // EXECUTE name ..., also behind EXPLAIN or CREATE TABLE ... AS
  deallocate,     // DEALLOCATE [PREPARE] name
  forget_all,     // DEALLOCATE [PREPARE] ALL, DISCARD ALL
};

// What one statement of a query string says. Offsets count from the beginning of the string.
//
//   explain EXECUTE  "My plan"  (1, 2) ;
//   ^ begin          ^ name_at ^ name_end
//                                      ^ end
struct SqlVerb {
  Verb verb = Verb::other;
  std::string name;                // as PostgreSQL folds it
  std::size_t begin = 0, name_at = 0, name_end = 0, end = 0;
  // It is about one prepared statement, by name.
  bool names_one() const { return verb != Verb::other && verb != Verb::forget_all; }
};

// Source: PostgreSQL documentation, "Lexical Structure", with standard_conforming_strings on.
// Those of the string's statements that are not `other`, in order.
std::vector<SqlVerb> verbs_in(std::string_view sql);
// The string's verb, if it is a single statement.
SqlVerb recognise(std::string_view sql);

// Whether one of its statements prepares or deallocates (DEALLOCATE, DISCARD, PREPARE). May say yes for too many: a
// semicolon in a string counts. Does not see what a function or DO does.
bool touches_statements(std::string_view sql);
// Whether one of its statements may be an EXECUTE, an EXPLAIN or a CREATE. May say yes for too many.
bool may_execute(std::string_view sql);

}  // namespace pgweir::policy
