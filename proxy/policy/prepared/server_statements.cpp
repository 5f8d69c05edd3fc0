#include "proxy/policy/prepared/server_statements.h"

#include <algorithm>

namespace pgweir::policy {
namespace {

// What is out of date must be closed there, not used: no statement has this text.
const SharedText& out_of_date() {
  static const SharedText text = std::make_shared<StatementText>();
  return text;
}

bool same(const StatementText& a, const StatementText& b) {
  return a.kind == b.kind && a.identity == b.identity && same_planning(a.planning, b.planning);
}

}  // namespace

ServerStatements::Prepared* ServerStatements::find(const Statement& statement) {
  if (const auto found = by_statement_.find(&statement); found != by_statement_.end()) return &*found->second;
  if (foreign_ == 0) return nullptr;
  for (auto at = by_age_.begin(); at != by_age_.end(); ++at) {
    if (at->statement || !same(*at->text, *statement.text)) continue;
    at->statement = StatementRef(const_cast<Statement*>(&statement));
    at->version = statement.version;
    --foreign_;
    by_statement_.emplace(&statement, at);
    return &*at;
  }
  return nullptr;
}

void ServerStatements::touch(Prepared& prepared) {
  if (prepared.used_in == epoch_) return;
  prepared.used_in = epoch_;
  const auto at = by_statement_.find(prepared.statement.get())->second;
  by_age_.splice(by_age_.end(), by_age_, at);
}

ServerStatements::Prepared& ServerStatements::add(StatementRef statement, std::uint64_t id) {
  Prepared prepared{statement, statement->text, id, statement->version, epoch_};
  const auto at = by_age_.insert(by_age_.end(), std::move(prepared));
  by_statement_[statement.get()] = at;
  return *at;
}

std::optional<ServerStatements::Prepared> ServerStatements::remove(const Statement& statement) {
  const auto found = by_statement_.find(&statement);
  if (found == by_statement_.end()) return std::nullopt;
  std::optional<Prepared> taken(std::move(*found->second));
  by_age_.erase(found->second);
  by_statement_.erase(found);
  return taken;
}

std::optional<ServerStatements::Prepared> ServerStatements::drop_surplus(std::size_t max) {
  // Those in use are the latest, so that the first one tells.
  if (by_age_.size() <= max || by_age_.front().used_in == epoch_) return std::nullopt;
  std::optional<Prepared> taken(std::move(by_age_.front()));
  by_age_.pop_front();
  if (taken->statement) by_statement_.erase(taken->statement.get());
  else --foreign_;
  return taken;
}

void ServerStatements::restore(Prepared prepared) {
  const Statement* statement = prepared.statement.get();
  if (statement && by_statement_.contains(statement)) return;
  prepared.used_in = 0;
  by_age_.push_front(std::move(prepared));
  if (statement) by_statement_.emplace(statement, by_age_.begin());
  else ++foreign_;
}

void ServerStatements::clear() {
  by_statement_.clear();
  by_age_.clear();
  foreign_ = 0;
}

void ServerStatements::suspect_all() {
  for (Prepared& prepared : by_age_) prepared.version = ~prepared.version;
}

Statement* ServerStatements::by_id(std::uint64_t id) const {
  for (const Prepared& prepared : by_age_) {
    if (prepared.id == id) return prepared.statement.get();
  }
  return nullptr;
}

std::vector<ForeignStatement> ServerStatements::hand_over() const {
  std::vector<ForeignStatement> all;
  all.reserve(by_age_.size());
  for (const Prepared& prepared : by_age_) {
    all.push_back({prepared.stale() ? out_of_date() : prepared.text, prepared.id});
  }
  return all;
}

void ServerStatements::take_over(const std::vector<ForeignStatement>& statements) {
  for (const ForeignStatement& one : statements) {
    by_age_.push_back({StatementRef(), one.text, one.id, 0, 0});
    ++foreign_;
  }
}

void ServerStatements::forget_foreign(const StatementText& text) {
  if (foreign_ == 0) return;
  for (Prepared& prepared : by_age_) {
    if (!prepared.statement && same(*prepared.text, text)) prepared.text = out_of_date();
  }
}

bool ServerStatements::has_foreign(std::uint64_t id) const {
  return foreign_ > 0 && std::any_of(by_age_.begin(), by_age_.end(), [id](const Prepared& one) { return !one.statement && one.id == id; });
}

std::optional<ServerStatements::Prepared> ServerStatements::remove_foreign(std::uint64_t id) {
  if (foreign_ == 0) return std::nullopt;
  for (auto at = by_age_.begin(); at != by_age_.end(); ++at) {
    if (at->statement || at->id != id) continue;
    std::optional<Prepared> taken(std::move(*at));
    by_age_.erase(at);
    --foreign_;
    return taken;
  }
  return std::nullopt;
}

}  // namespace pgweir::policy
