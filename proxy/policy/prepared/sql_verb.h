// Recognises the SQL statements that are about prepared statements. One pass, no allocation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgweir::policy {

enum class Verb : std::uint8_t {
  other,
  prepare,        // PREPARE name ... AS ...
  execute,        // EXECUTE name ...
  deallocate,     // DEALLOCATE [PREPARE] name
};

// What a query string says, if it is one statement.
//
//   EXECUTE  "My plan"  (1, 2)
//            ^ name_at ^ name_end ... end: before the semicolon
struct SqlVerb {
  Verb verb = Verb::other;
  std::string name;                // as PostgreSQL folds it
  std::size_t name_at = 0, name_end = 0, end = 0;
};

// Source: PostgreSQL documentation, "Lexical Structure". Anything else than a single PREPARE, EXECUTE or DEALLOCATE
// of a name is `other`.
SqlVerb recognise(std::string_view sql);

// Whether one of its statements prepares or deallocates (DEALLOCATE, DISCARD, PREPARE). May say yes for too many: a
// semicolon in a string counts. Does not see what a function or DO does.
bool touches_statements(std::string_view sql);

}  // namespace pgweir::policy
