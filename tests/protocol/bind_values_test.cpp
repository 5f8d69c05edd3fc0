#include "protocol/bind_values.h"

#include <doctest/doctest.h>

#include "protocol/wire.h"

using namespace pgweir;

namespace {

struct Rest {
  Buffer bytes;
  WireWriter writer{bytes};
};

constexpr std::size_t all = 1 << 16;

}  // namespace

TEST_CASE("texts in quotes, binary ones in hexadecimal, NULL as such") {
  Rest rest;
  rest.writer.i16(2), rest.writer.i16(0), rest.writer.i16(1);
  rest.writer.i16(2);
  rest.writer.i32(4), rest.writer.text("a'b'");
  rest.writer.i32(4), rest.writer.i32(42);
  CHECK(describe_values(rest.bytes, all, all) == "$1 = 'a''b''', $2 = '\\x0000002a'");
  Rest one_format;
  one_format.writer.i16(1), one_format.writer.i16(1), one_format.writer.i16(2);
  one_format.writer.i32(1), one_format.writer.u8(255);
  one_format.writer.i32(-1);
  CHECK(describe_values(one_format.bytes, all, all) == "$1 = '\\xff', $2 = NULL");
}

TEST_CASE("long values are cut, and so is what has not come in whole") {
  Rest rest;
  rest.writer.i16(0), rest.writer.i16(3);
  rest.writer.i32(10), rest.writer.text("0123456789");
  rest.writer.i32(2), rest.writer.text("ab");
  rest.writer.i32(100), rest.writer.text("begin");
  CHECK(describe_values(rest.bytes, 4, all) == "$1 = '0123...', $2 = 'ab', $3 = 'begi...'");
  CHECK(describe_values(rest.bytes, all, all) == "$1 = '0123456789', $2 = 'ab', $3 = 'begin...'");
  CHECK(describe_values(rest.bytes, all, 5) == "$1 = '0123456789', $2 = ...");
  CHECK(describe_values(Bytes(rest.bytes).first(8), all, all) == "$1 = '...', ...");
  CHECK(describe_values(Bytes(rest.bytes).first(3), all, all).empty());
  CHECK(describe_values({}, all, all).empty());
}

TEST_CASE("none") {
  Rest rest;
  rest.writer.i16(0), rest.writer.i16(0);
  CHECK(describe_values(rest.bytes, all, all).empty());
}
