#include "bench/null_session.h"

#include "protocol/compose.h"
#include "protocol/startup.h"
#include "protocol/wire.h"

namespace pgweir::bench {
namespace {

const Buffer& welcome_bytes() {
  static const Buffer bytes = welcome();
  return bytes;
}

void parameter_description_of_none(Buffer& out) {
  WireWriter writer(out);
  writer.begin('t');
  writer.i16(0);
  writer.end();
}

}  // namespace

bool NullSession::take(Bytes input, Buffer& out) {
  if (!started_ && !take_startup(input, out)) return false;
  if (!started_) return true;
  while (const auto piece = framer_.next(input))
    if (!take_piece(*piece, out)) return false;
  framer_.end_turn();
  return !framer_.failed();
}

bool NullSession::take_startup(Bytes& input, Buffer& out) {
  append(startup_, input);
  input = {};
  while (!started_) {
    const StartupSize size = startup_size(startup_);
    if (size.verdict == StartupSize::Verdict::bad) return false;
    if (size.verdict == StartupSize::Verdict::unknown || startup_.size() < size.bytes) return true;
    const StartupKind kind = parse_startup(Bytes(startup_).first(size.bytes)).kind;
    startup_.erase(startup_.begin(), startup_.begin() + static_cast<std::ptrdiff_t>(size.bytes));
    if (kind == StartupKind::ssl_request || kind == StartupKind::gssenc_request) {
      out.push_back(std::byte{'N'});
    } else if (kind == StartupKind::startup) {
      started_ = true;
      append(out, welcome_bytes());
    } else {
      return false;
    }
  }
  const Buffer early = std::move(startup_);
  startup_ = Buffer();
  return early.empty() || take(early, out);
}

bool NullSession::take_piece(const Piece& piece, Buffer& out) {
  if (piece.tag == 'X') return false;
  if (piece.starts) open_message(piece);
  if (piece.ends) answer_message(piece.tag, out);
  return true;
}

// Reads what the answer depends on; the framer promises that names and the head of the SQL are in
// the first piece.
void NullSession::open_message(const Piece& piece) {
  WireReader reader(piece.body());
  const auto statement_named = [this](std::string_view name) -> const Answer* {
    const auto found = statements_.find(name);
    return found == statements_.end() ? nullptr : found->second;
  };
  switch (piece.tag) {
    case 'Q':
      current_ = &answers_.answer_to(as_text(piece.body()));
      break;
    case 'P': {
      const std::string_view name = reader.cstring();
      const Answer& answer = answers_.answer_to(as_text(reader.rest()));
      if (const auto known = statements_.find(name); known != statements_.end())
        known->second = &answer;
      else
        statements_.emplace(name, &answer);
      break;
    }
    case 'B':
      reader.cstring();
      current_ = statement_named(reader.cstring());
      break;
    case 'D':
      described_ = static_cast<char>(reader.u8());
      described_statement_ = described_ == 'S' ? statement_named(reader.cstring()) : current_;
      break;
    default:
      break;
  }
}

void NullSession::answer_message(char tag, Buffer& out) {
  switch (tag) {
    case 'Q':
      answer_query(out);
      break;
    case 'P':
      compose::parse_complete(out);
      break;
    case 'B':
      compose::bind_complete(out);
      break;
    case 'C':
      compose::close_complete(out);
      break;
    case 'D':
      if (described_ == 'S') parameter_description_of_none(out);
      if (described_statement_)
        append(out, described_statement_->description);
      else
        compose::no_data(out);
      break;
    case 'E':
      if (current_) append(out, current_->rows);
      if (current_ && current_->transaction) transaction_ = current_->transaction;
      break;
    case 'S':
      compose::ready_for_query(out, transaction_);
      break;
    default:
      break;
  }
}

void NullSession::answer_query(Buffer& out) {
  constexpr char no_data_tag = 'n';
  if (current_->description.front() != std::byte{no_data_tag}) append(out, current_->description);
  append(out, current_->rows);
  if (current_->transaction) transaction_ = current_->transaction;
  compose::ready_for_query(out, transaction_);
}

}  // namespace pgweir::bench
