// Which statement a server is working on and since when, for the slow-query log: attributes the extended protocol's
// replies to the text that was parsed, and charges a pipeline per statement.
//
// PostgreSQL sends what a batch answers at its Sync or at a Flush, so that a reply alone does not tell when its
// statement was over. wants_flush() says where a Flush makes it tell; what is answered together in spite of that
// shares the time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/framer.h"
#include "proxy/core/time.h"

namespace pgweir::policy {

// Owned by a server connection, used on its thread. In steady state it allocates nothing: texts live in slots that
// are used again.
class StatementClock {
 public:
  // More of a statement than this is not kept.
  static constexpr std::size_t text_bytes_max = 64 * 1024;
  // Texts of named statements are kept whole up to so many bytes in all, and shortened beyond.
  static constexpr std::size_t kept_bytes_max = 4 * 1024 * 1024;
  static constexpr std::size_t short_text_bytes = 256;
  // Of more named statements than this the texts are forgotten: names that a client has given up in SQL, or never closed.
  static constexpr std::size_t names_max = 10'000;
  // Every execution at the beginning of a batch is timed for itself; further on, only where the statement changes,
  // and each so many of one statement.
  static constexpr std::uint32_t alone_max = 32;

  struct Finished {
    std::string_view name;          // of the prepared statement; empty: unnamed, or a simple query
    std::string_view text;
    std::string_view values;        // of the parameters: `$1 = '42', $2 = NULL`; empty unless show_values() wants them
    bool simple = false;            // came as a Query
    bool function_call = false;
    unsigned shared = 1;            // took is the mean of so many executions that are answered together
    Duration took{};
    // Parts of it, and what was said; only as far as on_reply() and on_blocked() were told.
    Duration to_first_byte{};       // without an answer: all of it
    Duration blocked{};             // the client did not read
    std::uint64_t rows = 0, bytes_in = 0, bytes_out = 0;
    std::string_view sqlstate;      // of the last error; empty: none
    bool cut = false;               // the text was longer than text_bytes_max
  };

  // A message of the client's on its way to the server; all of its pieces, in order.
  void on_request(const Piece& piece, TimePoint now);
  // Whether a Flush is to go out in front of this message, so that the execution before it is timed for itself.
  bool wants_flush(const Piece& next) const { return executed_ > 0 && may_want_flush(next); }
  // A Flush of the pooler's own goes out.
  void on_flush() { ++group_; }
  // A Bind of a statement whose text is not known from this server's own requests. `values`: what follows the names.
  void on_bind(std::string_view portal, std::string_view name, std::string_view sql, Bytes values);
  // Of each value so many bytes are kept; 0: none, -1: all (within text_bytes_max).
  void show_values(int bytes_each) { value_bytes_ = bytes_each; }
  // What SQL has done to names of statements: DEALLOCATE name, DEALLOCATE ALL or DISCARD ALL.
  void forget_statement(std::string_view name);
  void forget_statements();
  // Nothing is owed any more, and no transaction is open: no portal is left.
  void forget_portals();
  // A reply's first piece with its body; `bytes` is the size of the whole message.
  void on_reply(char tag, std::size_t bytes, Bytes body, TimePoint now);
  // The client has not read for so long.
  void on_blocked(Duration time) { reply_.blocked += time; }
  // `count` statements are over. Calls report(Finished) for the first; the others never ran.
  template <typename F>
  void on_finished(unsigned count, TimePoint now, F&& report) {
    if (count == 0 || running_.empty()) return;
    const Running first = running_[head_];
    // An error is the last thing a batch tells: the time is all its own.
    const Finished done = finished(first, now, count == 1 ? sharers() : 1);
    report(done);
    last_end_ = done.shared > 1 ? std::max(first.sent_at, last_end_) + done.took : now;
    reply_ = {};
    drop(count);
  }
  // Names of statements and portals that are known.
  std::size_t names() const { return statements_.size() + portals_.size(); }
  // Statements sent and not yet over.
  std::size_t in_flight() const { return running_.size() - head_; }
  // The server has left its client (or a batch was given up): nothing is running, no name is known.
  void forget();
  // Since when the text that runs now has been running.
  TimePoint running_since() const {
    return running_.empty() ? TimePoint{} : std::max(running_[head_].sent_at, last_end_);
  }
  // The text that runs now, empty when none does. Valid until the next call.
  std::string_view running_text() const { return running_.empty() ? std::string_view{} : text_of(running_[head_]); }

 private:
  using Slot = std::uint32_t;
  static constexpr Slot no_slot = ~Slot{0};
  struct Text {
    std::string name;
    std::string sql;
    std::uint32_t users = 0;
    std::uint32_t next_spare = no_slot;
  };
  struct Portal {
    Slot text = no_slot;
    Slot values = no_slot;          // its `sql` is them
  };
  struct Running {
    Slot slot;
    Slot values;
    char tag;                       // of its message
    std::uint32_t group;            // those of one group may be answered together
    TimePoint sent_at;
    std::uint64_t bytes_in;
  };
  // What has come of the answer to the statement in front.
  struct Reply {
    TimePoint first_at{};
    Duration blocked{};
    std::uint64_t rows = 0, bytes = 0;
    std::uint64_t portion = 0;      // rows since the last CommandComplete or PortalSuspended
    char sqlstate[6] = {};
  };

  bool may_want_flush(const Piece& next) const;
  Slot start_query(Bytes body);
  Slot start_function_call(Bytes body);
  void start_parse(Bytes body);
  void close(Bytes body);
  void on_bind(Bytes body);
  void on_execute(Bytes body, TimePoint now);
  void end_batch();
  void bind_slot(std::string_view portal, Slot slot, Bytes values);
  void unbind(Portal& portal);
  Slot new_text(std::string_view name);
  void add_text(Slot slot, Bytes more);
  void hold(Slot slot);
  void let_go(Slot slot);
  void drop(unsigned count);
  std::string_view name_of(const Running& r) const { return r.slot == no_slot ? std::string_view{} : std::string_view(texts_[r.slot].name); }
  std::string_view text_of(const Running& r) const { return r.slot == no_slot ? std::string_view{} : std::string_view(texts_[r.slot].sql); }
  unsigned sharers() const;
  Finished finished(const Running& first, TimePoint now, unsigned sharers) const;
  void begin(Portal portal, char tag, TimePoint now);

  std::vector<Text> texts_;
  Slot spare_ = no_slot;                     // the first of those that nobody uses
  std::size_t kept_bytes_ = 0;               // of all texts in use
  std::vector<Running> running_;             // from head_ on, in the order of their replies
  std::size_t head_ = 0;
  Slot incoming_ = no_slot;                  // whose text is still arriving
  Slot unnamed_statement_ = no_slot;
  Portal unnamed_portal_;
  std::map<std::string, Slot, std::less<>> statements_;
  std::map<std::string, Portal, std::less<>> portals_;
  int value_bytes_ = 0;
  TimePoint last_end_{};
  std::uint32_t group_ = 0;                  // goes up with each Flush, Sync and Query
  std::uint32_t executed_ = 0;               // in the batch under way
  std::uint64_t pending_in_ = 0;             // bytes of requests since the last statement began
  Reply reply_;
};

}  // namespace pgweir::policy
