// Reading and writing the fields of a message. Nothing here knows a message by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "protocol/bytes.h"

namespace pgweir {

// Reads fields off the front of bytes that somebody else owns; views returned point into them. The
// first field that is not all there makes the reader fail for good: it and all later fields are
// then zero or empty, and ok() is false.
class WireReader {
 public:
  explicit WireReader(Bytes bytes) : bytes_(bytes) {}

  std::uint8_t u8() {
    const std::byte* at = take(1);
    return at ? static_cast<std::uint8_t>(*at) : std::uint8_t{0};
  }
  std::int16_t i16() { return static_cast<std::int16_t>(u16()); }
  std::uint16_t u16() {
    const std::byte* at = take(2);
    return at ? load_be16(at) : std::uint16_t{0};
  }
  std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
  std::uint32_t u32() {
    const std::byte* at = take(4);
    return at ? load_be32(at) : 0;
  }
  // Text up to a zero byte, which is taken as well but is not part of the view.
  std::string_view cstring() {
    // Most names are empty, and their end need not be looked for.
    if (ok_ && at_ < bytes_.size() && bytes_[at_] == std::byte{0}) return as_text(bytes_.subspan(at_++, 0));
    return long_cstring();
  }
  Bytes bytes(std::size_t count) {
    const std::byte* at = take(count);
    return at ? Bytes{at, count} : Bytes{};
  }
  // Everything that is left, possibly nothing.
  Bytes rest() { return bytes(remaining()); }

  bool ok() const { return ok_; }
  // Every byte has been read, and none was missing.
  bool at_end() const { return ok_ && at_ == bytes_.size(); }
  std::size_t remaining() const { return ok_ ? bytes_.size() - at_ : 0; }
  // How many bytes have been read.
  std::size_t offset() const { return at_; }

 private:
  const std::byte* take(std::size_t count) {
    if (!ok_ || bytes_.size() - at_ < count) {
      ok_ = false;
      return nullptr;
    }
    return bytes_.data() + std::exchange(at_, at_ + count);
  }
  std::string_view long_cstring();

  Bytes bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

// Appends messages to a buffer that somebody else owns and that must outlive the writer.
//
//   begin('C')  ->  C ????  fields...  ->  end() writes the length over the four bytes
class WireWriter {
 public:
  explicit WireWriter(Buffer& to) : to_(to) {}

  // Starts a message: its type byte and room for the length. Messages do not nest.
  void begin(char tag);
  // Starts a packet without a type byte (StartupMessage and its kin).
  void begin_untagged();
  // Ends the message: the length is now known.
  void end();

  void u8(std::uint8_t value) { to_.push_back(std::byte{value}); }
  void letter(char value) { u8(static_cast<std::uint8_t>(value)); }
  void i16(std::int16_t value);
  void i32(std::int32_t value);
  void u32(std::uint32_t value);
  // The text up to its first zero byte, if it has one: a zero inside must not start another field.
  void cstring(std::string_view text);
  void bytes(Bytes what) { append(to_, what); }
  void text(std::string_view what) { append(to_, as_bytes(what)); }

 private:
  Buffer& to_;
  std::size_t length_at_ = 0;  // where the length of the message under way stands
};

}  // namespace pgweir
