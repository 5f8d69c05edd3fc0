// Every message that the pooler itself says. Each function appends one message to `out` and cannot
// fail. Text is cut at its first zero byte, for the protocol could not carry it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "protocol/bytes.h"

namespace pgweir::compose {

// ---- to clients ----

// Fields S, C, M, and D and H when they are not empty. No V, as in PgBouncer.
void error_response(Buffer& out, std::string_view severity, std::string_view sqlstate,
                    std::string_view message, std::string_view detail = {},
                    std::string_view hint = {});
void notice_response(Buffer& out, std::string_view severity, std::string_view sqlstate,
                     std::string_view message, std::string_view detail = {},
                     std::string_view hint = {});
// `status` is 'I', 'T' or 'E'.
void ready_for_query(Buffer& out, char status = 'I');
void parameter_status(Buffer& out, std::string_view name, std::string_view value);
void backend_key_data(Buffer& out, std::uint32_t pid, Bytes key);

void authentication_ok(Buffer& out);
void authentication_cleartext(Buffer& out);
// `salt` has four bytes.
void authentication_md5(Buffer& out, Bytes salt);
void authentication_sasl(Buffer& out, std::span<const std::string_view> mechanisms);
void authentication_sasl_continue(Buffer& out, std::string_view data);
void authentication_sasl_final(Buffer& out, std::string_view data);
// `newest` is a full version number as PostgreSQL sends it, 196608 for 3.0.
void negotiate_protocol_version(Buffer& out, std::uint32_t newest,
                                std::span<const std::string_view> unknown_extensions);

// The types of columns that the console has.
namespace oid {
inline constexpr std::uint32_t int8 = 20;
inline constexpr std::uint32_t int4 = 23;
inline constexpr std::uint32_t text = 25;
inline constexpr std::uint32_t numeric = 1700;
}  // namespace oid

struct Column {
  std::string_view name;
  std::uint32_t type_oid = oid::text;
};
void row_description(Buffer& out, std::span<const Column> columns);
// Nothing stands for NULL. All values are in text format. Values may hold zero bytes.
void data_row(Buffer& out, std::span<const std::optional<std::string_view>> values);
void command_complete(Buffer& out, std::string_view tag);
void empty_query_response(Buffer& out);
void parse_complete(Buffer& out);
void bind_complete(Buffer& out);
void close_complete(Buffer& out);
void no_data(Buffer& out);

// ---- to servers ----

using Parameter = std::pair<std::string_view, std::string_view>;
void startup_message(Buffer& out, std::span<const Parameter> parameters,
                     std::uint32_t version = 196'608);
void ssl_request(Buffer& out);
void cancel_request(Buffer& out, std::uint32_t pid, Bytes key);
void query(Buffer& out, std::string_view sql);
// `type_oids` are big-endian OIDs of four bytes each, as they stand in a Parse.
void parse(Buffer& out, std::string_view statement, std::string_view sql, Bytes type_oids = {});
// A Parse whose body behind the name is given as it came from a client (ParseView::identity).
void parse_as(Buffer& out, std::string_view statement, Bytes identity);
// The beginning of a Parse whose body behind the name, `rest_bytes` long, the caller sends afterwards.
void parse_head(Buffer& out, std::string_view statement, std::size_t rest_bytes);
// Parameters and results in text format; nothing stands for NULL.
void bind(Buffer& out, std::string_view portal, std::string_view statement,
          std::span<const std::optional<std::string_view>> values = {});
// The beginning of a Bind whose body behind the statement's name, `rest_bytes` long, the caller
// sends afterwards.
void bind_head(Buffer& out, std::string_view portal, std::string_view statement,
               std::uint32_t rest_bytes);
// `kind` is 'S' for a statement or 'P' for a portal.
void describe(Buffer& out, char kind, std::string_view name);
void close(Buffer& out, char kind, std::string_view name);
void execute(Buffer& out, std::string_view portal, std::int32_t rows_max = 0);
void sync(Buffer& out);
void flush(Buffer& out);
void password_message(Buffer& out, std::string_view password);
void sasl_initial_response(Buffer& out, std::string_view mechanism, std::string_view data);
void sasl_response(Buffer& out, std::string_view data);
void terminate(Buffer& out);

}  // namespace pgweir::compose
