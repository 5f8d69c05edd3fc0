// Cuts a stream of bytes into messages, or into the parts of a message that are here.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "protocol/bytes.h"
#include "protocol/tags.h"

namespace pgweir {

// A message, or the part of one that has arrived.
struct Piece {
  char tag = 0;
  bool starts = false;            // `bytes` begins with the header
  bool ends = false;              // `bytes` reaches to the message's end
  std::uint32_t length = 0;       // the message's length field, also in later pieces
  Bytes bytes;

  bool whole() const { return starts && ends; }
  // The message's contents as far as they are in this piece.
  Bytes body() const { return starts ? bytes.subspan(header_bytes) : bytes; }
};

// One direction of one connection, after the startup packet. Owned by its session; used by one thread.
//
//      input:  [ tail of a message ][ message ][ message ][ head of a message ]
//      pieces:  ends                 whole      whole      starts, if its tag may pass; else it is kept here
//
// A piece points into the input, except the one that completes what was kept: that one points into the framer and
// is valid until the next call of end_turn().
class Framer {
 public:
  enum class Failure : std::uint8_t { none, unknown_tag, bad_length };

  explicit Framer(Direction direction) : direction_(direction) {}

  // Takes the next piece off the front of `input`. Nothing: the input is used up (what must not pass in parts is
  // kept), or the framer has failed. The size of a message is bounded by its tag's row and by `length_max`.
  std::optional<Piece> next(Bytes& input) {
    if (remaining_ > 0 || kept_ || failed() || input.size() < header_bytes) return next_of_rest(input);
    // Nearly every message is all here.
    const char tag = static_cast<char>(input[0]);
    const std::uint32_t length = load_be32(input.data() + 1);
    const std::size_t total = std::size_t{length} + 1;
    if (total > input.size() || length < 4 || length > length_max_ || length > tag_info(direction_, tag).length_max) {
      return next_of_rest(input);
    }
    tag_ = tag;
    length_ = length;
    const Bytes bytes = input.first(total);
    input = input.subspan(total);
    return Piece{tag, true, true, length, bytes};
  }

  // Gives back the memory of a piece that was kept and has been used. To be called when a turn's pieces are done.
  void end_turn() { lent_.reset(); }
  // Forgets a message that is half way. The caller has put its bytes elsewhere.
  void reset() {
    remaining_ = 0;
    kept_.reset();
  }

  Failure failure() const { return failure_; }
  bool failed() const { return failure_ != Failure::none; }
  // The header that could not be taken, for the error message. At most header_bytes.
  Bytes offending_header() const { return {offending_.data(), offending_size_}; }
  // Between two messages: nothing half read.
  bool between_messages() const { return remaining_ == 0 && !kept_; }
  // In the middle of a message whose beginning has been handed out.
  bool passing() const { return remaining_ > 0; }
  std::size_t kept_bytes() const { return kept_ ? kept_->size() : 0; }
  void limit_length(std::uint32_t length_max) { length_max_ = length_max; }
  // Whether the names of statements, and the texts they stand for, are to come in one piece, whatever their length.
  void read_statements(bool wanted) { read_statements_ = wanted; }
  // An unnamed Parse, or a Query with PREPARE, above this length passes in parts all the same.
  static constexpr std::uint32_t unnamed_parse_max = 1024 * 1024;

 private:
  std::optional<Piece> next_of_rest(Bytes& input);
  std::optional<Piece> next_of_passing(Bytes& input);
  std::optional<Piece> next_with_kept(Bytes& input);
  void keep(Bytes& input, std::size_t count);
  bool judge_header(const std::byte* header);
  std::size_t wanted_in_one_piece(Bytes here) const;
  static std::size_t wanted_of_statement(Bytes here, std::size_t total);
  static bool prepares(std::string_view sql);
  Piece start_piece(Bytes bytes);

  Direction direction_;
  Failure failure_ = Failure::none;
  bool read_statements_ = false;
  char tag_ = 0;                           // of the message that is passing
  std::uint8_t offending_size_ = 0;
  std::array<std::byte, header_bytes> offending_{};
  std::uint32_t length_ = 0;               // of the message that is passing
  std::uint32_t remaining_ = 0;            // bytes of it still to come
  std::uint32_t length_max_ = any_length;
  std::unique_ptr<Buffer> kept_;           // the beginning of a message that must come in one piece
  std::unique_ptr<Buffer> lent_;           // the one completed in this turn
};

}  // namespace pgweir
