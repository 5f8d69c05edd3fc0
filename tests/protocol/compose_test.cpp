#include "protocol/compose.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>

using namespace pgweir;
using namespace std::string_view_literals;

namespace {

std::string bytes_of(const std::function<void(Buffer&)>& compose_one) {
  Buffer out;
  compose_one(out);
  return std::string(as_text(out));
}

struct Row {
  const char* what;
  std::function<void(Buffer&)> compose_one;
  std::string_view bytes;
};

void all_are(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(bytes_of(row.compose_one) == row.bytes);
  }
}

}  // namespace

TEST_CASE("messages to clients are as PostgreSQL's documentation has them") {
  const std::string_view mechanisms[] = {"SCRAM-SHA-256"};
  all_are({
      {"error without V", [](Buffer& b) { compose::error_response(b, "FATAL", "08P01", "no"); },
       "E\0\0\0\x17SFATAL\0C08P01\0Mno\0\0"sv},
      {"error with detail and hint",
       [](Buffer& b) { compose::error_response(b, "E", "0", "m", "d", "h"); },
       "E\0\0\0\x14SE\0C0\0Mm\0Dd\0Hh\0\0"sv},
      {"notice", [](Buffer& b) { compose::notice_response(b, "NOTICE", "00000", "hi"); },
       "N\0\0\0\x18SNOTICE\0C00000\0Mhi\0\0"sv},
      {"ready", [](Buffer& b) { compose::ready_for_query(b, 'T'); }, "Z\0\0\0\x05T"sv},
      {"parameter", [](Buffer& b) { compose::parameter_status(b, "a", "b"); },
       "S\0\0\0\x08"
       "a\0b\0"sv},
      {"key", [](Buffer& b) { compose::backend_key_data(b, 1, as_bytes("wxyz")); },
       "K\0\0\0\x0c\0\0\0\x01wxyz"sv},
      {"ok", compose::authentication_ok, "R\0\0\0\x08\0\0\0\0"sv},
      {"cleartext", compose::authentication_cleartext, "R\0\0\0\x08\0\0\0\x03"sv},
      {"md5", [](Buffer& b) { compose::authentication_md5(b, as_bytes("salt")); },
       "R\0\0\0\x0c\0\0\0\x05salt"sv},
      {"sasl", [&](Buffer& b) { compose::authentication_sasl(b, mechanisms); },
       "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"sv},
      {"sasl continue", [](Buffer& b) { compose::authentication_sasl_continue(b, "xy"); },
       "R\0\0\0\x0a\0\0\0\x0bxy"sv},
      {"sasl final", [](Buffer& b) { compose::authentication_sasl_final(b, "xy"); },
       "R\0\0\0\x0a\0\0\0\x0cxy"sv},
      {"complete", [](Buffer& b) { compose::command_complete(b, "SHOW"); }, "C\0\0\0\x09SHOW\0"sv},
      {"empty query", compose::empty_query_response, "I\0\0\0\x04"sv},
      {"parse complete", compose::parse_complete, "1\0\0\0\x04"sv},
      {"bind complete", compose::bind_complete, "2\0\0\0\x04"sv},
      {"close complete", compose::close_complete, "3\0\0\0\x04"sv},
      {"no data", compose::no_data, "n\0\0\0\x04"sv},
  });
}

TEST_CASE("messages to servers are as PostgreSQL's documentation has them") {
  const compose::Parameter parameters[] = {{"user", "u"}};
  all_are({
      {"startup", [&](Buffer& b) { compose::startup_message(b, parameters); },
       "\0\0\0\x10\0\x03\0\0user\0u\0\0"sv},
      {"ssl", compose::ssl_request, "\0\0\0\x08\x04\xd2\x16\x2f"sv},
      {"cancel", [](Buffer& b) { compose::cancel_request(b, 1, as_bytes("wxyz")); },
       "\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01wxyz"sv},
      {"query", [](Buffer& b) { compose::query(b, "x"); }, "Q\0\0\0\x06x\0"sv},
      {"parse", [](Buffer& b) { compose::parse(b, "s", "x"); }, "P\0\0\0\x0as\0x\0\0\0"sv},
      {"bind", [](Buffer& b) { compose::bind(b, "", "s"); }, "B\0\0\0\x0d\0s\0\0\0\0\0\0\0"sv},
      {"describe", [](Buffer& b) { compose::describe(b, 'S', "s"); }, "D\0\0\0\x07Ss\0"sv},
      {"close", [](Buffer& b) { compose::close(b, 'P', ""); }, "C\0\0\0\x06P\0"sv},
      {"execute", [](Buffer& b) { compose::execute(b, ""); }, "E\0\0\0\x09\0\0\0\0\0"sv},
      {"sync", compose::sync, "S\0\0\0\x04"sv},
      {"flush", compose::flush, "H\0\0\0\x04"sv},
      {"password", [](Buffer& b) { compose::password_message(b, "x"); }, "p\0\0\0\x06x\0"sv},
      {"sasl initial", [](Buffer& b) { compose::sasl_initial_response(b, "M", "xy"); },
       "p\0\0\0\x0cM\0\0\0\0\x02xy"sv},
      {"sasl", [](Buffer& b) { compose::sasl_response(b, "xy"); }, "p\0\0\0\x06xy"sv},
      {"terminate", compose::terminate, "X\0\0\0\x04"sv},
  });
}

TEST_CASE("columns carry the size of their type") {
  const compose::Column columns[] = {
      {"t"}, {"i", compose::oid::int4}, {"q", compose::oid::int8}, {"N", compose::oid::numeric}};
  const std::string bytes = bytes_of([&](Buffer& b) { compose::row_description(b, columns); });
  CHECK(bytes ==
        "T\0\0\0\x56\0\x04"
        "t\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
        "i\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0"
        "q\0\0\0\0\0\0\0\0\0\0\x14\0\x08\xff\xff\xff\xff\0\0"
        "N\0\0\0\0\0\0\0\0\0\x06\xa4\xff\xff\xff\xff\xff\xff\0\0"sv);
}

TEST_CASE("a NULL is not an empty text, and a value may hold zero bytes") {
  const std::optional<std::string_view> values[] = {"a\0b"sv, std::nullopt, ""};
  CHECK(bytes_of([&](Buffer& b) { compose::data_row(b, values); }) ==
        "D\0\0\0\x15\0\x03\0\0\0\x03"
        "a\0b\xff\xff\xff\xff\0\0\0\0"sv);
}

TEST_CASE("text from elsewhere cannot add a field to an error") {
  CHECK(bytes_of([](Buffer& b) { compose::error_response(b, "E", "0", "m\0Hevil"sv); }) ==
        "E\0\0\0\x0eSE\0C0\0Mm\0\0"sv);
}
