// The class a statement belongs to: its text without what changes from call to call, and a number
// for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sql {

// Writes the normalized text of `sql` to `text`, whose old contents are dropped and whose memory is
// used again, and returns its digest (never 0). Statements of one digest differ in nothing but
//   - literals and parameters, which become placeholders;
//   - how many members an IN list, an ARRAY or a VALUES list has, when they look alike;
//   - comments, blanks, the case of what is not quoted, and semicolons at the end;
//   - names of savepoints, cursors and what DEALLOCATE names, which programs make up.
// Where a literal is part of what the statement is (CREATE FUNCTION, ALTER ROLE ... PASSWORD,
// NOTIFY), it counts for the digest; in the text it is a placeholder all the same, so that no
// secret is shown. `cut`: the end of the statement is missing; an unfinished list member at the end
// is left out. `values`: where the numbers and strings that have become placeholders stand in `sql`.
std::uint64_t digest(std::string_view sql, std::string& text, bool cut = false, std::vector<std::string_view>* values = nullptr);

// The normalized text for people: placeholders are $1, $2, ...
std::string readable(std::string_view normalized);

// A fast hash of any bytes; never 0. Not for bytes that an attacker must not be able to make
// collide.
std::uint64_t hash(std::string_view bytes, std::uint64_t seed = 0);

}  // namespace pgweir::sql
