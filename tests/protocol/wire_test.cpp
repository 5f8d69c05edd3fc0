#include "protocol/wire.h"

#include <doctest/doctest.h>

using namespace pgweir;

namespace {

Buffer every_kind_of_field() {
  Buffer buffer;
  WireWriter writer(buffer);
  writer.u8(0xfe);
  writer.i16(-2);
  writer.i32(-3);
  writer.u32(0xfffffffc);
  writer.cstring("name");
  writer.text("tail");
  return buffer;
}

}  // namespace

TEST_CASE("what is written is read back") {
  const Buffer buffer = every_kind_of_field();
  WireReader reader(buffer);
  CHECK(reader.u8() == 0xfe);
  CHECK(reader.i16() == -2);
  CHECK(reader.i32() == -3);
  CHECK(reader.u32() == 0xfffffffc);
  CHECK(reader.cstring() == "name");
  CHECK(reader.remaining() == 4);
  CHECK_FALSE(reader.at_end());
  CHECK(as_text(reader.rest()) == "tail");
  CHECK(reader.at_end());
}

TEST_CASE("a cut at any byte makes the reader fail, and it never reads on") {
  const Buffer whole = every_kind_of_field();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    WireReader reader(cut);
    reader.u8();
    reader.i16();
    reader.i32();
    reader.u32();
    reader.cstring();
    reader.bytes(4);
    CHECK_FALSE(reader.ok());
    CHECK_FALSE(reader.at_end());
    CHECK(reader.remaining() == 0);
  }
}

TEST_CASE("a failed reader stays failed although later fields would fit") {
  const std::byte one[] = {std::byte{7}};
  WireReader reader(one);
  CHECK(reader.u32() == 0);
  CHECK(reader.u8() == 0);
  CHECK(reader.cstring().empty());
  CHECK(reader.bytes(0).empty());
  CHECK(reader.rest().empty());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("a count near the largest number is more than there is") {
  const std::byte some[8] = {};
  WireReader reader(some);
  reader.u8();
  CHECK(reader.bytes(static_cast<std::size_t>(-1)).empty());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("text without its zero byte is no text") {
  WireReader reader(as_bytes("abc"));
  CHECK(reader.cstring().empty());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("an empty input is at its end") {
  WireReader reader(Bytes{});
  CHECK(reader.at_end());
  CHECK(reader.rest().empty());
  CHECK(reader.at_end());
}

TEST_CASE("the length is written over its place, behind what the buffer held before") {
  Buffer buffer{std::byte{9}};
  WireWriter writer(buffer);
  writer.begin('C');
  writer.cstring("ab");
  writer.end();
  writer.begin_untagged();
  writer.end();
  CHECK(as_text(buffer) == std::string_view("\x09"
                                            "C\0\0\0\x07"
                                            "ab\0"
                                            "\0\0\0\x04",
                                            13));
}

TEST_CASE("a zero byte inside a text does not start another field") {
  Buffer buffer;
  WireWriter writer(buffer);
  writer.cstring(std::string_view("a\0Csneaked", 10));
  CHECK(as_text(buffer) == std::string_view("a\0", 2));
}
