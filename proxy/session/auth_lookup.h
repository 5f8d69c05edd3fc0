// One auth_query: what is asked about one user of one database, who waits for the answer, and what
// came back.
#pragma once

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "protocol/bytes.h"
#include "proxy/pool/pool.h"
#include "proxy/session/ports.h"

namespace pgweir {

struct PoolDesk;
struct ServerConnection;

// auth_query itself, or the roles that a user is a member of, for rules of the HBA file that name
// groups.
enum class LookupKind : std::uint8_t { secret, roles };

// What auth_query told.
struct LookedUp {
  bool found = false;  // false: there is no such user
  std::string secret;  // empty: NULL, which never matches
};

// Reads the answer: RowDescription with exactly two columns and a row (name, secret), or with one
// column and as many rows as there are roles. Pure; takes messages in parts.
class LookupReply {
 public:
  explicit LookupReply(LookupKind kind) : kind_(kind) {}
  // A part of a message of the server's, without its header; `ends` with its last part.
  void on_piece(char tag, bool starts, bool ends, Bytes body);
  // What is wrong with the answer so far; empty: nothing. For the log.
  const std::string& flaw() const { return flaw_; }
  bool found() const { return found_; }
  const std::string& name() const { return name_; }
  const std::string& secret() const { return secret_; }
  const std::set<std::string>& roles() const { return roles_; }

 private:
  void on_row(Bytes body);
  const LookupKind kind_;
  bool described_ = false, found_ = false;
  Buffer part_;  // of a message that came in parts
  std::string name_, secret_, flaw_;
  std::set<std::string> roles_;
};

// Owned by its worker, from the first client that asks until the answer has been told. A waiter of
// the pool in which auth_query runs; afterwards it holds one of that pool's servers, without ever
// sending it a SET (CVE-2025-12819). Clients that come while it is under way share its answer, so
// that a crowd of one user costs one query.
struct AuthLookup {
  using Key = std::tuple<LookupKind, std::string, std::string>;  // kind, database, user
  AuthLookup(LookupKind what, std::string of_database, std::string of_user)
      : kind(what), database(std::move(of_database)), user(std::move(of_user)), reply(what) {}

  const LookupKind kind;
  Waiter waiter;
  const std::string database, user;  // as the clients asked
  std::string query;
  PoolDesk* desk = nullptr;
  ServerConnection* server = nullptr;  // running it
  Duration wait_limit{};               // query_wait_timeout; 0: none
  std::vector<Token> clients;
  LookupReply reply;
};

}  // namespace pgweir
