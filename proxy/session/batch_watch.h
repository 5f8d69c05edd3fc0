// Whether a client's input is a batch that could be said again.
#pragma once

#include <string_view>

#include "protocol/framer.h"
#include "protocol/frontend.h"

namespace pgweir {

// Made anew for each turn. A batch may be repeated if it is in one piece, binds before it does anything else, asks for
// the description of its rows - who has kept one must be told that it is out of date - and ends with its only Sync. Who
// parses the statement in the same breath, which we have answered ourselves, cannot have kept one.
class BatchWatch {
 public:
  static constexpr std::size_t bytes_max = 8 * 1024;

  // `wanted`: the client is at rest, outside a transaction.
  BatchWatch(bool wanted, Bytes input) : wanted_(wanted && input.size() <= bytes_max), input_(input) {}

  void add(const Piece& piece, bool swallowed) {
    if (!wanted_) return;
    wanted_ = piece.whole() && !over_;
    if (!begun_) {
      if (swallowed) return note_parse(piece);
      begun_ = true;
      const auto at = static_cast<std::size_t>(piece.bytes.data() - input_.data());
      wanted_ &= piece.tag == 'B' && at < input_.size();
      if (wanted_) input_ = input_.subspan(at);
      if (const auto view = wanted_ && parsed_ ? read_bind(piece.body()) : std::nullopt) described_ = view->statement == name_;
    }
    over_ = piece.tag == 'S';
    described_ |= piece.tag == 'D';
    wanted_ &= piece.tag != 'Q' && piece.tag != 'F';
  }
  // The batch, empty when it may not be repeated. Points into the turn's input.
  Bytes repeatable() const { return wanted_ && over_ && described_ ? input_ : Bytes(); }

 private:
  void note_parse(const Piece& piece) {
    const auto view = piece.tag == 'P' && piece.whole() ? read_parse(piece.body()) : std::nullopt;
    if (!view) return;
    parsed_ = true;
    name_ = view->statement;
  }

  bool wanted_;
  bool begun_ = false, over_ = false, described_ = false, parsed_ = false;
  Bytes input_;
  std::string_view name_;      // of the statement in the last Parse that we have answered
};

}  // namespace pgweir
