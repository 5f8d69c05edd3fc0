#include "proxy/policy/prepared/proven_texts.h"

#include <utility>

#include "proxy/policy/prepared/statement_store.h"

namespace pgweir::policy {

void ProvenTexts::add(std::uint64_t pool, const StatementText& text) {
  const std::uint64_t one = key(pool, text);
  const std::lock_guard lock(mutex_);
  if (known_[0].size() >= kept) {
    known_[1] = std::move(known_[0]);
    known_[0] = {};
  }
  known_[0].insert(one);
}

bool ProvenTexts::has(std::uint64_t pool, const StatementText& text) const {
  const std::uint64_t one = key(pool, text);
  const std::lock_guard lock(mutex_);
  return known_[0].contains(one) || known_[1].contains(one);
}

std::uint64_t ProvenTexts::key(std::uint64_t pool, const StatementText& text) const {
  const std::uint64_t whose = (pool + 1) * 0x9e3779b97f4a7c15 ^ hash_of(text.planning) ^ static_cast<std::uint64_t>(text.kind);
  return StatementStore::hash_of(text.identity, seed_ ^ whose);
}

}  // namespace pgweir::policy
