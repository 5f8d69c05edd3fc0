// The prepared statements of one client, by the names it gave them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "proxy/policy/prepared/statement_store.h"

namespace pgweir::policy {

// Owned by the client session. A client without statements costs two pointers; a statement with a short name 16 bytes in
// a table that is half full or more, and the memory of its name.
class ClientStatements {
 public:
  // PostgreSQL tells names apart by their first 63 bytes.
  static constexpr std::size_t name_bytes_max = 63;
  static std::string_view key_of(std::string_view name) { return name.substr(0, name_bytes_max); }

  ClientStatements();
  ~ClientStatements();

  // Valid until the next change.
  const StatementRef* find(std::string_view name) const;
  // Empty: the name is free again.
  void set(std::string_view name, StatementRef statement);
  void erase(std::string_view name);
  // All names; the unnamed statement stays.
  void clear();
  void for_each(const std::function<void(std::string_view name, const StatementRef& statement)>& f) const;
  std::size_t count() const;
  // What its names and texts come to, each text counted as if it were this client's alone.
  std::size_t bytes() const;
  // A name of that statement, for an error text. Looks at all of them.
  std::string_view name_of(const Statement& statement) const;

  StatementRef unnamed;            // empty: it has none, or one too large to be remembered

 private:
  struct Table;
  std::unique_ptr<Table> named_;
};

}  // namespace pgweir::policy
