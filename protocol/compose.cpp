#include "protocol/compose.h"

#include "protocol/startup.h"
#include "protocol/wire.h"

namespace pgweir::compose {
namespace {

constexpr std::int32_t null_length = -1;

void bare(Buffer& out, char tag) {
  WireWriter writer(out);
  writer.begin(tag);
  writer.end();
}

void one_text(Buffer& out, char tag, std::string_view text) {
  WireWriter writer(out);
  writer.begin(tag);
  writer.cstring(text);
  writer.end();
}

void raw(Buffer& out, char tag, std::string_view bytes) {
  WireWriter writer(out);
  writer.begin(tag);
  writer.text(bytes);
  writer.end();
}

void field(WireWriter& writer, char code, std::string_view value) {
  writer.letter(code);
  writer.cstring(value);
}

void report(Buffer& out, char tag, std::string_view severity, std::string_view sqlstate,
            std::string_view message, std::string_view detail, std::string_view hint) {
  WireWriter writer(out);
  writer.begin(tag);
  field(writer, 'S', severity);
  field(writer, 'C', sqlstate);
  field(writer, 'M', message);
  if (!detail.empty()) field(writer, 'D', detail);
  if (!hint.empty()) field(writer, 'H', hint);
  writer.u8(0);
  writer.end();
}

void authentication(Buffer& out, std::int32_t code, Bytes payload = {}) {
  WireWriter writer(out);
  writer.begin('R');
  writer.i32(code);
  writer.bytes(payload);
  writer.end();
}

void value(WireWriter& writer, const std::optional<std::string_view>& what) {
  if (!what) return writer.i32(null_length);
  writer.i32(static_cast<std::int32_t>(what->size()));
  writer.text(*what);
}

std::int16_t type_size(std::uint32_t type_oid) {
  switch (type_oid) {
    case oid::int4:
      return 4;
    case oid::int8:
      return 8;
    default:
      return -1;
  }
}

void target(Buffer& out, char tag, char kind, std::string_view name) {
  WireWriter writer(out);
  writer.begin(tag);
  writer.letter(kind);
  writer.cstring(name);
  writer.end();
}

}  // namespace

void error_response(Buffer& out, std::string_view severity, std::string_view sqlstate,
                    std::string_view message, std::string_view detail, std::string_view hint) {
  report(out, 'E', severity, sqlstate, message, detail, hint);
}

void notice_response(Buffer& out, std::string_view severity, std::string_view sqlstate,
                     std::string_view message, std::string_view detail, std::string_view hint) {
  report(out, 'N', severity, sqlstate, message, detail, hint);
}

void ready_for_query(Buffer& out, char status) {
  raw(out, 'Z', {&status, 1});
}

void parameter_status(Buffer& out, std::string_view name, std::string_view value) {
  WireWriter writer(out);
  writer.begin('S');
  writer.cstring(name);
  writer.cstring(value);
  writer.end();
}

void backend_key_data(Buffer& out, std::uint32_t pid, Bytes key) {
  WireWriter writer(out);
  writer.begin('K');
  writer.u32(pid);
  writer.bytes(key);
  writer.end();
}

void authentication_ok(Buffer& out) {
  authentication(out, 0);
}
void authentication_cleartext(Buffer& out) {
  authentication(out, 3);
}
void authentication_md5(Buffer& out, Bytes salt) {
  authentication(out, 5, salt);
}

void authentication_sasl(Buffer& out, std::span<const std::string_view> mechanisms) {
  WireWriter writer(out);
  writer.begin('R');
  writer.i32(10);
  for (const std::string_view mechanism : mechanisms) writer.cstring(mechanism);
  writer.u8(0);
  writer.end();
}

void authentication_sasl_continue(Buffer& out, std::string_view data) {
  authentication(out, 11, as_bytes(data));
}
void authentication_sasl_final(Buffer& out, std::string_view data) {
  authentication(out, 12, as_bytes(data));
}

void negotiate_protocol_version(Buffer& out, std::uint32_t newest,
                                std::span<const std::string_view> unknown_extensions) {
  WireWriter writer(out);
  writer.begin('v');
  writer.u32(newest);
  writer.u32(static_cast<std::uint32_t>(unknown_extensions.size()));
  for (const std::string_view name : unknown_extensions) writer.cstring(name);
  writer.end();
}

void row_description(Buffer& out, std::span<const Column> columns) {
  WireWriter writer(out);
  writer.begin('T');
  writer.i16(static_cast<std::int16_t>(columns.size()));
  for (const Column& column : columns) {
    writer.cstring(column.name);
    writer.u32(0);  // no table
    writer.i16(0);  // no column of a table
    writer.u32(column.type_oid);
    writer.i16(type_size(column.type_oid));
    writer.i32(-1);  // no type modifier
    writer.i16(0);   // text format
  }
  writer.end();
}

void data_row(Buffer& out, std::span<const std::optional<std::string_view>> values) {
  WireWriter writer(out);
  writer.begin('D');
  writer.i16(static_cast<std::int16_t>(values.size()));
  for (const auto& each : values) value(writer, each);
  writer.end();
}

void command_complete(Buffer& out, std::string_view tag) {
  one_text(out, 'C', tag);
}
void empty_query_response(Buffer& out) {
  bare(out, 'I');
}
void parse_complete(Buffer& out) {
  bare(out, '1');
}
void bind_complete(Buffer& out) {
  bare(out, '2');
}
void close_complete(Buffer& out) {
  bare(out, '3');
}
void no_data(Buffer& out) {
  bare(out, 'n');
}

void startup_message(Buffer& out, std::span<const Parameter> parameters, std::uint32_t version) {
  WireWriter writer(out);
  writer.begin_untagged();
  writer.u32(version);
  for (const auto& [name, setting] : parameters) {
    writer.cstring(name);
    writer.cstring(setting);
  }
  writer.u8(0);
  writer.end();
}

void ssl_request(Buffer& out) {
  WireWriter writer(out);
  writer.begin_untagged();
  writer.u32(ssl_request_code);
  writer.end();
}

void cancel_request(Buffer& out, std::uint32_t pid, Bytes key) {
  WireWriter writer(out);
  writer.begin_untagged();
  writer.u32(cancel_request_code);
  writer.u32(pid);
  writer.bytes(key);
  writer.end();
}

void query(Buffer& out, std::string_view sql) {
  one_text(out, 'Q', sql);
}

void parse(Buffer& out, std::string_view statement, std::string_view sql, Bytes type_oids) {
  WireWriter writer(out);
  writer.begin('P');
  writer.cstring(statement);
  writer.cstring(sql);
  writer.i16(static_cast<std::int16_t>(type_oids.size() / 4));
  writer.bytes(type_oids);
  writer.end();
}

void parse_as(Buffer& out, std::string_view statement, Bytes identity) {
  WireWriter writer(out);
  writer.begin('P');
  writer.cstring(statement);
  writer.bytes(identity);
  writer.end();
}

void parse_head(Buffer& out, std::string_view statement, std::size_t rest_bytes) {
  const std::size_t length_at = out.size() + 1;
  WireWriter writer(out);
  writer.begin('P');
  writer.cstring(statement);
  store_be32(out.data() + length_at, static_cast<std::uint32_t>(out.size() - length_at + rest_bytes));
}

void bind(Buffer& out, std::string_view portal, std::string_view statement,
          std::span<const std::optional<std::string_view>> values) {
  WireWriter writer(out);
  writer.begin('B');
  writer.cstring(portal);
  writer.cstring(statement);
  writer.i16(0);  // all parameters in text format
  writer.i16(static_cast<std::int16_t>(values.size()));
  for (const auto& each : values) value(writer, each);
  writer.i16(0);  // all results in text format
  writer.end();
}

void bind_head(Buffer& out, std::string_view portal, std::string_view statement,
               std::uint32_t rest_bytes) {
  const std::size_t length_at = out.size() + 1;
  WireWriter writer(out);
  writer.begin('B');
  writer.cstring(portal);
  writer.cstring(statement);
  store_be32(out.data() + length_at,
             static_cast<std::uint32_t>(out.size() - length_at) + rest_bytes);
}

void describe(Buffer& out, char kind, std::string_view name) {
  target(out, 'D', kind, name);
}
void close(Buffer& out, char kind, std::string_view name) {
  target(out, 'C', kind, name);
}

void execute(Buffer& out, std::string_view portal, std::int32_t rows_max) {
  WireWriter writer(out);
  writer.begin('E');
  writer.cstring(portal);
  writer.i32(rows_max);
  writer.end();
}

void sync(Buffer& out) {
  bare(out, 'S');
}
void flush(Buffer& out) {
  bare(out, 'H');
}
void password_message(Buffer& out, std::string_view password) {
  one_text(out, 'p', password);
}

void sasl_initial_response(Buffer& out, std::string_view mechanism, std::string_view data) {
  WireWriter writer(out);
  writer.begin('p');
  writer.cstring(mechanism);
  writer.i32(static_cast<std::int32_t>(data.size()));
  writer.text(data);
  writer.end();
}

void sasl_response(Buffer& out, std::string_view data) {
  raw(out, 'p', data);
}
void terminate(Buffer& out) {
  bare(out, 'X');
}

}  // namespace pgweir::compose
