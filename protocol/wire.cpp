#include "protocol/wire.h"

#include <cstring>

namespace pgweir {

std::string_view WireReader::long_cstring() {
  const Bytes left = ok_ ? bytes_.subspan(at_) : Bytes{};
  const void* zero = left.empty() ? nullptr : std::memchr(left.data(), 0, left.size());
  if (!zero) {
    ok_ = false;
    return {};
  }
  const auto size = static_cast<std::size_t>(static_cast<const std::byte*>(zero) - left.data());
  at_ += size + 1;
  return as_text(left.first(size));
}

void WireWriter::begin(char tag) {
  letter(tag);
  begin_untagged();
}

void WireWriter::begin_untagged() {
  length_at_ = to_.size();
  to_.resize(to_.size() + 4);
}

void WireWriter::end() {
  store_be32(to_.data() + length_at_, static_cast<std::uint32_t>(to_.size() - length_at_));
}

void WireWriter::i16(std::int16_t value) {
  const auto bits = static_cast<std::uint16_t>(value);
  u8(static_cast<std::uint8_t>(bits >> 8));
  u8(static_cast<std::uint8_t>(bits & 0xff));
}

void WireWriter::u32(std::uint32_t value) {
  const std::size_t at = to_.size();
  to_.resize(at + 4);
  store_be32(to_.data() + at, value);
}

void WireWriter::i32(std::int32_t value) {
  u32(static_cast<std::uint32_t>(value));
}

void WireWriter::cstring(std::string_view what) {
  text(what.substr(0, what.find('\0')));
  u8(0);
}

}  // namespace pgweir
