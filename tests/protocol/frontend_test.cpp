#include "protocol/frontend.h"

#include <doctest/doctest.h>

#include "protocol/compose.h"
#include "protocol/wire.h"

using namespace pgweir;
using namespace std::string_view_literals;

namespace {

Bytes body_of(const Buffer& message) {
  return Bytes(message).subspan(5);
}

// Reads every shorter beginning, each from memory of its own so that the sanitizer sees a step too
// far.
template <typename Read>
void refuses_every_cut(const Buffer& message, Read read) {
  const Bytes body = body_of(message);
  for (std::size_t size = 0; size < body.size(); ++size) {
    const Buffer cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size));
    CAPTURE(size);
    CHECK_FALSE(read(cut).has_value());
  }
  Buffer longer(body.begin(), body.end());
  longer.push_back(std::byte{0});
  CHECK_FALSE(read(longer).has_value());
}

Buffer initial_response(std::string_view mechanism, std::uint32_t length, std::string_view data) {
  Buffer body;
  WireWriter writer(body);
  writer.cstring(mechanism);
  writer.u32(length);
  writer.text(data);
  return body;
}

}  // namespace

TEST_CASE("Query is its text") {
  Buffer message;
  compose::query(message, "select 1");
  CHECK(read_query(body_of(message))->sql == "select 1");
  refuses_every_cut(message, read_query);
}

TEST_CASE("Parse is name, text and types; all but the name is its identity") {
  Buffer message;
  compose::parse(message, "s1", "select $1", as_bytes("\0\0\0\x17\0\0\0\x19"sv));
  const auto view = read_parse(body_of(message));
  REQUIRE(view.has_value());
  CHECK(view->statement == "s1");
  CHECK(view->sql == "select $1");
  CHECK(view->type_count == 2);
  CHECK(view->type_oids.size() == 8);
  CHECK(as_text(view->identity) == "select $1\0\0\x02\0\0\0\x17\0\0\0\x19"sv);
  refuses_every_cut(message, read_parse);

  Buffer renamed;
  compose::parse_as(renamed, "PGWEIR_7", view->identity);
  CHECK(read_parse(body_of(renamed))->statement == "PGWEIR_7");
  CHECK(as_text(read_parse(body_of(renamed))->identity) == as_text(view->identity));
}

TEST_CASE("a Parse that promises more types than it has is refused") {
  Buffer body;
  WireWriter writer(body);
  writer.cstring("");
  writer.cstring("");
  writer.i16(-1);
  CHECK_FALSE(read_parse(body).has_value());
}

TEST_CASE("the beginning of a Parse gives the name as soon as it is complete") {
  Buffer message;
  compose::parse(message, "s1", "select");
  const Bytes body = body_of(message);
  for (std::size_t size = 0; size <= body.size(); ++size) {
    CAPTURE(size);
    const auto lead = read_parse_lead(body.first(size));
    REQUIRE(lead.has_value() == (size >= 3));
    if (!lead) continue;
    CHECK(lead->statement == "s1");
    CHECK(lead->statement_end == 3);
    CHECK(lead->sql == "select"sv.substr(0, size - 3));
    CHECK(lead->sql_complete == (size >= 10));
  }
}

TEST_CASE("the beginning of a Query gives what is there") {
  CHECK(read_query_lead(as_bytes("sel"))->sql == "sel");
  CHECK_FALSE(read_query_lead(as_bytes("sel"))->sql_complete);
  CHECK(read_query_lead(as_bytes("sel\0"sv))->sql_complete);
  CHECK(read_query_lead({})->sql.empty());
}

TEST_CASE("Bind says where its statement's name stands, so that another can take its place") {
  const std::optional<std::string_view> values[] = {"seven", std::nullopt};
  Buffer message;
  compose::bind(message, "p", "stmt", values);
  const Bytes body = body_of(message);
  for (std::size_t size = 0; size <= body.size(); ++size) {
    CAPTURE(size);
    const Buffer beginning(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size));
    const auto view = read_bind(beginning);
    REQUIRE(view.has_value() == (size >= 7));
    if (!view) continue;
    CHECK(view->portal == "p");
    CHECK(view->statement == "stmt");
    CHECK(view->statement_at == 2);
    CHECK(view->statement_end == 7);
  }

  const BindView view = *read_bind(body);
  const Bytes rest = body.subspan(view.statement_end);
  Buffer renamed;
  compose::bind_head(renamed, view.portal, "PGWEIR_12", static_cast<std::uint32_t>(rest.size()));
  append(renamed, rest);
  Buffer expected;
  compose::bind(expected, "p", "PGWEIR_12", values);
  CHECK(as_text(renamed) == as_text(expected));
}

TEST_CASE("Describe and Close name a statement or a portal, and nothing else") {
  for (const char kind : {'S', 'P'}) {
    Buffer message;
    compose::describe(message, kind, "x");
    CHECK(read_describe(body_of(message))->kind == kind);
    CHECK(read_describe(body_of(message))->name == "x");
    refuses_every_cut(message, read_describe);
    Buffer closing;
    compose::close(closing, kind, "");
    CHECK(read_close(body_of(closing))->kind == kind);
    CHECK(read_close(body_of(closing))->name.empty());
  }
  CHECK_FALSE(read_describe(as_bytes("Qx\0"sv)).has_value());
}

TEST_CASE("Execute is a portal and a limit") {
  Buffer message;
  compose::execute(message, "c1", 50);
  CHECK(read_execute(body_of(message))->portal == "c1");
  CHECK(read_execute(body_of(message))->rows_max == 50);
  refuses_every_cut(message, read_execute);
}

TEST_CASE("FunctionCall begins with the function") {
  CHECK(read_function_call(as_bytes("\0\0\x03\xe8rest"sv))->function_oid == 1000);
  CHECK_FALSE(read_function_call(as_bytes("\0\0\x03"sv)).has_value());
}

TEST_CASE("a password of 65530 bytes is read; one without its end is not") {
  const std::string password(65'530, 'p');
  Buffer message;
  compose::password_message(message, password);
  CHECK(read_password(body_of(message))->password == password);
  CHECK_FALSE(read_password(as_bytes(password)).has_value());
  CHECK_FALSE(read_password(as_bytes("a\0b\0"sv)).has_value());
}

TEST_CASE("SASLInitialResponse is a mechanism and its data") {
  Buffer message;
  compose::sasl_initial_response(message, "SCRAM-SHA-256", "n,,n=,r=x");
  const auto view = read_sasl_initial_response(body_of(message));
  REQUIRE(view.has_value());
  CHECK(view->mechanism == "SCRAM-SHA-256");
  CHECK(view->has_data);
  CHECK(view->data == "n,,n=,r=x");
  refuses_every_cut(message, read_sasl_initial_response);

  const auto without = read_sasl_initial_response(initial_response("X", 0xffffffff, ""));
  REQUIRE(without.has_value());
  CHECK_FALSE(without->has_data);
}

TEST_CASE("CVE-2026-6664: an inner length that lies is refused") {
  for (const std::uint32_t length : {0x7fffffffu, 0xffffffffu, 0x80000000u, 0xfffffffeu, 10u, 8u}) {
    CAPTURE(length);
    const Buffer body = initial_response("SCRAM-SHA-256", length, "n,,n=,r=x");
    CHECK_FALSE(read_sasl_initial_response(body).has_value());
  }
  CHECK_FALSE(read_sasl_initial_response(initial_response("X", 0xfffffffe, "")).has_value());
  CHECK(read_sasl_initial_response(initial_response("SCRAM-SHA-256", 9, "n,,n=,r=x")).has_value());
}

TEST_CASE("SASL data holds no zero byte") {
  CHECK_FALSE(read_sasl_initial_response(initial_response("X", 3, "a\0b"sv)).has_value());
  CHECK_FALSE(read_sasl_response(as_bytes("a\0b"sv)).has_value());
  CHECK(read_sasl_response(as_bytes("c=biws"))->data == "c=biws");
}
