// The texts of prepared statements, each kept once per worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "protocol/bytes.h"
#include "protocol/sql/session_effects.h"
#include "proxy/policy/prepared/planning.h"
#include "proxy/policy/prepared/sql_verb.h"
#include "proxy/policy/prepared/text_facts.h"

namespace pgweir::policy {

// How a statement comes into being on a server.
enum class StatementKind : std::uint8_t {
  parsed,       // by Parse; `identity` is ParseView::identity: text, zero byte, parameter types
  sql,          // by PREPARE; `identity` is what follows the name: `(int) AS SELECT $1`
};

// What makes two statements the same. Immutable; may be shared with other workers.
struct StatementText {
  StatementKind kind = StatementKind::parsed;
  bool touches_statements = false;       // it prepares or deallocates others when it is executed
  bool sets_planning = false;            // it sets what changes planning
  TextFacts facts;
  bool reads_clock = false;              // it has a literal like 'now' or 'today', read when it is parsed
  std::unique_ptr<const SqlVerb> verb;   // it is about one other statement, by name; null: it is not
  std::unique_ptr<const sql::SessionEffects> effects;   // null: it does nothing to its session
  std::uint64_t hash = 0;                // of identity and planning, in the store that made it
  Buffer identity;
  SharedPlanning planning;               // what its client had set
  std::size_t bytes() const;             // that it takes up
  std::string_view sql() const;          // for the log
};
using SharedText = std::shared_ptr<const StatementText>;

class ProvenTexts;
class StatementStore;

// One interned statement. Owned by the store; held by StatementRefs.
struct Statement {
  static constexpr std::uint64_t no_pool = ~std::uint64_t{0};
  SharedText text;
  StatementStore* store = nullptr;
  std::uint64_t id = 0;                  // the server knows it as PGBOUNCER_<id>; never used again
  std::uint32_t users = 0;
  std::uint32_t version = 0;             // grows when what servers have prepared is out of date
  bool came_unnamed = false;             // some client has parsed it as its unnamed statement
  bool shared = false;                   // ... for the second time: servers have it under our name
  std::uint64_t proven_for = no_pool;    // the key of the pool whose server accepted it last
  Statement *older = nullptr, *newer = nullptr;   // among those nobody uses

  Bytes identity() const { return text->identity; }
};

// Holds a statement in its store. Must not outlive the store.
class StatementRef {
 public:
  StatementRef() = default;
  explicit StatementRef(Statement* statement);
  StatementRef(const StatementRef& other) : StatementRef(other.statement_) {}
  StatementRef(StatementRef&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  StatementRef& operator=(StatementRef other) noexcept {
    std::swap(statement_, other.statement_);
    return *this;
  }
  ~StatementRef();
  Statement* get() const { return statement_; }
  Statement* operator->() const { return statement_; }
  Statement& operator*() const { return *statement_; }
  explicit operator bool() const { return statement_ != nullptr; }

 private:
  Statement* statement_ = nullptr;
};

// Owned by a worker, used on its thread. Compares whole texts, never only hashes. What nobody uses any more is kept
// up to `unused_bytes_max`, the latest longest, for it often comes back; what is in use is bounded by the clients.
class StatementStore {
 public:
  static constexpr std::size_t unused_bytes_max = 4 * 1024 * 1024;
  using Hash = std::uint64_t (*)(Bytes, std::uint64_t seed);

  // Ids are first_id, first_id + id_step, ..., so that no two workers use the same one.
  // `seed` is a secret: who knew it could make texts that all have the same hash.
  explicit StatementStore(std::uint64_t first_id = 1, std::uint64_t id_step = 1, std::uint64_t seed = 0, Hash hash = hash_of);
  StatementStore(const StatementStore&) = delete;
  StatementStore& operator=(const StatementStore&) = delete;
  ~StatementStore();

  // The statement of that text for who has set that, made if need be.
  StatementRef intern(Bytes identity, StatementKind kind = StatementKind::parsed, const SharedPlanning& planning = {});
  // The statement of that text; null when there is none.
  Statement* find(const StatementText& text) const;
  // A server of the pool with that key has accepted the statement. Workers that share `proofs` know it of each other.
  void share_proofs(ProvenTexts* proofs) { proofs_ = proofs; }
  void note_proven(Statement& statement, std::uint64_t pool);
  bool is_proven(const Statement& statement, std::uint64_t pool) const;
  // A name for one more version of a statement on some server.
  std::uint64_t fresh_id() { return std::exchange(next_id_, next_id_ + id_step_); }

  std::size_t count() const { return statements_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::size_t unused_bytes() const { return unused_bytes_; }
  std::uint64_t dropped() const { return dropped_; }     // texts that were given up for unused_bytes_max
  static std::uint64_t hash_of(Bytes bytes, std::uint64_t seed);

 private:
  friend class StatementRef;
  struct Key {
    std::uint64_t hash;
    Bytes identity;
    StatementKind kind;
    const SharedPlanning& planning;
  };
  struct ByHash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const { return key.hash; }
    std::size_t operator()(const std::unique_ptr<Statement>& s) const { return s->text->hash; }
  };
  struct SameText {
    using is_transparent = void;
    static const Key& key(const Key& k) { return k; }
    static Key key(const std::unique_ptr<Statement>& s) {
      return {s->text->hash, s->text->identity, s->text->kind, s->text->planning};
    }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      const Key& x = key(a);
      const Key& y = key(b);
      return x.hash == y.hash && x.kind == y.kind && x.identity.size() == y.identity.size() &&
             std::memcmp(x.identity.data(), y.identity.data(), x.identity.size()) == 0 && same_planning(x.planning, y.planning);
    }
  };

  static std::size_t cost(const Statement& statement);   // bytes
  void on_used(Statement& statement);
  void on_unused(Statement& statement);
  void unlink(Statement& statement);

  std::unordered_set<std::unique_ptr<Statement>, ByHash, SameText> statements_;
  Hash hash_;
  std::uint64_t seed_;
  ProvenTexts* proofs_ = nullptr;
  std::uint64_t next_id_, id_step_;
  std::size_t bytes_ = 0, unused_bytes_ = 0;
  std::uint64_t dropped_ = 0;
  Statement *oldest_ = nullptr, *newest_ = nullptr;   // of those nobody uses
};

// What became of prepared statements, for the console.
struct StatementCounters {
  std::uint64_t reparses = 0;            // Parse of ours for a statement that the pool's servers had before
  std::uint64_t closes = 0;              // statements closed on a server, for max_prepared_statements or as out of date
  std::uint64_t repeats = 0;             // batches repeated after `cached plan must not change result type`
  std::uint64_t shared_parses = 0;       // unnamed Parse messages that a server did not get
  std::uint64_t sql_rewrites = 0;        // queries with PREPARE, EXECUTE or DEALLOCATE in them that were changed
};

// `PGBOUNCER_<id>`, the name PgBouncer gives; the view is valid until the next call on this thread's object.
class ServerName {
 public:
  explicit ServerName(std::uint64_t id);
  std::string_view view() const { return {text_, size_}; }

 private:
  char text_[32];
  std::size_t size_;
};

}  // namespace pgweir::policy
