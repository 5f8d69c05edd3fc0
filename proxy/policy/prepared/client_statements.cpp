#include "proxy/policy/prepared/client_statements.h"

#include <cstring>
#include <utility>

namespace pgweir::policy {
namespace {

std::size_t cost(std::string_view name, const StatementRef& statement) { return 100 + name.size() + statement->identity().size(); }

}  // namespace

// Open addressing with linear probing, at most three quarters full; sizes are powers of two.
struct ClientStatements::Table {
  struct Slot {
    std::unique_ptr<char[]> name;  // its length, then the name; null: the slot is free
    StatementRef statement;
    std::string_view key() const { return {name.get() + 1, static_cast<unsigned char>(name[0])}; }
  };

  std::unique_ptr<Slot[]> slots;
  std::uint32_t size = 0, used = 0;
  std::size_t bytes = 0;

  // Where the search for a name begins. Nobody outside knows the address.
  std::uint32_t home(std::string_view name) const {
    const auto seed = reinterpret_cast<std::uintptr_t>(slots.get()) * 0x9e3779b97f4a7c15;
    return static_cast<std::uint32_t>(StatementStore::hash_of(as_bytes(name), seed)) & (size - 1);
  }
  // The slot of that name, or the free one where it would be.
  Slot& slot_of(std::string_view name) const {
    std::uint32_t at = home(name);
    while (slots[at].name && slots[at].key() != name) at = (at + 1) & (size - 1);
    return slots[at];
  }
  void grow() {
    const std::unique_ptr<Slot[]> old = std::exchange(slots, std::make_unique<Slot[]>(size ? size * 2 : 4));
    const std::uint32_t old_size = std::exchange(size, size ? size * 2 : 4);
    for (std::uint32_t i = 0; i < old_size; ++i)
      if (old[i].name) slot_of(old[i].key()) = std::move(old[i]);
  }
  // Those behind it that would not be found any more move up.
  void remove(Slot& slot) {
    bytes -= cost(slot.key(), slot.statement);
    slot = {};
    --used;
    auto free = static_cast<std::uint32_t>(&slot - slots.get());
    for (std::uint32_t at = (free + 1) & (size - 1); slots[at].name; at = (at + 1) & (size - 1)) {
      const std::uint32_t from_home = (at - home(slots[at].key())) & (size - 1), from_free = (at - free) & (size - 1);
      if (from_home < from_free) continue;
      slots[free] = std::move(slots[at]);
      slots[at] = {};
      free = at;
    }
  }
};

ClientStatements::ClientStatements() = default;
ClientStatements::~ClientStatements() = default;

const StatementRef* ClientStatements::find(std::string_view name) const {
  if (!named_) return nullptr;
  const Table::Slot& slot = named_->slot_of(key_of(name));
  return slot.name ? &slot.statement : nullptr;
}

void ClientStatements::set(std::string_view name, StatementRef statement) {
  if (!statement) return erase(name);
  if (!named_) named_ = std::make_unique<Table>();
  Table& table = *named_;
  if (table.used + table.used / 3 >= table.size) table.grow();
  const std::string_view key = key_of(name);
  Table::Slot& slot = table.slot_of(key);
  if (slot.name) {
    table.bytes -= cost(key, slot.statement);
  } else {
    slot.name = std::make_unique<char[]>(1 + key.size());
    slot.name[0] = static_cast<char>(key.size());
    std::memcpy(slot.name.get() + 1, key.data(), key.size());
    ++table.used;
  }
  table.bytes += cost(key, statement);
  slot.statement = std::move(statement);
}

void ClientStatements::erase(std::string_view name) {
  if (!named_) return;
  if (Table::Slot& slot = named_->slot_of(key_of(name)); slot.name) named_->remove(slot);
  if (named_->used == 0) named_.reset();
}

void ClientStatements::clear() { named_.reset(); }

void ClientStatements::for_each(const std::function<void(std::string_view, const StatementRef&)>& f) const {
  for (std::uint32_t i = 0; named_ && i < named_->size; ++i)
    if (const Table::Slot& slot = named_->slots[i]; slot.name) f(slot.key(), slot.statement);
}

std::size_t ClientStatements::count() const { return named_ ? named_->used : 0; }
std::size_t ClientStatements::bytes() const { return named_ ? named_->bytes : 0; }

// The first of the alphabet, so that it does not depend on addresses.
std::string_view ClientStatements::name_of(const Statement& statement) const {
  std::string_view found;
  for (std::uint32_t i = 0; named_ && i < named_->size; ++i) {
    const Table::Slot& slot = named_->slots[i];
    if (slot.name && slot.statement.get() == &statement && (found.data() == nullptr || slot.key() < found)) found = slot.key();
  }
  return found;
}

}  // namespace pgweir::policy
