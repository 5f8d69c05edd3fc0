#include "protocol/framer.h"

#include <algorithm>

namespace pgweir {

std::optional<Piece> Framer::next(Bytes& input) {
  if (input.empty() || failed()) return std::nullopt;
  if (remaining_ > 0) return next_of_passing(input);
  if (kept_) return next_with_kept(input);
  if (input.size() < header_bytes) {
    keep(input, input.size());
    return std::nullopt;
  }
  if (!judge_header(input.data())) return std::nullopt;
  const std::size_t total = std::size_t{load_be32(input.data() + 1)} + 1;
  if (input.size() < total && input.size() < wanted_in_one_piece(input.data())) {
    keep(input, input.size());
    return std::nullopt;
  }
  const Bytes bytes = input.first(std::min(total, input.size()));
  input = input.subspan(bytes.size());
  return start_piece(bytes);
}

std::optional<Piece> Framer::next_of_passing(Bytes& input) {
  const std::size_t count = std::min<std::size_t>(remaining_, input.size());
  Piece piece{tag_, false, count == remaining_, length_, input.first(count)};
  remaining_ -= static_cast<std::uint32_t>(count);
  input = input.subspan(count);
  return piece;
}

// The beginning of a message waits in kept_: add to it until it is a piece.
std::optional<Piece> Framer::next_with_kept(Bytes& input) {
  if (kept_->size() < header_bytes) {
    keep(input, std::min(header_bytes - kept_->size(), input.size()));
    if (kept_->size() < header_bytes) return std::nullopt;
  }
  if (!judge_header(kept_->data())) return std::nullopt;
  const std::size_t wanted = wanted_in_one_piece(kept_->data());
  if (kept_->size() < wanted) keep(input, std::min(wanted - kept_->size(), input.size()));
  if (kept_->size() < wanted) return std::nullopt;
  lent_ = std::move(kept_);
  return start_piece(*lent_);
}

void Framer::keep(Bytes& input, std::size_t count) {
  if (!kept_) kept_ = std::make_unique<Buffer>();
  append(*kept_, input.first(count));
  input = input.subspan(count);
}

bool Framer::judge_header(const std::byte* header) {
  const auto& info = tag_info(direction_, static_cast<char>(header[0]));
  const std::uint32_t length = load_be32(header + 1);
  if (info.handling == Handling::unknown) {
    failure_ = Failure::unknown_tag;
  } else if (length < 4 || length > info.length_max || length > length_max_) {
    failure_ = Failure::bad_length;
  } else {
    return true;
  }
  std::copy_n(header, header_bytes, offending_.begin());
  offending_size_ = header_bytes;
  return false;
}

std::size_t Framer::wanted_in_one_piece(const std::byte* header) const {
  const std::size_t total = std::size_t{load_be32(header + 1)} + 1;
  switch (tag_info(direction_, static_cast<char>(header[0])).handling) {
    case Handling::whole:
      return total;
    case Handling::lead:
      return std::min(total, lead_bytes);
    default:
      return header_bytes;
  }
}

Piece Framer::start_piece(Bytes bytes) {
  tag_ = static_cast<char>(bytes[0]);
  length_ = load_be32(bytes.data() + 1);
  remaining_ = static_cast<std::uint32_t>(std::size_t{length_} + 1 - bytes.size());
  return {tag_, true, remaining_ == 0, length_, bytes};
}

}  // namespace pgweir
