#include "tests/support/sim_session.h"

#include <strings.h>
#include <algorithm>
#include <vector>

#include "tests/support/sim_wire.h"

namespace pgweir::sim {
namespace {
constexpr std::string_view aborted = "current transaction is aborted";

std::string trim(std::string_view text) {
  const std::size_t first = std::min(text.find_first_not_of(' '), text.size());
  return std::string(text.substr(first, text.find_last_not_of(' ') + 1 - first));
}

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t at = std::min(text.find(by), text.size());
    if (const std::string part = trim(text.substr(0, at)); !part.empty()) parts.push_back(part);
    text.remove_prefix(std::min(at + 1, text.size()));
  }
  return parts;
}

std::string_view take_name(std::string_view& body) {
  const std::size_t end = std::min(body.find('\0'), body.size());
  const std::string_view name = body.substr(0, end);
  body.remove_prefix(std::min(end + 1, body.size()));
  return name;
}

}  // namespace

std::string without_owner(const std::string& sql) {
  if (sql.starts_with("any ")) return sql.substr(4);
  return owner_of(sql).empty() ? sql : sql.substr(std::min(sql.find(' '), sql.size() - 1) + 1);
}

std::string owner_of(std::string_view sql) {
  if (sql.empty() || sql[0] != 'c') return {};
  const std::size_t dot = sql.find('.');
  if (dot == std::string_view::npos || dot < 2) return {};
  const std::string_view digits = sql.substr(1, dot - 1);
  const bool number = digits.find_first_not_of("0123456789") == std::string_view::npos;
  return number ? std::string(sql.substr(0, dot)) : std::string{};
}

void SimSession::notice_owner(const std::string& text) {
  const std::string& sql = meant_by(text);
  if (sql.empty() || sql.starts_with("any ")) return;
  const std::string owner = owner_of(sql);
  const bool open = status_ != 'I' || batch_open_ || copy_in_;
  if (open && !owner_.empty() && owner != owner_)
    breach_ = "'" + sql + "' met a session that " + owner_ + " has not left";
  owner_ = owner;
}

bool SimSession::silent(std::string_view message) const {
  switch (message[0]) {
    case 'H': case 'X': return true;
    case 'd':
      return !copy_in_ || message.find("BAD") == std::string_view::npos;
    case 'c': case 'f': return !copy_in_;
    case 'S': return copy_in_;
    default: return skipping_;
  }
}

void SimSession::on_message(std::string_view whole, std::string& out) {
  const char tag = whole[0];
  std::string_view body = whole.substr(5);
  if (copy_in_) return on_copy_message(tag, body, out);
  if (tag == 'S') {
    skipping_ = batch_open_ = false;
    out += ready(status_);
    return;
  }
  if (skipping_) return;
  if (tag == 'Q') {
    const std::string sql(take_name(body));
    notice_owner(sql);
    batch_open_ = false;
    prepared_.erase("");
    portals_.clear();
    const std::string owner = owner_of(sql);
    for (std::string& s : [&] {
           auto v = split(sql, ';');
           return v;
         }()) {
      statements_.push_back(owner_of(s).empty() && !owner.empty() ? owner + ".0 " + s : s);
    }
    if (statements_.empty()) {
      out += message('I', "") + ready(status_);
      return;
    }
    simple_ = true;
    return run_simple(out);
  }
  if (tag == 'F') {
    const std::string argument(body.substr(12, body.size() - 14));
    notice_owner(argument);
    simple_ = true;
    if (status_ == 'E')
      fail("25P02", aborted, out);
    else
      out += message('V', be32(static_cast<std::uint32_t>(argument.size())) + argument) +
             ready(status_);
    return;
  }
  if (tag == 'H' || tag == 'X' || tag == 'd' || tag == 'c' || tag == 'f') return;
  on_extended(tag, body, out);
}

void SimSession::run_simple(std::string& out) {
  while (!statements_.empty()) {
    const std::string sql = statements_.front();
    statements_.pop_front();
    current_ = sql;
    if (!run(sql, true, 0, nullptr, out)) return;
  }
  out += ready(status_);
}

void SimSession::fail(std::string_view code, std::string_view text, std::string& out) {
  out += error(code, text);
  copy_in_ = busy_ = false;
  statements_.clear();
  if (status_ == 'T') status_ = 'E';
  if (simple_)
    out += ready(status_);
  else
    skipping_ = true;
}

// What ran in the background, SLEEP or COPY IN, has come to its end.
void SimSession::statement_over(std::string& out) {
  if (simple_) run_simple(out);
}

void SimSession::finish(std::string& out) {
  busy_ = false;
  out += complete("SLEEP");
  statement_over(out);
}

void SimSession::cancel(std::string& out) {
  busy_ = false;
  fail("57014", "canceling statement due to user request", out);
}

void SimSession::reject(std::string_view whole, std::string& out) {
  simple_ = whole[0] == 'Q' || whole[0] == 'F';
  fail("57014", "canceling statement due to user request", out);
}

bool SimSession::returns_rows(const std::string& sql) const {
  const std::string verb = without_owner(sql.starts_with("EXECUTE") ? meant_by(sql) : sql);
  return verb.starts_with("SELECT") || verb.starts_with("ROWS") || verb.starts_with("SHOW") || verb.starts_with("STAR") ||
         verb.starts_with("LITERAL");
}

bool SimSession::run(const std::string& sql, bool simple, unsigned rows_max, Portal* portal,
                     std::string& out) {
  const std::string text = without_owner(sql);
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string verb = text.substr(0, space);
  const std::string rest = trim(std::string_view(text).substr(space));
  if (status_ == 'E' && verb != "COMMIT" && verb != "ROLLBACK") {
    fail("25P02", aborted, out);
    return false;
  }
  if (verb == "PREPARE" || verb == "EXECUTE" || verb == "DEALLOCATE")
    return run_about_statements(verb, rest, simple, portal, out);
  return run_known(verb, rest, sql, simple, rows_max, portal, out);
}

bool SimSession::run_known(const std::string& verb, const std::string& rest, const std::string& sql,
                           bool simple, unsigned rows_max, Portal* portal, std::string& out) {
  if (verb == "ALTER" && schema_) {
    ++*schema_;
    out += complete("ALTER TABLE");
    return true;
  }
  if (verb == "SELECT" || verb == "SHOW" || verb == "ROWS" || verb == "STAR" || verb == "LITERAL") {
    int count = 1;
    std::size_t size = 0;
    std::string value = sql;
    if (verb == "ROWS") {
      const auto numbers = split(rest, ' ');
      count = std::stoi(numbers.at(0));
      size = static_cast<std::size_t>(std::stoi(numbers.at(1)));
    } else if (verb == "SHOW") {
      const auto found = find_parameter(parameters_, rest);
      value += "=" + (found == parameters_.end() ? "?" : found->second);
    } else if (verb == "STAR") {
      value += "=" + std::to_string(schema_ ? *schema_ : 0);
    } else if (verb == "LITERAL") {
      value += "=" + (portal && !portal->time_zone.empty() ? portal->time_zone : parameters_["TimeZone"]);
    }
    if (simple) out += row_description();
    int from = portal ? portal->rows_sent : 0;
    int to = rows_max > 0 ? std::min(count, from + static_cast<int>(rows_max)) : count;
    for (int i = from; i < to; ++i)
      out += data_row(value + "#" + std::to_string(i) + std::string(size, 'x'));
    if (portal) portal->rows_sent = to;
    if (to < count)
      out += message('s', "");
    else
      out += complete("SELECT " + std::to_string(to - from));
    return true;
  }
  if (verb == "BEGIN") {
    if (status_ == 'I') before_transaction_ = parameters_;
    if (status_ == 'I') status_ = 'T';
    out += complete("BEGIN");
    return true;
  }
  if (verb == "COMMIT" || verb == "ROLLBACK") {
    const bool commit = verb == "COMMIT" && status_ != 'E';
    out += complete(commit ? "COMMIT" : "ROLLBACK");
    end_transaction(commit, out);
    return true;
  }
  if (verb == "SET") {
    bool failed = false;
    set(rest, out, failed);
    return !failed;
  }
  if (verb == "DISCARD") {
    discard_all(out);
    return true;
  }
  if (verb == "NOTICE") {
    out += report('N', "NOTICE", "00000", sql) + complete("NOTICE");
    return true;
  }
  if (verb == "COPYOUT") {
    out += message('H', std::string(1, '\0') + be16(1) + be16(0));
    const int count = std::stoi(rest);
    for (int i = 0; i < count; ++i) out += message('d', sql + " line " + std::to_string(i));
    out += message('c', "") + complete("COPY " + std::to_string(count));
    return true;
  }
  if (verb == "COPYIN") {
    copy_in_ = true;
    copied_ = 0;
    out += message('G', std::string(1, '\0') + be16(1) + be16(0));
    return false;
  }
  if (verb == "SLEEP") {
    busy_ = true;
    return false;
  }
  if (verb == "DIE") {
    dead_ = true;
    out += fatal("57P01", "terminating connection: " + sql);
    return false;
  }
  fail("42601", "syntax error in " + sql, out);
  return false;
}

void SimSession::end_transaction(bool commit, std::string& out) {
  if (status_ == 'I') return;
  status_ = 'I';
  portals_.clear();
  if (commit) return;
  for (const auto& [name, value] : before_transaction_) put(name, value, out);
}

// A failed transaction takes nothing but its end.
bool SimSession::refuses(const std::string& sql) const {
  const std::string verb = without_owner(sql);
  return status_ == 'E' && !verb.starts_with("COMMIT") && !verb.starts_with("ROLLBACK");
}

void SimSession::on_extended(char tag, std::string_view body, std::string& out) {
  simple_ = false;
  if (status_ == 'I' && !batch_open_) owner_.clear();
  if (tag == 'P') {
    const std::string name(take_name(body));
    const std::string sql(take_name(body));
    notice_owner(sql);
    batch_open_ = true;
    if (prepare(name, sql, out)) out += message('1', "");
    return;
  }
  batch_open_ = true;
  if (tag == 'B') {
    const std::string portal(take_name(body));
    const std::string name(take_name(body));
    const Prepared* found = find_prepared(name, out);
    if (!found) return;
    notice_owner(found->sql);
    if (refuses(found->sql)) return fail("25P02", aborted, out);
    if (plan_is_stale(name, out)) return;
    portals_[portal] = {found->sql, 0, found->time_zone};
    out += message('2', "");
  } else if (tag == 'D') {
    const char kind = body[0];
    body.remove_prefix(1);
    const std::string name(take_name(body));
    std::string sql;
    if (kind == 'S') {
      const Prepared* found = find_prepared(name, out);
      if (!found) return;
      sql = found->sql;
      if (refuses(sql)) return fail("25P02", aborted, out);
      out += message('t', be16(0));
    } else {
      const auto found = portals_.find(name);
      if (found == portals_.end())
        return fail("34000", "portal \"" + name + "\" does not exist", out);
      sql = found->second.sql;
    }
    out += returns_rows(sql) ? row_description() : message('n', "");
  } else if (tag == 'C') {
    const char kind = body[0];
    body.remove_prefix(1);
    const std::string name(take_name(body));
    if (kind == 'S')
      prepared_.erase(name);
    else
      portals_.erase(name);
    out += message('3', "");
  } else if (tag == 'E') {
    const std::string name(take_name(body));
    const auto found = portals_.find(name);
    if (found == portals_.end())
      return fail("34000", "portal \"" + name + "\" does not exist", out);
    execute_portal(found->second, read_be32(body), out);
  }
}

void SimSession::execute_portal(Portal& portal, unsigned rows_max, std::string& out) {
  current_ = portal.sql;
  if (without_owner(portal.sql).empty()) {
    out += message('I', "");
    return;
  }
  Portal copy = portal;  // the end of a transaction drops all portals
  run(copy.sql, false, rows_max, &copy, out);
  for (auto& [name, p] : portals_)
    if (p.sql == copy.sql) p.rows_sent = copy.rows_sent;
}

void SimSession::on_copy_message(char tag, std::string_view body, std::string& out) {
  if (tag == 'S' || tag == 'H') return;
  if (tag == 'd') {
    const std::string line(body);
    if (owner_of(line) != owner_of(current_))
      breach_ = "'" + line + "' went into the COPY of '" + current_ + "'";
    if (line.find("BAD") != std::string::npos) return fail("22P04", "bad line: " + line, out);
    ++copied_;
  } else if (tag == 'c') {
    copy_in_ = false;
    out += complete("COPY " + std::to_string(copied_));
    statement_over(out);
  } else if (tag == 'f') {
    fail("57014", "COPY from stdin failed: " + std::string(take_name(body)), out);
  } else {
    fail("08P01", "unexpected message type during COPY from stdin", out);
  }
}

}  // namespace pgweir::sim
