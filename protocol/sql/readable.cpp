// digest.h's readable().
#include "protocol/sql/digest.h"
#include "protocol/sql/level.h"

namespace pgweir::sql {

std::string readable(std::string_view normalized) {
  std::string text;
  unsigned number = 0;
  bool quoted = false;
  for (const char c : normalized) {
    if (c == '"') quoted = !quoted;
    if ((c == placeholder || c == signed_placeholder) && !quoted)
      text += "$" + std::to_string(++number);
    else
      text += c;
  }
  return text;
}

}  // namespace pgweir::sql
