#include "protocol/framer.h"

#include <algorithm>

namespace pgweir {
namespace {

constexpr std::size_t query_whole_max = 64 * 1024;

}  // namespace

std::optional<Piece> Framer::next_of_rest(Bytes& input) {
  if (input.empty() || failed()) return std::nullopt;
  if (remaining_ > 0) return next_of_passing(input);
  if (kept_) return next_with_kept(input);
  if (input.size() < header_bytes) {
    keep(input, input.size());
    return std::nullopt;
  }
  if (!judge_header(input.data())) return std::nullopt;
  const std::size_t total = std::size_t{load_be32(input.data() + 1)} + 1;
  if (input.size() < total && input.size() < wanted_in_one_piece(input)) {
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
  // What has come may show that more is wanted.
  for (std::size_t wanted = wanted_in_one_piece(*kept_); kept_->size() < wanted; wanted = wanted_in_one_piece(*kept_)) {
    if (input.empty()) return std::nullopt;
    keep(input, std::min(wanted - kept_->size(), input.size()));
  }
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

std::size_t Framer::wanted_in_one_piece(Bytes here) const {
  const std::size_t total = std::size_t{load_be32(here.data() + 1)} + 1;
  switch (tag_info(direction_, static_cast<char>(here[0])).handling) {
    case Handling::whole:
      return total;
    case Handling::lead:
      if (total > lead_bytes && read_statements_) return wanted_of_statement(here, total);
      return std::min(total, lead_bytes);
    default:
      return header_bytes;
  }
}

// Parse, Describe and Close whole; of a Bind its two names, which nearly always are in its beginning.
std::size_t Framer::wanted_of_statement(Bytes here, std::size_t total) {
  switch (static_cast<char>(here[0])) {
    case 'P': {
      if (here.size() <= header_bytes) return header_bytes + 1;
      const bool unnamed = here[header_bytes] == std::byte{0};
      return unnamed && total > unnamed_parse_max ? lead_bytes : total;
    }
    case 'D': case 'C':
      return total;
    case 'B': {
      if (here.size() < lead_bytes) return lead_bytes;
      const Bytes names = here.subspan(header_bytes);
      return std::count(names.begin(), names.end(), std::byte{0}) < 2 ? total : lead_bytes;
    }
    case 'Q':
      // Read whole, so that it is known what it does to its session; a longer one passes in parts.
      if (total <= query_whole_max) return total;
      return here.size() >= lead_bytes && total <= unnamed_parse_max && prepares(as_text(here.subspan(header_bytes)))
                 ? total : lead_bytes;
    default:
      return lead_bytes;
  }
}

// Whether a query begins with PREPARE or EXECUTE, whose names it may have to be told by another.
bool Framer::prepares(std::string_view sql) {
  const std::size_t at = sql.find_first_not_of(" \t\r\n\f\v");
  if (at == std::string_view::npos) return false;
  const auto is = [&](std::string_view word) {
    return sql.size() >= at + word.size() &&
           std::equal(word.begin(), word.end(), sql.begin() + static_cast<std::ptrdiff_t>(at),
                      [](char a, char b) { return a == (b | 0x20); });
  };
  return is("prepare") || is("execute");
}

Piece Framer::start_piece(Bytes bytes) {
  tag_ = static_cast<char>(bytes[0]);
  length_ = load_be32(bytes.data() + 1);
  remaining_ = static_cast<std::uint32_t>(std::size_t{length_} + 1 - bytes.size());
  return {tag_, true, remaining_ == 0, length_, bytes};
}

}  // namespace pgweir
