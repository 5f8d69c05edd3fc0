// When somebody should be told. An opinion: samples go in, changes come out; who is told is Web's.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "proxy/web/history.h"

namespace pgweir {

enum class AlertKind : std::uint8_t { pool_use, wait_p99, slow_100ms, slow_1s, login_failures, isolation_leaks };
inline constexpr std::size_t alert_kinds = 6;
std::string_view name_of(AlertKind kind);

struct AlertChange {
  AlertKind kind;
  bool firing = false;  // else it is over
  std::string text;     // with figures
};

// Owned by the web thread.
class Alerts {
 public:
  // Whether any is switched on.
  static bool wanted(const Globals& globals);
  // To be called with every sample. `minute` is the last minute of the history. An alert is told when it begins and
  // when it is over, not in between.
  std::vector<AlertChange> judge(const Snapshot& snapshot, const Interval& minute);

  bool firing(AlertKind kind) const { return states_[static_cast<std::size_t>(kind)].firing; }
  std::uint64_t count(AlertKind kind) const { return states_[static_cast<std::size_t>(kind)].count; }
  // What was told when it began to fire.
  const std::string& text(AlertKind kind) const { return states_[static_cast<std::size_t>(kind)].text; }

 private:
  struct State {
    bool firing = false;
    std::uint64_t count = 0;
    std::string text;
  };
  void settle(AlertKind kind, bool fires, std::string text, std::vector<AlertChange>& changes);
  std::string fullest_pool(const Snapshot& snapshot);

  std::array<State, alert_kinds> states_{};
  std::map<std::pair<std::string, std::string>, TimePoint> full_since_;  // pools
};

}  // namespace pgweir
