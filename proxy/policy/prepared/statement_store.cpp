#include "proxy/policy/prepared/statement_store.h"

#include <charconv>

#include "proxy/core/check.h"
#include "proxy/policy/prepared/proven_texts.h"

namespace pgweir::policy {

std::string_view StatementText::sql() const {
  const std::string_view all = as_text(identity);
  return kind == StatementKind::sql ? all : all.substr(0, all.find('\0'));
}

std::size_t StatementText::bytes() const {
  std::size_t result = sizeof *this + identity.size();
  if (verb) result += sizeof *verb + verb->name.capacity();
  if (effects) result += sizeof *effects + effects->heap_bytes();
  return result;
}

StatementRef::StatementRef(Statement* statement) : statement_(statement) {
  if (statement_ && statement_->users++ == 0) statement_->store->on_used(*statement_);
}

StatementRef::~StatementRef() {
  if (statement_ && --statement_->users == 0) statement_->store->on_unused(*statement_);
}

StatementStore::StatementStore(std::uint64_t first_id, std::uint64_t id_step, std::uint64_t seed, Hash hash)
    : hash_(hash), seed_(seed), next_id_(first_id), id_step_(id_step) {}

StatementStore::~StatementStore() {
  PGWEIR_CHECK(bytes_ == unused_bytes_);      // every StatementRef is gone
}

std::size_t StatementStore::cost(const Statement& statement) {
  constexpr std::size_t allocators = 96;       // the nodes of the set and their heads, about
  return sizeof statement + allocators + statement.text->bytes();
}

Statement* StatementStore::find(const StatementText& text) const {
  // Another worker's hash is not ours.
  const Key key{hash_(text.identity, seed_) ^ policy::hash_of(text.planning), text.identity, text.kind, text.planning};
  const auto found = statements_.find(key);
  return found == statements_.end() ? nullptr : found->get();
}

void StatementStore::note_proven(Statement& statement, std::uint64_t pool) {
  if (std::exchange(statement.proven_for, pool) != pool && proofs_) proofs_->add(pool, *statement.text);
}

bool StatementStore::is_proven(const Statement& statement, std::uint64_t pool) const {
  return statement.proven_for == pool || (proofs_ && proofs_->has(pool, *statement.text));
}

StatementRef StatementStore::intern(Bytes identity, StatementKind kind, const SharedPlanning& planning) {
  const Key key{hash_(identity, seed_) ^ policy::hash_of(planning), identity, kind, planning};
  if (auto found = statements_.find(key); found != statements_.end()) return StatementRef(found->get());
  auto text = std::make_shared<StatementText>();
  text->kind = kind;
  text->hash = key.hash;
  text->identity.assign(identity.begin(), identity.end());
  text->planning = planning;
  text->facts = facts_of(text->sql());
  text->sets_planning = sets_planning(text->sql());
  text->reads_clock = reads_clock(text->sql());
  if (kind == StatementKind::parsed) {
    text->touches_statements = text->facts.touches_statements;
    SqlVerb verb = recognise(text->sql());
    if (verb.names_one()) text->verb = std::make_unique<const SqlVerb>(std::move(verb));
  }
  if (text->facts.affects_session) {
    auto effects = sql::session_effects(text->sql());
    if (!effects.none()) text->effects = std::make_unique<const sql::SessionEffects>(std::move(effects));
  }
  auto statement = std::make_unique<Statement>();
  statement->text = std::move(text);
  statement->store = this;
  statement->id = fresh_id();
  Statement* made = statement.get();
  bytes_ += cost(*made);
  unused_bytes_ += cost(*made);
  statement->newer = nullptr;
  statement->older = newest_;
  if (newest_) newest_->newer = made;
  else oldest_ = made;
  newest_ = made;
  statements_.insert(std::move(statement));
  return StatementRef(made);
}

void StatementStore::on_used(Statement& statement) {
  unlink(statement);
  unused_bytes_ -= cost(statement);
}

void StatementStore::on_unused(Statement& statement) {
  unused_bytes_ += cost(statement);
  statement.older = newest_;
  statement.newer = nullptr;
  if (newest_) newest_->newer = &statement;
  else oldest_ = &statement;
  newest_ = &statement;
  while (unused_bytes_ > unused_bytes_max) {
    Statement& oldest = *oldest_;
    unlink(oldest);
    unused_bytes_ -= cost(oldest);
    bytes_ -= cost(oldest);
    ++dropped_;
    statements_.erase(statements_.find(Key{oldest.text->hash, oldest.text->identity, oldest.text->kind, oldest.text->planning}));
  }
}

void StatementStore::unlink(Statement& statement) {
  (statement.older ? statement.older->newer : oldest_) = statement.newer;
  (statement.newer ? statement.newer->older : newest_) = statement.older;
  statement.older = statement.newer = nullptr;
}

// Multiply and fold, eight bytes a step. Good enough to spread texts; equality is never left to it.
std::uint64_t StatementStore::hash_of(Bytes bytes, std::uint64_t seed) {
  __extension__ using Wide = unsigned __int128;
  constexpr std::uint64_t factor = 0x9e3779b97f4a7c15;
  const auto mix = [](std::uint64_t a, std::uint64_t b) {
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::uint64_t hash = seed ^ bytes.size() * factor;
  std::uint64_t word = 0;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::memcpy(&word, bytes.data(), 8);
    hash = mix(hash ^ word, factor);
  }
  word = 0;
  if (!bytes.empty()) std::memcpy(&word, bytes.data(), bytes.size());
  return mix(hash ^ word ^ 0xd6e8feb86659fd93, factor);
}

ServerName::ServerName(std::uint64_t id) {
  constexpr std::string_view prefix = "PGBOUNCER_";
  std::memcpy(text_, prefix.data(), prefix.size());
  size_ = static_cast<std::size_t>(std::to_chars(text_ + prefix.size(), text_ + sizeof text_, id).ptr - text_);
}

}  // namespace pgweir::policy
