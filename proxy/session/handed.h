// What a process tells the one that takes over from it of a client or a server: a record beside its socket. Plain values;
// both ends are pgweirs, not necessarily of one version, so that the format has a number.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/cancel_key.h"

namespace pgweir {

inline constexpr std::uint32_t handed_version = 2;     // 1: without `startup`

using HandedPairs = std::vector<std::pair<std::string, std::string>>;

// A prepared statement: how a client calls it, or under which number a server has it.
struct HandedStatement {
  std::string name;
  std::uint64_t id = 0;
  bool sql = false;                    // by PREPARE
  std::string identity;
};

struct HandedServer {
  std::string database, user;          // of its pool
  std::string server_database;         // where it is logged in
  std::string host;
  std::uint16_t port = 0;
  CancelKey cancel;
  HandedPairs parameters, settings;
  std::vector<HandedStatement> statements;
  std::uint64_t age_ms = 0, lifetime_ms = 0;
  std::string welcome;                 // what its pool tells clients at their login
  HandedPairs pool_parameters;
};

struct HandedClient {
  std::string database, user;
  CancelKey cancel;
  bool long_key = false;
  HandedPairs parameters, settings, startup;
  std::vector<HandedStatement> statements;
  std::optional<HandedStatement> unnamed;
  std::uint64_t age_ms = 0;
  std::optional<HandedServer> server;  // that it holds, in session mode
};

void encode(const HandedServer& server, Buffer& out);
void encode(const HandedClient& client, Buffer& out);
// Nothing: not whole, or of another version.
std::optional<HandedServer> decode_server(Bytes record);
std::optional<HandedClient> decode_client(Bytes record);

}  // namespace pgweir
