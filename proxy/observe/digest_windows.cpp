// The history of classes of statements.
#include <algorithm>

#include "proxy/observe/digests.h"

namespace pgweir {

// What the class has done since the window under way began.
WindowShare DigestTable::share_of(const Slot& slot) const {
  const DigestStats& stats = slot.stats;
  WindowShare share;
  share.from = window_from_;
  share.calls = stats.calls - slot.before.calls;
  share.errors = stats.errors - slot.before.errors;
  share.rows = stats.rows - slot.before.rows;
  share.total_ms = stats.total.total_ms() - slot.before.total_ms;
  for (std::size_t i = 0; i < time_parts; ++i) share.parts_ms[i] = stats.parts[i].total_ms() - slot.before.parts_ms[i];
  return share;
}

void DigestTable::turn_window(WallTime now, microseconds length, std::size_t windows_max) {
  last_now_ = now;
  if (length <= microseconds{0}) {
    windows_.clear();
    window_from_ = {};
    return;
  }
  const WallTime from{now.time_since_epoch() / length * length};
  if (from == window_from_) return;
  if (window_from_ != WallTime{}) close_window(std::min(now, window_from_ + length));
  window_from_ = from;
  while (windows_.size() > windows_max) windows_.pop_front();
}

void DigestTable::close_window(WallTime until) {
  Window window{window_from_, until, {}};
  for (Slot& slot : slots_) {
    if (!slot.text) continue;
    WindowShare share = share_of(slot);
    slot.before.calls = slot.stats.calls, slot.before.errors = slot.stats.errors, slot.before.rows = slot.stats.rows;
    slot.before.total_ms = slot.stats.total.total_ms();
    for (std::size_t i = 0; i < time_parts; ++i) slot.before.parts_ms[i] = slot.stats.parts[i].total_ms();
    if (share.calls == 0) continue;
    share.until = until;
    window.entries.push_back({slot.id, slot.origin, share});
  }
  auto& entries = window.entries;
  if (entries.size() > window_entries_max) {
    std::nth_element(entries.begin(), entries.begin() + window_entries_max, entries.end(),
                     [](const auto& a, const auto& b) { return a.share.total_ms > b.share.total_ms; });
    entries.resize(window_entries_max);
  }
  entries.shrink_to_fit();
  windows_.push_back(std::move(window));
}

std::vector<WindowShare> DigestTable::windows(std::uint64_t id, std::string_view database, std::string_view user) const {
  std::vector<WindowShare> result;
  const auto is_it = [&](std::uint64_t other, Origin origin) {
    return other == id && origins_[origin].first == database && origins_[origin].second == user;
  };
  for (const Window& window : windows_) {
    for (const WindowEntry& entry : window.entries) {
      if (is_it(entry.id, entry.origin)) result.push_back(entry.share);
    }
  }
  if (window_from_ == WallTime{}) return result;
  for (const Slot& slot : slots_) {
    if (!slot.text || !is_it(slot.id, slot.origin)) continue;
    WindowShare share = share_of(slot);
    share.until = last_now_;
    if (share.calls > 0) result.push_back(share);
  }
  return result;
}

}  // namespace pgweir
