// set_config(name, value, is_local): which setting it sets, as far as the text tells.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/sql/lexer.h"

namespace pgweir::sql {

struct ConfigCall {
  bool whole = false;            // its closing bracket is there
  bool is_local = false;         // TRUE stands there: it ends with the transaction
  std::uint16_t parameter = 0;   // the name is that of parameter $n; 0: it is not
  std::string setting;           // the name, in lower case; empty: it is a parameter, or cannot be read
  bool readable() const { return parameter != 0 || !setting.empty(); }
};

// `first` is the token behind the bracket, `lexer` stands behind it. Neither is used up.
ConfigCall read_config_call(Lexer lexer, Token first);

}  // namespace pgweir::sql
