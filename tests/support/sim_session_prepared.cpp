// Prepared statements of a simulated session: by message and by SQL.
#include <algorithm>

#include "tests/support/sim_session.h"
#include "tests/support/sim_wire.h"

namespace pgweir::sim {
namespace {

// The name at the beginning of `rest`, folded as SQL folds it, which is taken off.
std::string take_sql_name(std::string& rest) {
  rest.erase(0, rest.find_first_not_of(" \n"));
  std::string name;
  if (rest.starts_with('"')) {
    const std::size_t end = rest.find('"', 1);
    name = rest.substr(1, end - 1);
    rest.erase(0, end == std::string::npos ? end : end + 1);
  } else {
    const std::size_t end = std::min(rest.find_first_of(" \n;"), rest.size());
    name = rest.substr(0, end);
    rest.erase(0, end);
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  }
  return name;
}

}  // namespace

std::vector<std::string> SimSession::prepared() const {
  std::vector<std::string> names;
  for (const auto& [name, statement] : prepared_)
    if (!name.empty()) names.push_back(name);
  return names;
}

// What is executed by EXECUTE or made by PREPARE; any other statement is what it is.
const std::string& SimSession::meant_by(const std::string& sql) const {
  static const std::string nothing;
  const std::size_t space = std::min(sql.find(' '), sql.size());
  const std::string verb = sql.substr(0, space);
  if (verb != "EXECUTE" && verb != "PREPARE" && verb != "DEALLOCATE" && verb != "DISCARD") return sql;
  std::string rest = sql.substr(space);
  const auto found = verb == "EXECUTE" ? prepared_.find(take_sql_name(rest)) : prepared_.end();
  return found == prepared_.end() ? nothing : found->second.sql;
}

// False: it failed.
bool SimSession::prepare(const std::string& name, const std::string& sql, std::string& out) {
  std::string why;
  if (without_owner(sql).starts_with("FAIL")) {
    fail("42601", "syntax error in " + sql, out);
  } else if (refuses(sql)) {
    fail("25P02", "current transaction is aborted", out);
  } else if (!name.empty() && prepared_.count(name)) {
    fail("42P05", "prepared statement \"" + name + "\" already exists", out);
  } else {
    prepared_[name] = {sql, parameters_["TimeZone"], schema_ ? *schema_ : 0};
    return true;
  }
  // A Parse of the unnamed statement gives up the old one first.
  if (name.empty()) prepared_.erase(name);
  return false;
}

// Null: there is none, which has been told.
const SimSession::Prepared* SimSession::find_prepared(const std::string& name, std::string& out) {
  const auto found = prepared_.find(name);
  if (found != prepared_.end()) return &found->second;
  if (name.starts_with("PGBOUNCER_")) breach_ = "(6) a request names " + name + ", which does not exist";
  fail("26000", name.empty() ? "unnamed prepared statement does not exist" : "prepared statement \"" + name + "\" does not exist", out);
  return nullptr;
}

// True: its result type has changed since it was told, and this has been said.
bool SimSession::plan_is_stale(const std::string& name, std::string& out) {
  const Prepared& statement = prepared_.at(name);
  if (!schema_ || statement.schema == *schema_ || !without_owner(statement.sql).starts_with("STAR")) return false;
  std::string whole;
  fail("0A000", "cached plan must not change result type", whole);
  // Where PostgreSQL raises it is how it is told apart from others of that code.
  std::string body = whole.substr(5, read_be32(std::string_view(whole).substr(1)) - 4);
  body.insert(body.size() - 1, "R" + zero_ended("RevalidateCachedQuery"));
  out += message('E', body) + whole.substr(1 + read_be32(std::string_view(whole).substr(1)));
  return true;
}

// False: it failed, or is not over.
bool SimSession::run_about_statements(const std::string& verb, const std::string& text, bool simple, Portal* portal,
                                      std::string& out) {
  std::string rest = text;
  const std::string name = take_sql_name(rest);
  if (verb == "PREPARE") {
    rest.erase(0, std::min(rest.find("AS ") + 3, rest.size()));
    rest.erase(rest.find_last_not_of(" \n") + 1);
    if (!prepare(name, rest, out)) return false;
    out += complete("PREPARE");
    return true;
  }
  if (verb == "DEALLOCATE" && name == "all") {
    const auto unnamed = prepared_.find("");
    const bool keep = unnamed != prepared_.end();
    const Prepared kept = keep ? unnamed->second : Prepared{};
    prepared_.clear();
    if (keep) prepared_[""] = kept;
    out += complete("DEALLOCATE ALL");
    return true;
  }
  const Prepared* found = find_prepared(name, out);
  if (!found) return false;
  if (verb == "DEALLOCATE") {
    prepared_.erase(name);
    out += complete("DEALLOCATE");
    return true;
  }
  if (plan_is_stale(name, out)) return false;
  Portal own{found->sql, portal ? portal->rows_sent : 0, found->time_zone};
  current_ = own.sql;
  return run(own.sql, simple, 0, &own, out);
}

}  // namespace pgweir::sim
