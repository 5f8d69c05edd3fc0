// What one server has been sent about prepared statements in SQL and has not answered yet.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/policy/prepared/sql_plan.h"

namespace pgweir::policy {

// A portal that was bound to a PREPARE, an EXECUTE or a DEALLOCATE.
struct VerbPortal {
  std::string portal;              // its name
  bool bound = true;               // false: only what is under way can still be about it
  std::uint64_t mark = 0;          // of the requests that are about it
  std::string statement;           // the client's name of what it was bound to
  Verb verb = Verb::other;
  std::string name;                // the client's name of what it is about
  std::uint64_t about_id = 0;      // its name on the server is PGBOUNCER_<about_id>
  StatementRef about;              // EXECUTE, DEALLOCATE: what that means; PREPARE: what it makes
  bool taken = false;              // PREPARE of a name that the client has already
  StatementRef text;               // what was bound: the client's text with the server's name in it
  std::vector<SqlEdit> edits;      // how the two texts differ
};

// Owned by the server connection; of its current client.
struct SqlInFlight {
  bool query_under_way = false;            // one whose text we have changed: whatever is said behind it waits
  std::vector<SqlEdit> edits;              // of that query
  std::vector<SqlRename> renames;
  std::vector<SqlOrder> orders;            // of that query, or of one Execute
  std::vector<VerbPortal> portals;         // until nothing is open any more

  const VerbPortal* portal(std::string_view name) const {
    const auto found = std::find_if(portals.begin(), portals.end(), [&](const VerbPortal& p) { return p.bound && p.portal == name; });
    return found == portals.end() ? nullptr : &*found;
  }
  const VerbPortal* marked(std::uint64_t mark) const {
    const auto found = std::find_if(portals.begin(), portals.end(), [&](const VerbPortal& p) { return p.mark == mark; });
    return found == portals.end() ? nullptr : &*found;
  }
  void unbind(std::string_view name) {
    for (VerbPortal& p : portals) p.bound &= p.portal != name;
  }
  // Nothing that was sent is unanswered.
  void end_query() {
    query_under_way = false;
    edits.clear();
    renames.clear();
    orders.clear();
    std::erase_if(portals, [](const VerbPortal& p) { return !p.bound; });
  }
  bool empty() const { return !query_under_way && orders.empty() && portals.empty(); }
  void forget() {
    end_query();
    portals.clear();
  }
};

}  // namespace pgweir::policy
