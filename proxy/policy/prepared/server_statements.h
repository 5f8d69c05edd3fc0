// Which prepared statements exist on one server connection.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "proxy/policy/prepared/statement_store.h"

namespace pgweir::policy {

// A statement that another worker prepared on a server before it handed it over.
struct ForeignStatement {
  SharedText text;
  std::uint64_t id = 0;
};

// Owned by the server connection. The least recently used is dropped first, but never one that a request under way
// may still need.
class ServerStatements {
 public:
  struct Prepared {
    StatementRef statement;        // empty: foreign, not asked for yet
    SharedText text;
    std::uint64_t id = 0;          // its name there is PGBOUNCER_<id>
    std::uint32_t version = 0;     // of the statement when it was prepared
    std::uint32_t used_in = 0;     // epoch
    bool stale() const { return statement && statement->version != version; }
  };

  Prepared* find(const Statement& statement);
  // One that was used in this epoch is not dropped.
  void touch(Prepared& prepared);
  Prepared& add(StatementRef statement, std::uint64_t id);
  // Takes the statement off the table, if it is there under that id.
  std::optional<Prepared> remove(const Statement& statement);
  // Takes the least recently used one off the table if there are more than `max`.
  std::optional<Prepared> drop_surplus(std::size_t max);
  // Puts back what was taken off, as the first to go.
  void restore(Prepared prepared);
  // Nothing is under way: whatever was used so far may be dropped.
  void begin_epoch() { ++epoch_; }
  void clear();
  // Some may be gone without our knowledge: each is closed and prepared anew when it is needed next.
  void suspect_all();
  std::size_t count() const { return by_age_.size(); }
  // The statement with that id, null when there is none. Looks at all of them.
  Statement* by_id(std::uint64_t id) const;

  std::vector<ForeignStatement> hand_over() const;
  void take_over(const std::vector<ForeignStatement>& statements);
  // A foreign one of that text is out of date.
  void forget_foreign(const StatementText& text);
  bool has_foreign(std::uint64_t id) const;
  // Takes a foreign one off the table that has a name which is about to be given anew.
  std::optional<Prepared> remove_foreign(std::uint64_t id);

  // The server's unnamed statement is what its client believes it to be.
  bool unnamed_is_the_clients = false;

 private:
  using ByAge = std::list<Prepared>;           // least recently used first
  ByAge by_age_;
  std::unordered_map<const Statement*, ByAge::iterator> by_statement_;
  std::size_t foreign_ = 0;                    // how many of by_age_ have no statement yet
  std::uint32_t epoch_ = 1;
};

}  // namespace pgweir::policy
