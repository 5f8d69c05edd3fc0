// The prepared statements of one client, by the names it gave them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/policy/prepared/statement_store.h"

namespace pgweir::policy {

// Owned by the client session. A client without statements costs two pointers.
class ClientStatements {
 public:
  // PostgreSQL tells names apart by their first 63 bytes.
  static constexpr std::size_t name_bytes_max = 63;
  static std::string_view key_of(std::string_view name) { return name.substr(0, name_bytes_max); }

  const StatementRef* find(std::string_view name) const {
    if (!named_) return nullptr;
    const auto found = named_->find(key_of(name));
    return found == named_->end() ? nullptr : &found->second;
  }
  // Empty: the name is free again.
  void set(std::string_view name, StatementRef statement) {
    if (!statement) return erase(name);
    if (!named_) named_ = std::make_unique<Names>();
    named_->insert_or_assign(std::string(key_of(name)), std::move(statement));
  }
  void erase(std::string_view name) {
    if (!named_) return;
    if (const auto found = named_->find(key_of(name)); found != named_->end()) named_->erase(found);
    if (named_->empty()) named_.reset();
  }
  // All names; the unnamed statement stays.
  void clear() { named_.reset(); }
  std::size_t count() const { return named_ ? named_->size() : 0; }
  // A name of that statement, for an error text. Looks at all of them.
  std::string_view name_of(const Statement& statement) const {
    if (named_) {
      for (const auto& [name, ref] : *named_) {
        if (ref.get() == &statement) return name;
      }
    }
    return {};
  }

  StatementRef unnamed;            // empty: it has none, or one too large to be remembered

 private:
  struct ByText {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Names = std::unordered_map<std::string, StatementRef, ByText, std::equal_to<>>;
  std::unique_ptr<Names> named_;
};

}  // namespace pgweir::policy
