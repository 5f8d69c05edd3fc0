#include "proxy/policy/statement_clock.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "protocol/backend.h"
#include "protocol/bind_values.h"
#include "protocol/frontend.h"

namespace pgweir::policy {
namespace {

constexpr std::size_t roomy_bytes = 4096;   // a slot that grew beyond gives its memory back
constexpr std::size_t compact_at = 64;      // executions that are over, at the front of those that are not

// The count at the end of a command tag: `INSERT 0 5`, `SELECT 3`. 0 when there is none.
std::uint64_t rows_of(std::string_view tag) {
  std::uint64_t rows = 0;
  const std::size_t space = tag.rfind(' ');
  if (space != std::string_view::npos) std::from_chars(tag.data() + space + 1, tag.data() + tag.size(), rows);
  return rows;
}

}  // namespace

void StatementClock::on_request(const Piece& piece, TimePoint now) {
  std::uint64_t& bytes_in = piece.starts || piece.tag != 'Q' || running_.empty() ? pending_in_ : running_.back().bytes_in;
  bytes_in += piece.bytes.size();
  if (!piece.starts) {
    if (incoming_ != no_slot && (piece.tag == 'Q' || piece.tag == 'P')) add_text(incoming_, piece.bytes);
    if (piece.ends) incoming_ = no_slot;
    return;
  }
  incoming_ = no_slot;
  switch (piece.tag) {
    case 'Q':
      end_batch();
      begin({start_query(piece.body()), no_slot}, 'Q', now);
      end_batch();
      break;
    case 'P':
      start_parse(piece.body());
      break;
    case 'B':
      on_bind(piece.body());
      break;
    case 'E':
      on_execute(piece.body(), now);
      break;
    case 'C':
      close(piece.body());
      break;
    case 'F':
      end_batch();
      begin({start_function_call(piece.body()), no_slot}, 'F', now);
      end_batch();
      break;
    case 'S':
      end_batch();
      break;
    case 'H':
      on_flush();
      break;
    default:
      break;
  }
  if (piece.ends) incoming_ = no_slot;
}

bool StatementClock::may_want_flush(const Piece& next) const {
  if (running_.empty() || running_.back().group != group_) return false;
  if (next.tag != 'P' && next.tag != 'B' && next.tag != 'E') return false;
  if (executed_ <= alone_max || executed_ % alone_max == 0) return true;
  if (next.tag == 'P') {
    const auto view = read_parse_lead(next.body());
    return !view || view->sql != text_of(running_.back());
  }
  if (next.tag == 'B') {
    const auto view = read_bind(next.body());
    return !view || view->statement != name_of(running_.back());
  }
  return false;
}

void StatementClock::end_batch() {
  ++group_;
  executed_ = 0;
}

StatementClock::Slot StatementClock::start_query(Bytes body) {
  const Slot slot = incoming_ = new_text({});
  add_text(slot, body);
  return slot;
}

// PostgreSQL's log tells the function's name; we know its number.
StatementClock::Slot StatementClock::start_function_call(Bytes body) {
  const Slot slot = new_text({});
  const auto function = read_function_call(body);
  const std::uint32_t oid = function ? function->function_oid : 0;
  add_text(slot, as_bytes(fmt::format("fastpath function call: \"{0}\" (OID {0})", oid)));
  return slot;
}

void StatementClock::start_parse(Bytes body) {
  const auto view = read_parse_lead(body);
  if (!view) return;
  const Slot slot = new_text(view->statement);
  add_text(slot, as_bytes(view->sql));
  Slot* place = view->statement.empty() ? &unnamed_statement_ : nullptr;
  if (!place) {
    if (statements_.size() >= names_max) forget_statements();
    place = &statements_.try_emplace(std::string(view->statement), no_slot).first->second;
  }
  let_go(*place);
  *place = slot;
  hold(slot);
  if (!view->sql_complete) incoming_ = slot;
}

void StatementClock::on_bind(Bytes body) {
  const auto view = read_bind(body);
  if (!view) return;
  Slot slot = unnamed_statement_;
  if (!view->statement.empty()) {
    auto found = statements_.find(view->statement);
    slot = found == statements_.end() ? no_slot : found->second;
  }
  bind_slot(view->portal, slot, body.subspan(view->statement_end));
}

void StatementClock::on_bind(std::string_view portal, std::string_view name, std::string_view sql, Bytes values) {
  const Slot slot = new_text(name);
  add_text(slot, as_bytes(sql));
  incoming_ = no_slot;
  bind_slot(portal, slot, values);
}

void StatementClock::bind_slot(std::string_view portal, Slot slot, Bytes values) {
  Portal* place = portal.empty() ? &unnamed_portal_ : nullptr;
  if (!place) {
    if (portals_.size() >= names_max) forget_portals();
    place = &portals_.try_emplace(std::string(portal)).first->second;
  }
  hold(slot);
  unbind(*place);
  place->text = slot;
  if (value_bytes_ == 0) return;
  const std::size_t each = value_bytes_ < 0 ? text_bytes_max : static_cast<std::size_t>(value_bytes_);
  place->values = new_text({});
  add_text(place->values, as_bytes(describe_values(values, each, text_bytes_max)));
  hold(place->values);
}

void StatementClock::unbind(Portal& portal) {
  let_go(portal.text);
  let_go(portal.values);
  portal = {};
}

void StatementClock::close(Bytes body) {
  const auto view = read_close(body);
  if (!view || view->name.empty()) return;
  if (view->kind == 'S') return forget_statement(view->name);
  const auto found = portals_.find(view->name);
  if (found == portals_.end()) return;
  unbind(found->second);
  portals_.erase(found);
}

void StatementClock::forget_statement(std::string_view name) {
  const auto found = statements_.find(name);
  if (found == statements_.end()) return;
  let_go(found->second);
  statements_.erase(found);
}

void StatementClock::forget_statements() {
  for (auto& [name, slot] : statements_) let_go(slot);
  statements_.clear();
}

void StatementClock::forget_portals() {
  for (auto& [name, portal] : portals_) unbind(portal);
  portals_.clear();
}

void StatementClock::on_execute(Bytes body, TimePoint now) {
  const auto view = read_execute(body);
  Portal portal = unnamed_portal_;
  if (view && !view->portal.empty()) {
    auto found = portals_.find(view->portal);
    portal = found == portals_.end() ? Portal{} : found->second;
  }
  ++executed_;
  begin(portal, 'E', now);
}

void StatementClock::begin(Portal portal, char tag, TimePoint now) {
  if (head_ >= compact_at && head_ * 2 >= running_.size()) {
    running_.erase(running_.begin(), running_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  hold(portal.text);
  hold(portal.values);
  running_.push_back({portal.text, portal.values, tag, group_, now, std::exchange(pending_in_, 0)});
}

void StatementClock::on_reply(char tag, std::size_t bytes, Bytes body, TimePoint now) {
  if (running_.empty()) return;
  reply_.bytes += bytes;
  switch (tag) {
    case '1': case '2': case '3': case 't': case 'n': case 'N': case 'S': case 'A':
      return;                             // answers something else, or nothing
    case 'T':
      if (running_[head_].tag != 'Q') return;
      break;
    case 'E':
      ReportView(body).sqlstate().copy(reply_.sqlstate, sizeof reply_.sqlstate - 1);
      break;
    case 'C':
      if (const auto complete = read_command_complete(body)) reply_.rows += rows_of(complete->tag);
      reply_.portion = 0;
      break;
    case 'D':
      ++reply_.portion;
      break;
    case 's':                             // a portal with more rows says no number
      reply_.rows += std::exchange(reply_.portion, 0);
      break;
    default:
      break;
  }
  if (reply_.first_at == TimePoint{}) reply_.first_at = now;
}

// How many executions, from the one in front, may be answered together with it.
unsigned StatementClock::sharers() const {
  std::size_t end = head_ + 1;
  while (end < running_.size() && running_[end].group == running_[head_].group) ++end;
  return static_cast<unsigned>(end - head_);
}

StatementClock::Finished StatementClock::finished(const Running& first, TimePoint now, unsigned sharers) const {
  const TimePoint begin = std::max(first.sent_at, last_end_);
  Finished done;
  done.name = name_of(first);
  done.text = text_of(first);
  if (first.values != no_slot) done.values = texts_[first.values].sql;
  done.simple = first.tag == 'Q';
  done.function_call = first.tag == 'F';
  done.shared = sharers;
  done.took = (now - begin) / sharers;
  done.to_first_byte = reply_.first_at == TimePoint{} ? done.took : std::clamp(reply_.first_at - begin, Duration{}, done.took);
  done.blocked = std::min(reply_.blocked, done.took - done.to_first_byte);
  done.rows = reply_.rows;
  done.bytes_in = first.bytes_in;
  done.bytes_out = reply_.bytes;
  done.sqlstate = reply_.sqlstate;
  done.cut = done.text.size() >= text_bytes_max;
  return done;
}

StatementClock::Slot StatementClock::new_text(std::string_view name) {
  Slot slot = spare_;
  if (slot == no_slot) {
    slot = static_cast<Slot>(texts_.size());
    texts_.emplace_back();
  } else {
    spare_ = texts_[slot].next_spare;
  }
  texts_[slot].name.assign(name);
  return slot;
}

// The text ends at its zero byte; what follows in a Parse are types.
void StatementClock::add_text(Slot slot, Bytes more) {
  std::string& sql = texts_[slot].sql;
  std::string_view text = as_text(more);
  const std::size_t zero = text.find('\0');
  if (zero != std::string_view::npos) {
    text = text.substr(0, zero);
    incoming_ = no_slot;
  }
  const std::size_t room = kept_bytes_ < kept_bytes_max ? text_bytes_max : short_text_bytes;
  text = text.substr(0, room - std::min(sql.size(), room));
  sql.append(text);
  kept_bytes_ += text.size();
}

void StatementClock::hold(Slot slot) {
  if (slot != no_slot) ++texts_[slot].users;
}

void StatementClock::let_go(Slot slot) {
  if (slot == no_slot) return;
  Text& text = texts_[slot];
  if (--text.users > 0) return;
  kept_bytes_ -= text.sql.size();
  text.sql.clear();
  if (text.sql.capacity() > roomy_bytes) text.sql.shrink_to_fit();
  text.next_spare = std::exchange(spare_, slot);
}

void StatementClock::drop(unsigned count) {
  for (; count > 0 && !running_.empty(); --count) {
    let_go(running_[head_].slot);
    let_go(running_[head_].values);
    if (++head_ == running_.size()) {
      running_.clear();
      head_ = 0;
    }
  }
}

void StatementClock::forget() {
  drop(static_cast<unsigned>(running_.size() - head_));
  forget_statements();
  forget_portals();
  let_go(unnamed_statement_);
  unbind(unnamed_portal_);
  unnamed_statement_ = incoming_ = no_slot;
  last_end_ = {};
  executed_ = 0;
  pending_in_ = 0;
  reply_ = {};
}

}  // namespace pgweir::policy
