// Finds slots of a table by a key of theirs that is a hash already. Dense, so that what is looked at for a new class is in
// the processor's caches: a node on the heap each was a third of what a class cost that is seen once.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pgweir {

class SlotIndex {
 public:
  static constexpr std::uint32_t none = ~0u;

  // For so many slots; more only make it slower.
  void reserve(std::size_t slots) {
    heads_.assign(std::bit_ceil(slots + 1), none);
    for (std::uint32_t slot = 0; slot < links_.size(); ++slot)
      if (links_[slot].used) hang(slot);
  }
  void add(std::uint64_t key, std::uint32_t slot) {
    if (slot >= links_.size()) links_.resize(slot + 1);
    links_[slot] = {key, none, true};
    hang(slot);
  }
  void remove(std::uint32_t slot) {
    std::uint32_t* place = &head(links_[slot].key);
    while (*place != slot) place = &links_[*place].next;
    *place = links_[slot].next;
    links_[slot].used = false;
  }
  // The slots of a key, one after the other; none: there are no more.
  std::uint32_t first(std::uint64_t key) const { return at_or_behind(heads_[key & (heads_.size() - 1)], key); }
  std::uint32_t next(std::uint32_t slot) const { return at_or_behind(links_[slot].next, links_[slot].key); }

 private:
  struct Link {
    std::uint64_t key = 0;
    std::uint32_t next = none;
    bool used = false;
  };
  std::uint32_t& head(std::uint64_t key) { return heads_[key & (heads_.size() - 1)]; }
  void hang(std::uint32_t slot) {
    std::uint32_t& first = head(links_[slot].key);
    links_[slot].next = first;
    first = slot;
  }
  std::uint32_t at_or_behind(std::uint32_t slot, std::uint64_t key) const {
    while (slot != none && links_[slot].key != key) slot = links_[slot].next;
    return slot;
  }

  std::vector<std::uint32_t> heads_ = {none};
  std::vector<Link> links_;      // by slot
};

}  // namespace pgweir
