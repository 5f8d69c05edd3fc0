// Where load goes: the URL of a pooler or server, and whose CPU is charged for it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/socket.h"
#include "bench/tls.h"

namespace pgweir::bench {

struct Target {
  std::string name;
  Address address;
  std::string user = "postgres";
  std::string password;
  std::string database = "postgres";
  std::shared_ptr<const TlsSettings> tls;  // null: plain text
  std::vector<int> pids;  // given by the user; empty: the owner of the listening socket is found
};

// `NAME=postgres://user:password@host:port/database[?host=/socket/dir][,pid=PID]...`. A `host` that
// begins with a slash is the directory of a Unix socket named as PostgreSQL names it. TLS with
// `sslmode=require`, and as libpq knows them `sslcert`, `sslkey` and `sslnegotiation=direct`; without
// sslmode plain text. Percent escapes are decoded. Throws std::runtime_error.
Target parse_target(std::string_view text);

}  // namespace pgweir::bench
