// The history of classes of statements. Nobody looks at all of them when a window ends: a class is rolled into its
// window's list when it is used again, and until then tells its own share of it.
#include <algorithm>

#include "proxy/observe/digests.h"

namespace pgweir {
namespace {

bool larger(const WindowShare& a, const WindowShare& b) { return a.total_ms > b.total_ms; }

void set_to(WindowShare& share, const DigestStats& stats) {
  share.calls = stats.calls, share.errors = stats.errors, share.rows = stats.rows;
  share.total_ms = stats.total.total_ms();
  for (std::size_t i = 0; i < time_parts; ++i) share.parts_ms[i] = stats.parts[i].total_ms();
}

}  // namespace

// What the class has done in the window that it has been used in last; nothing when that one is forgotten.
WindowShare DigestTable::share_of(const Slot& slot) const {
  WindowShare share;
  if (windows_.empty() || slot.window < first_window() || slot.window > window_number_) return share;
  set_to(share, slot.stats);
  if (slot.before) {
    share.calls -= slot.before->calls, share.errors -= slot.before->errors, share.rows -= slot.before->rows;
    share.total_ms -= slot.before->total_ms;
    for (std::size_t i = 0; i < time_parts; ++i) share.parts_ms[i] -= slot.before->parts_ms[i];
  }
  const Window& window = windows_[slot.window - first_window()];
  share.from = window.from;
  share.until = slot.window == window_number_ ? last_now_ : window.until;
  return share;
}

// Into the list of its window, if it is among the first there.
void DigestTable::keep(const Slot& slot) {
  const WindowShare share = share_of(slot);
  if (share.calls == 0) return;
  auto& entries = windows_[slot.window - first_window()].entries;
  const auto order = [](const WindowEntry& a, const WindowEntry& b) { return larger(a.share, b.share); };
  if (entries.size() == window_entries_max) {
    if (!larger(share, entries.front().share)) return;
    std::pop_heap(entries.begin(), entries.end(), order);
    entries.back() = {slot.id, slot.origin, share};
  } else {
    entries.push_back({slot.id, slot.origin, share});
  }
  std::push_heap(entries.begin(), entries.end(), order);
}

// It is used for the first time in the running window.
void DigestTable::roll(Slot& slot) {
  keep(slot);
  slot.window = window_number_;
  if (!slot.before) slot.before = std::make_unique<WindowShare>();
  set_to(*slot.before, slot.stats);
}

void DigestTable::turn_window(WallTime now, microseconds length, std::size_t windows_max) {
  last_now_ = now;
  if (length <= microseconds{0}) {
    if (!windows_.empty()) ++window_number_;   // what has been counted for the last one is none of a later one's
    return windows_.clear();
  }
  const WallTime from{now.time_since_epoch() / length * length};
  if (!windows_.empty() && windows_.back().from == from) return;
  if (!windows_.empty()) windows_.back().until = std::min(now, windows_.back().from + length);
  if (!windows_.empty()) ++window_number_;
  windows_.push_back({from, {}, {}});
  while (windows_.size() > windows_max + 1) windows_.pop_front();
}

std::vector<WindowShare> DigestTable::windows(std::uint64_t id, Origin origin) const {
  std::vector<WindowShare> result;
  for (const Window& window : windows_) {
    for (const WindowEntry& entry : window.entries) {
      if (entry.id == id && entry.origin == origin) result.push_back(entry.share);
    }
  }
  for (auto at = by_key_.first(key_of(id, origin)); at != SlotIndex::none; at = by_key_.next(at)) {
    const Slot& slot = slots_[at];
    if (slot.id != id || slot.origin != origin) continue;
    if (const WindowShare share = share_of(slot); share.calls > 0) result.push_back(share);
  }
  return result;
}

std::vector<WindowShare> DigestTable::windows(std::uint64_t id, std::string_view database, std::string_view user,
                                              std::string_view application) const {
  const auto found = origins_.find({std::string(database), std::string(user), std::string(application)});
  return found == origins_.end() ? std::vector<WindowShare>{} : windows(id, found->second);
}

}  // namespace pgweir
