#include "protocol/backend.h"

#include <doctest/doctest.h>

#include "protocol/compose.h"
#include "protocol/startup.h"

using namespace pgweir;
using namespace std::string_view_literals;

namespace {

Bytes body_of(const Buffer& message) {
  return Bytes(message).subspan(5);
}

template <typename Read>
void refuses_every_cut(const Buffer& message, Read read) {
  const Bytes body = body_of(message);
  for (std::size_t size = 0; size < body.size(); ++size) {
    const Buffer cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size));
    CAPTURE(size);
    CHECK_FALSE(read(cut).has_value());
  }
}

}  // namespace

TEST_CASE("ReadyForQuery has one of three states") {
  for (const char status : {'I', 'T', 'E'}) {
    Buffer message;
    compose::ready_for_query(message, status);
    CHECK(read_ready_for_query(body_of(message))->status == status);
  }
  for (const std::string_view bad : {""sv, "X"sv, "II"sv, "\0"sv}) {
    CHECK_FALSE(read_ready_for_query(as_bytes(bad)).has_value());
  }
}

TEST_CASE("ParameterStatus is a name and a value") {
  Buffer message;
  compose::parameter_status(message, "TimeZone", "");
  CHECK(read_parameter_status(body_of(message))->name == "TimeZone");
  CHECK(read_parameter_status(body_of(message))->value.empty());
  refuses_every_cut(message, read_parameter_status);
  CHECK_FALSE(read_parameter_status(as_bytes("a\0b\0c"sv)).has_value());
}

TEST_CASE("the fields of an ErrorResponse are found by their letter") {
  Buffer message;
  compose::error_response(message, "FATAL", "3D000", "no such thing", "detail", "hint");
  const ReportView view(body_of(message));
  CHECK(view.severity() == "FATAL");
  CHECK(view.sqlstate() == "3D000");
  CHECK(view.message() == "no such thing");
  CHECK(view.field('D') == "detail");
  CHECK(view.field('H') == "hint");
  CHECK(view.field('V').empty());
  CHECK(ReportView(as_bytes("SFATAL\0VERROR\0\0"sv)).severity() == "ERROR");
}

TEST_CASE("CVE-2026-6666: an ErrorResponse without SQLSTATE, or without any field, is harmless") {
  const ReportView without_code(as_bytes("SFATAL\0Mgo away\0\0"sv));
  CHECK(without_code.sqlstate().empty());
  CHECK(without_code.message() == "go away");
  for (const std::string_view body : {""sv, "\0"sv, "\0\0"sv}) {
    const ReportView view(as_bytes(body));
    CHECK(view.severity().empty());
    CHECK(view.sqlstate().empty());
    CHECK(view.message().empty());
  }
}

TEST_CASE("an ErrorResponse cut at any byte gives the fields that are there") {
  Buffer message;
  compose::error_response(message, "ERROR", "42601", "syntax error");
  const Bytes body = body_of(message);
  for (std::size_t size = 0; size <= body.size(); ++size) {
    const Buffer cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size));
    const ReportView view(cut);
    CAPTURE(size);
    CHECK("ERROR"sv.starts_with(view.severity()));
    CHECK("42601"sv.starts_with(view.sqlstate()));
    CHECK("syntax error"sv.starts_with(view.message()));
    CHECK((size < 14 || view.sqlstate() == "42601"));
  }
}

TEST_CASE("what stands behind the terminator is no field") {
  CHECK(ReportView(as_bytes("SERROR\0\0C42601\0"sv)).sqlstate().empty());
}

TEST_CASE("CommandComplete is its tag") {
  Buffer message;
  compose::command_complete(message, "DISCARD ALL");
  CHECK(read_command_complete(body_of(message))->tag == "DISCARD ALL");
  refuses_every_cut(message, read_command_complete);
}

TEST_CASE("every kind of Authentication is told apart") {
  Buffer ok, cleartext, md5, sasl, next, last;
  compose::authentication_ok(ok);
  compose::authentication_cleartext(cleartext);
  compose::authentication_md5(md5, as_bytes("salt"));
  const std::string_view mechanisms[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
  compose::authentication_sasl(sasl, mechanisms);
  compose::authentication_sasl_continue(next, "r=x");
  compose::authentication_sasl_final(last, "v=y");

  CHECK(read_authentication(body_of(ok))->kind == AuthenticationKind::ok);
  CHECK(read_authentication(body_of(cleartext))->kind == AuthenticationKind::cleartext_password);
  CHECK(read_authentication(body_of(md5))->kind == AuthenticationKind::md5_password);
  CHECK(as_text(read_authentication(body_of(md5))->salt) == "salt");
  CHECK(read_authentication(body_of(sasl))->kind == AuthenticationKind::sasl);
  CHECK(read_authentication(body_of(sasl))->offers("SCRAM-SHA-256"));
  CHECK_FALSE(read_authentication(body_of(sasl))->offers("SCRAM"));
  CHECK(read_authentication(body_of(next))->kind == AuthenticationKind::sasl_continue);
  CHECK(read_authentication(body_of(next))->data == "r=x");
  CHECK(read_authentication(body_of(last))->kind == AuthenticationKind::sasl_final);
  CHECK(read_authentication(body_of(last))->data == "v=y");

  for (const Buffer* message : {&ok, &cleartext, &md5, &sasl}) {
    refuses_every_cut(*message, read_authentication);
  }
}

TEST_CASE("authentication methods that we do not know are `other` with their number") {
  const auto gss = read_authentication(as_bytes("\0\0\0\x07"sv));
  CHECK(gss->kind == AuthenticationKind::other);
  CHECK(gss->code == 7);
  CHECK(read_authentication(as_bytes("\x7f\xff\xff\xffjunk"sv))->kind == AuthenticationKind::other);
  CHECK_FALSE(read_authentication(as_bytes("\0\0\0\0x"sv)).has_value());
}

TEST_CASE("BackendKeyData has a key of 4 to 256 bytes") {
  for (std::size_t size = 0; size <= 300; ++size) {
    const std::string key(size, 'k');
    Buffer message;
    compose::backend_key_data(message, 0xfffffff0, as_bytes(key));
    const auto view = read_backend_key_data(body_of(message));
    CAPTURE(size);
    REQUIRE(view.has_value() == (size >= 4 && size <= 256));
    if (!view) continue;
    CHECK(view->pid == 0xfffffff0);
    CHECK(as_text(view->key) == key);
  }
}

TEST_CASE("NegotiateProtocolVersion is the version and the names") {
  const std::string_view names[] = {"_pq_.foo", "_pq_.bar"};
  Buffer message;
  compose::negotiate_protocol_version(message, protocol_3_0, names);
  // As PgBouncer sends it.
  CHECK(as_text(body_of(message)) == "\0\x03\0\0\0\0\0\x02_pq_.foo\0_pq_.bar\0"sv);
  const auto view = read_negotiate_protocol_version(body_of(message));
  REQUIRE(view.has_value());
  CHECK(view->newest == protocol_3_0);
  CHECK(view->unknown_extensions.size() == 2);
  refuses_every_cut(message, read_negotiate_protocol_version);
  CHECK_FALSE(
      read_negotiate_protocol_version(as_bytes("\0\x03\0\0\xff\xff\xff\xff"sv)).has_value());
}
