// links: pgweir_protocol
// Fuzzes the cutting of both directions: whatever comes, the pieces are the input, and cutting it
// elsewhere changes no message. First byte: direction and size of the portions.
#include <cstddef>
#include <cstdint>
#include <string>

#include "protocol/conversation.h"
#include "protocol/framer.h"

using namespace pgweir;

namespace {

struct Outcome {
  std::string pieces;  // all bytes in order
  std::string tags;
  bool failed = false;
  bool operator==(const Outcome&) const = default;
};

Outcome cut(Direction direction, Bytes input, std::size_t portion) {
  Framer framer(direction);
  framer.limit_length(1 << 20);
  Conversation talk;
  Outcome outcome;
  while (!input.empty() && !framer.failed()) {
    // A copy of the exact size, so that a read beyond it is noticed.
    const Buffer scratch(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(
                                                            std::min(portion, input.size())));
    input = input.subspan(scratch.size());
    Bytes left = scratch;
    while (auto piece = framer.next(left)) {
      if (piece->starts) {
        outcome.tags += piece->tag;
        if (direction == Direction::from_client)
          talk.on_request(piece->tag);
        else
          (void)talk.on_reply(piece->tag,
                              piece->body().empty() ? '\0' : static_cast<char>(piece->body()[0]));
      }
      outcome.pieces += as_text(piece->bytes);
    }
    framer.end_turn();
  }
  outcome.failed = framer.failed();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Direction direction = data[0] & 1 ? Direction::from_client : Direction::from_server;
  const Bytes input{reinterpret_cast<const std::byte*>(data + 1), size - 1};
  const Outcome whole = cut(direction, input, size),
                parts = cut(direction, input, 1 + (data[0] >> 1));
  // What was not taken is the beginning of a message that must come in one piece, whole in both.
  const std::string all(as_text(input));
  if (all.compare(0, whole.pieces.size(), whole.pieces) != 0) __builtin_trap();
  if (all.compare(0, parts.pieces.size(), parts.pieces) != 0) __builtin_trap();
  if (whole.tags != parts.tags || whole.failed != parts.failed) __builtin_trap();
  return 0;
}
