#include "protocol/bind_values.h"

#include <algorithm>
#include <vector>

#include "protocol/wire.h"

namespace pgweir {
namespace {

void append_text(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\'') out += '\'';
    out += c;
  }
}

void append_hex(std::string& out, Bytes value) {
  constexpr char digits[] = "0123456789abcdef";
  out += "\\x";
  for (const std::byte byte : value) {
    out += digits[static_cast<unsigned>(byte) >> 4];
    out += digits[static_cast<unsigned>(byte) & 15];
  }
}

}  // namespace

std::string describe_values(Bytes rest, std::size_t each_max, std::size_t all_max) {
  WireReader reader(rest);
  const unsigned formats = reader.u16();
  const Bytes codes = reader.bytes(std::size_t{2} * formats);
  const unsigned count = reader.u16();
  std::string out;
  if (!reader.ok()) return out;
  for (unsigned i = 0; i < count; ++i) {
    out += (i ? ", $" : "$") + std::to_string(i + 1) + " = ";
    const std::int32_t length = reader.i32();
    if (!reader.ok() || out.size() > all_max) return out + "...";
    if (length < 0) {
      out += "NULL";
      continue;
    }
    const std::size_t here = std::min(static_cast<std::size_t>(length), rest.size() - reader.offset());
    const Bytes value = reader.bytes(here);
    const Bytes shown = value.first(std::min(value.size(), each_max));
    const unsigned place = formats == 1 ? 0 : i;
    const bool binary = place < formats && codes[2 * place + 1] == std::byte{1};
    out += '\'';
    if (binary) append_hex(out, shown);
    else append_text(out, as_text(shown));
    out += shown.size() < static_cast<std::size_t>(length) ? "...'" : "'";
    if (here < static_cast<std::size_t>(length)) return i + 1 < count ? out + ", ..." : out;
  }
  return out;
}

}  // namespace pgweir
