// What each class of statements has cost: calls, errors, rows and, for each part of its time, a
// Spread.
//
//   the text of a statement --cache--> slot           nothing is read when one is known that differs in values only
//                           --digest--> key --> slot   and nothing allocated when the class is
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "protocol/sql/pattern.h"
#include "proxy/core/time.h"
#include "proxy/observe/slot_index.h"
#include "proxy/observe/spread.h"

namespace pgweir {

// Where a statement's time goes, in this order. `idle` is the time that a client spends in its
// transaction after it.
enum class TimePart : std::uint8_t { queue, state, server, stream, client, idle };
inline constexpr std::size_t time_parts = 6;
inline constexpr std::array<const char*, time_parts> time_part_names = {
    "queue", "state", "server", "stream", "client", "idle_in_transaction"};

// One run of a statement. The texts live during the call only.
struct Execution {
  Duration queue{};   // waiting for a server
  Duration state{};   // its server was given the client's settings
  Duration server{};  // to the first byte of its answer
  Duration stream{};  // to the last, without `client`
  Duration client{};  // the answer stood still because the client did not read
  std::uint64_t rows = 0, bytes_in = 0, bytes_out = 0;
  std::string_view sqlstate;   // empty: no error
  std::string_view who;        // `address:port`
  std::string_view statement;  // as it came, for the tags in its comments
  bool show_values = false;    // a sample may have `statement` and `values` in it
  std::string_view values;     // of its parameters: `$1 = '42', $2 = NULL`
  std::uint32_t server_pid = 0;
  WallTime at{};  // it ended
  Duration total() const { return queue + state + server + stream + client; }
};

struct DigestSample {  // of the longest run
  std::string who;
  std::string tags;               // of sqlcommenter and its like: `traceparent='00-...', route='/cart'`
  std::string statement, values;  // empty unless Execution::show_values
  std::uint32_t server_pid = 0;
  WallTime at{};
  Duration took{};
  std::size_t bytes() const { return who.capacity() + tags.capacity() + statement.capacity() + values.capacity(); }
};

struct DigestStats {
  std::uint64_t calls = 0, errors = 0, rows = 0, bytes_in = 0, bytes_out = 0;
  std::array<char, 6> last_sqlstate{};
  Spread total;
  std::array<Spread, time_parts> parts;
  WallTime first_seen{}, last_seen{};
  DigestSample longest;

  const Spread& part(TimePart which) const { return parts[static_cast<std::size_t>(which)]; }
  DigestStats& operator+=(const DigestStats& other);
  void reset();  // keeps memory
  std::size_t bytes() const;
};

// What a class has added in one window, or in the one under way.
struct WindowShare {
  WallTime from{}, until{};
  std::uint64_t calls = 0, errors = 0, rows = 0;
  double total_ms = 0;
  std::array<double, time_parts> parts_ms{};
};

// As it goes to another thread.
struct DigestRow {
  std::uint64_t id = 0;
  std::shared_ptr<const std::string> text;  // normalized; sql::readable() makes it one for people
  std::string database, user, application;
  DigestStats stats;
  std::vector<WindowShare> windows;  // where asked for; the oldest first
};

struct DigestCounters {
  std::uint64_t entries = 0, bytes = 0, evicted = 0;
  DigestCounters& operator+=(const DigestCounters& other) {
    entries += other.entries, bytes += other.bytes, evicted += other.evicted;
    return *this;
  }
};

// Owned by a worker, used on its thread. Holds so many entries, and so many bytes, and no more:
// what is used least makes room (a clock with a count of uses, so that no step looks at all
// entries), before that what has come lately and was seen once.
class DigestTable {
 public:
  DigestTable(std::size_t entries_max, std::size_t bytes_max);
  ~DigestTable();

  using Origin = std::uint32_t;  // a database, a user and, where it counts, an application
  // More names of applications than this are counted as one: clients make them up.
  static constexpr std::size_t applications_max = 1000;
  Origin origin(const std::string& database, const std::string& user, const std::string& application = {});

  // A statement's entry. Goes stale with eviction and clear(); then what is said of it is dropped.
  struct Ref {
    std::uint32_t slot = ~0u;
    std::uint32_t generation = 0;
  };
  // `cut`: the end of the statement is missing.
  Ref find(std::string_view statement, bool cut, Origin origin, WallTime now);
  void add(Ref ref, const Execution& execution);
  void add_idle(Ref ref, Duration idle);
  // Null when the ref is stale. Valid until the next find().
  std::shared_ptr<const std::string> text(Ref ref) const;
  std::uint64_t id(Ref ref) const { return live(ref) ? slots_[ref.slot].id : 0; }

  void clear();
  void resize(std::size_t entries_max, std::size_t bytes_max);
  DigestCounters counters() const { return {used_, bytes_ + cache_bytes_, evicted_}; }
  std::vector<DigestRow> copy() const;

  // Reading in slices of so many entries, for a table may be large and its worker has clients to serve. What is evicted
  // or added in between may be missed.
  static constexpr std::size_t slice = 1000;
  using Measure = double (*)(const DigestStats&);
  struct Ranking {  // the ids of those that `measure` ranks first
    Measure measure;
    std::size_t limit;
    std::size_t next = 0;                                   // the slot to go on with
    std::vector<std::pair<double, std::uint64_t>> ranks = {};  // a heap, the last rank in front
    std::vector<std::uint64_t> ids() const;                 // the first one first
  };
  bool rank(Ranking& ranking) const;  // one slice; true: that was all
  struct Selection {                  // the rows of these
    std::vector<std::uint64_t> ids;   // sorted
    bool windows = false;             // with their history
    std::size_t next = 0;
    std::vector<DigestRow> rows = {};
  };
  bool select(Selection& selection) const;

  // History: windows of this length, which begin where the day's do; the running one is closed when it is over. So
  // many are kept, each with the classes that took the most time in it. A length of 0 forgets them.
  static constexpr std::size_t window_entries_max = 100;
  void turn_window(WallTime now, microseconds length, std::size_t windows_max);
  // What one class has added in each window that it was among the first of, and in the one under way.
  std::vector<WindowShare> windows(std::uint64_t id, std::string_view database, std::string_view user,
                                   std::string_view application = {}) const;

 private:
  struct Slot {
    bool used = false;
    std::uint8_t uses = 0;  // halved each time the clock's hand passes
    std::uint64_t id = 0;
    std::shared_ptr<std::string> text;
    Origin origin = 0;
    std::uint32_t generation = 0;
    std::size_t bytes = 0;           // as counted in bytes_
    std::uint64_t window = 0;        // the number of the window that `before` stands at the beginning of
    std::unique_ptr<WindowShare> before;  // null: nothing
    DigestStats stats;
  };
  struct Known {             // a text as it was
    std::string statement;
    std::uint64_t hash = 0;  // 0: none
    Origin origin = 0;
    Ref ref;
  };
  struct Cached {            // texts that differ in values only
    sql::Pattern pattern;
    std::uint64_t hash = 0;  // of its skeleton; 0: nothing is cached here
    Origin origin = 0;
    Ref ref;
  };

  struct WindowEntry {
    std::uint64_t id;
    Origin origin;
    WindowShare share;
  };
  struct Window {
    WallTime from{}, until{};  // until: of the running one nothing
    std::vector<WindowEntry> entries;  // a heap once it is full, the smallest share in front
  };
  WindowShare share_of(const Slot& slot) const;
  void roll(Slot& slot);
  void keep(const Slot& slot);
  std::uint64_t first_window() const { return window_number_ + 1 - windows_.size(); }
  std::vector<WindowShare> windows(std::uint64_t id, Origin origin) const;

  bool live(Ref ref) const {
    return ref.slot < slots_.size() && slots_[ref.slot].generation == ref.generation && slots_[ref.slot].used;
  }
  // Behind the texts that are known as they are.
  Ref find_alike(std::string_view statement, Origin origin, WallTime now);
  // `made`: it was not there.
  Ref find_class(std::string_view statement, bool cut, Origin origin, WallTime now, bool& made);
  Ref make(std::uint64_t key, std::uint64_t id, Origin origin, WallTime now);
  void evict_one(bool keep_memory);
  bool makes_room_first(Ref newcomer) const;
  void release(std::uint32_t slot, bool keep_memory);
  void recount(Slot& slot);
  void take_sample(DigestSample& sample, const Execution& run);
  DigestRow row_of(const Slot& slot) const;
  std::uint64_t key_of(std::uint64_t id, Origin origin) const;

  std::size_t entries_max_, bytes_max_, cached_max_;
  std::deque<Slot> slots_;  // that grows without moving them
  std::vector<std::uint32_t> free_;
  SlotIndex by_key_;
  // The last ones that were made, in a ring. In a flood of classes that are seen once they make room for each other, which
  // leaves the others in peace and the processor's caches, too.
  static constexpr std::size_t newcomers_max = 256;
  std::array<Ref, newcomers_max> newcomers_;
  std::size_t next_newcomer_ = 0;
  std::vector<Cached> cache_;
  std::vector<Known> known_;
  std::map<std::tuple<std::string, std::string, std::string>, Origin> origins_;
  std::vector<const std::tuple<std::string, std::string, std::string>*> origin_names_;
  std::string scratch_;  // the normalized text under way
  std::vector<std::string_view> values_;  // of the statement under way
  std::size_t used_ = 0, bytes_ = 0, cache_bytes_ = 0, hand_ = 0;
  std::uint64_t evicted_ = 0;
  std::deque<Window> windows_;  // the oldest in front, the running one at the end; empty: there is no history
  std::uint64_t window_number_ = 0;  // of the running one
  WallTime last_now_{};
};

// One row for each digest, database, user and application, from the rows of several workers.
std::vector<DigestRow> merge(std::vector<std::vector<DigestRow>> tables);

}  // namespace pgweir
