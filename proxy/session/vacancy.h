// A database that a client drops, copies or renames must have nobody connected to it: servers of ours that nobody uses are
// closed before PostgreSQL hears of it, on every worker. Those in use are closed as soon as their clients leave them:
// PostgreSQL waits five seconds for them, and then refuses in its own words.
#pragma once

#include <string>
#include <string_view>

namespace pgweir {

class Worker;

class Vacancy {
 public:
  // Before the text goes out in a Query or a Parse. The other workers follow within their next turn.
  static void make(Worker& worker, std::string_view sql);

 private:
  static void empty(Worker& worker, const std::string& database);
};

}  // namespace pgweir
