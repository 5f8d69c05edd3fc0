// What each class of statements has cost: calls, errors, rows and, for each part of its time, a
// Spread.
//
//   the text of a statement --cache--> slot           nothing is read when the text is known
//                           --digest--> key --> slot   and nothing allocated when the class is
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/core/time.h"
#include "proxy/observe/spread.h"

namespace pgweir {

// Where a statement's time goes, in this order. `idle` is the time that a client spends in its
// transaction after it.
enum class TimePart : std::uint8_t { queue, server, stream, client, idle };
inline constexpr std::size_t time_parts = 5;

// One run of a statement. The texts live during the call only.
struct Execution {
  Duration queue{};   // waiting for a server
  Duration server{};  // to the first byte of its answer
  Duration stream{};  // to the last, without `client`
  Duration client{};  // the answer stood still because the client did not read
  std::uint64_t rows = 0, bytes_in = 0, bytes_out = 0;
  std::string_view sqlstate;  // empty: no error
  std::string_view who;       // `address:port`
  std::uint32_t server_pid = 0;
  WallTime at{};  // it ended
  Duration total() const { return queue + server + stream + client; }
};

struct DigestSample {  // of the longest run
  std::string who;
  std::uint32_t server_pid = 0;
  WallTime at{};
  Duration took{};
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
  std::string database, user;
  DigestStats stats;
  std::vector<WindowShare> windows;  // where asked for; the oldest first
};

struct DigestCounters {
  std::uint64_t entries = 0, bytes = 0, evicted = 0;
};

// Owned by a worker, used on its thread. Holds so many entries, and so many bytes, and no more:
// what is used least makes room (a clock with a count of uses, so that no step looks at all
// entries).
class DigestTable {
 public:
  DigestTable(std::size_t entries_max, std::size_t bytes_max);
  ~DigestTable();

  using Origin = std::uint32_t;  // a database and a user
  Origin origin(const std::string& database, const std::string& user);

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
  const std::shared_ptr<const std::string>* text(Ref ref) const;
  std::uint64_t id(Ref ref) const { return live(ref) ? slots_[ref.slot].id : 0; }

  void clear();
  void resize(std::size_t entries_max, std::size_t bytes_max);
  DigestCounters counters() const { return {used_, bytes_, evicted_}; }
  std::vector<DigestRow> copy() const;
  // The ids of those that `measure` ranks first. Looks at all entries and copies none.
  using Measure = double (*)(const DigestStats&);
  std::vector<std::uint64_t> top(Measure measure, std::size_t limit) const;
  // The rows of these; `ids` is sorted.
  std::vector<DigestRow> copy(const std::vector<std::uint64_t>& ids) const;

  // History: windows of this length, which begin where the day's do; the running one is closed when it is over. So
  // many are kept, each with the classes that took the most time in it. A length of 0 forgets them.
  static constexpr std::size_t window_entries_max = 100;
  void turn_window(WallTime now, microseconds length, std::size_t windows_max);
  // What one class has added in each window that it was among the first of, and in the one under way.
  std::vector<WindowShare> windows(std::uint64_t id, std::string_view database, std::string_view user) const;

 private:
  struct Slot {
    std::uint64_t id = 0;
    std::shared_ptr<const std::string> text;  // null: free
    Origin origin = 0;
    std::uint32_t generation = 0;
    std::uint8_t uses = 0;  // halved each time the clock's hand passes
    std::size_t bytes = 0;  // as counted in bytes_
    WindowShare before;     // what it had when the window under way began
    DigestStats stats;
  };
  struct Cached {
    std::string statement;
    std::uint64_t hash = 0;  // 0: nothing is cached here
    Origin origin = 0;
    Ref ref;
  };

  struct WindowEntry {
    std::uint64_t id;
    Origin origin;
    WindowShare share;
  };
  struct Window {
    WallTime from{}, until{};
    std::vector<WindowEntry> entries;
  };
  WindowShare share_of(const Slot& slot) const;
  void close_window(WallTime until);

  bool live(Ref ref) const {
    return ref.slot < slots_.size() && slots_[ref.slot].generation == ref.generation &&
           slots_[ref.slot].text;
  }
  Ref find_class(std::string_view statement, bool cut, Origin origin, WallTime now);
  Ref make(std::uint64_t key, std::uint64_t id, Origin origin, WallTime now);
  void evict_one();
  void release(std::uint32_t slot);
  void recount(Slot& slot);
  std::uint64_t key_of(std::uint64_t id, Origin origin) const;

  std::size_t entries_max_, bytes_max_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> by_key_;
  std::vector<Cached> cache_;
  std::vector<std::pair<std::string, std::string>> origins_;
  std::string scratch_;  // the normalized text under way
  std::size_t used_ = 0, bytes_ = 0, hand_ = 0;
  std::uint64_t evicted_ = 0;
  std::deque<Window> windows_;  // closed, the oldest in front
  WallTime window_from_{}, last_now_{};
};

// One row for each digest, database and user, from the rows of several workers.
std::vector<DigestRow> merge(std::vector<std::vector<DigestRow>> tables);

}  // namespace pgweir
