// What is taken for granted of requests that a server has not answered yet, and how to take it back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/policy/prepared/client_statements.h"
#include "proxy/policy/prepared/server_statements.h"

namespace pgweir::policy {

struct Assumption {
  enum class What : std::uint8_t {
    named,          // the client's name means another statement (or none) than `before`
    prepared,       // the server has been given `statement`
    taken_off,      // the server has been told to close `removed`
    unnamed,        // the client's unnamed statement is no longer `before`; `statement`: it is that one, by a name of ours
    renewed,        // the server's unnamed statement has become the client's
    duplicate,      // the server will refuse this Parse, for `name` is taken
  };
  What what = What::named;
  bool unnamed_was_the_clients = false;
  StatementRef statement;
  StatementRef before;
  std::string name;
  std::optional<ServerStatements::Prepared> removed;
};

// The log of one server's current client. In the order of the owed replies that the Conversation has noted, so that
// counts are enough to match the two. Owned by the server connection.
//
//   settled | prepared | named(a, fake) | unnamed | ^ sync | unnamed ...
//             front: the next noted reply confirms it; an error takes back all up to its Sync
class Assumptions {
 public:
  void push(Assumption assumption);
  // The server got a Sync or a Query: what follows runs even if what came before fails.
  void on_boundary() {
    names_boundary_ = names_pushed_;
    unnamed_in_batch_ = false;
  }
  // A name, or a statement on the server, depends on requests of an earlier batch that are not answered yet: whoever
  // needs to know it has to wait.
  bool names_in_doubt() const { return names_boundary_ > names_popped_; }
  // What the client's unnamed statement is depends on an earlier batch that is not answered yet.
  bool unnamed_unsettled() const { return !unnamed_in_batch_ && log_.size() - head_ > names_pushed_ - names_popped_; }
  bool empty() const { return head_ == log_.size(); }

  // The next `count` have come true. False: one did that could not. `pool` is the key it happened in.
  [[nodiscard]] bool settle(unsigned count, std::uint64_t pool);
  // The next `count` never happened; the first of them is the one that failed, if `first_failed`.
  void take_back(unsigned count, bool first_failed, ClientStatements& client, ServerStatements& server);
  // The name that the next one is about, for an error text.
  std::string_view next_name() const { return empty() ? std::string_view{} : std::string_view(log_[head_].name); }
  void forget();

 private:
  static bool about_names(const Assumption& a) {
    return a.what != Assumption::What::unnamed && a.what != Assumption::What::renewed;
  }
  static void take_back_one(Assumption& a, ClientStatements& client, ServerStatements& server);
  void pop(unsigned count);

  std::vector<Assumption> log_;      // from head_ on
  std::size_t head_ = 0;
  std::uint64_t names_pushed_ = 0, names_popped_ = 0, names_boundary_ = 0;
  bool unnamed_in_batch_ = false;
};

}  // namespace pgweir::policy
