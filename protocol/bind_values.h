// The values of a Bind, for people. They are looked at where log_parameter_max_length asks for it, and nowhere else.
#pragma once

#include <cstddef>
#include <string>

#include "protocol/bytes.h"

namespace pgweir {

// `$1 = '42', $2 = NULL, $3 = '\x0000002a'`, as PostgreSQL's log has it, but for values in binary: those are hexadecimal,
// for their types are not known. `rest` is what follows the names in a Bind, or its beginning; of each value `each_max`
// bytes are told, and `...`; of all about `all_max`. Empty when there are none.
std::string describe_values(Bytes rest, std::size_t each_max, std::size_t all_max);

}  // namespace pgweir
