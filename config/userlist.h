// auth_file: users and their secrets.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "config/mistake.h"

namespace pgweir {

inline constexpr std::size_t user_name_bytes_max = 127;
inline constexpr std::size_t secret_bytes_max = 65530;

struct Userlist {
  std::map<std::string, std::string, std::less<>> secrets;  // plain, md5… or SCRAM-SHA-256$…
  Mistakes mistakes;                                        // all of them warnings
};

// `"user" "secret"` per line, "" for one quote, the rest of the line is ignored, `;` starts a
// comment line. A broken line is a warning and is left out; the others count. (PgBouncer stops at
// the first broken line and keeps what came before it.)
Userlist parse_userlist(std::string_view text, const std::string& file);

}  // namespace pgweir
