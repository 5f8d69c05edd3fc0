// PostgreSQL's own functions.
#pragma once

#include <string_view>

namespace pgweir::sql {

// Whether the name, in lower case and without a schema, is that of a function of PostgreSQL 15's which neither changes the
// session nor takes locks for it, or of a keyword or type that a bracket may follow.
bool is_builtin_function(std::string_view name);

}  // namespace pgweir::sql
