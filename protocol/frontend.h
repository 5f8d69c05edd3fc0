// Views over the messages of a client: only the fields that a pooler reads. `body` is a message
// without its type byte and length; all views point into it. Nothing is returned for a message that
// breaks its format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/bytes.h"

namespace pgweir {

// Q
struct QueryView {
  std::string_view sql;
};
std::optional<QueryView> read_query(Bytes body);

// P
struct ParseView {
  std::string_view statement;  // its name; empty: the unnamed one
  std::string_view sql;
  std::uint16_t type_count = 0;
  Bytes type_oids;  // type_count big-endian OIDs of four bytes
  Bytes identity;   // sql with its zero byte, type_count, type_oids: all but the name
};
std::optional<ParseView> read_parse(Bytes body);

// The beginning of a message whose rest has yet to come. Nothing is returned while the names are
// incomplete.
struct QueryLead {
  std::string_view sql;  // as much as is here
  bool sql_complete = false;
};
std::optional<QueryLead> read_query_lead(Bytes beginning);

struct ParseLead {
  std::string_view statement;
  std::string_view sql;  // as much as is here
  bool sql_complete = false;
  std::size_t statement_end = 0;  // offset in the body of what follows the name's zero byte
};
std::optional<ParseLead> read_parse_lead(Bytes beginning);

// B. The beginning is enough; parameters and formats are never looked at.
//
//   body:  portal \0 statement \0 formats, values, result formats
//                    ^              ^
//                    statement_at   statement_end
struct BindView {
  std::string_view portal;
  std::string_view statement;
  std::size_t statement_at = 0;  // offset in the body
  std::size_t statement_end = 0;
};
std::optional<BindView> read_bind(Bytes beginning);
// The value of parameter `number` (from 1), as it was sent, empty for NULL; nothing: it is not all here. `behind_names`: a
// Bind's body from BindView::statement_end on.
std::optional<std::string_view> bind_parameter(Bytes behind_names, unsigned number);

// D and C
struct TargetView {
  char kind = 0;  // 'S' statement, 'P' portal
  std::string_view name;
};
std::optional<TargetView> read_describe(Bytes body);
std::optional<TargetView> read_close(Bytes body);

// E
struct ExecuteView {
  std::string_view portal;
  std::int32_t rows_max = 0;  // 0: no limit
};
std::optional<ExecuteView> read_execute(Bytes body);

// F; the beginning is enough.
struct FunctionCallView {
  std::uint32_t function_oid = 0;
};
std::optional<FunctionCallView> read_function_call(Bytes beginning);

// p, in answer to AuthenticationCleartextPassword or AuthenticationMD5Password
struct PasswordView {
  std::string_view password;
};
std::optional<PasswordView> read_password(Bytes body);

// p, in answer to AuthenticationSASL
struct SaslInitialResponseView {
  std::string_view mechanism;
  bool has_data = false;  // false: the length was -1
  std::string_view data;
};
std::optional<SaslInitialResponseView> read_sasl_initial_response(Bytes body);

// p, in answer to AuthenticationSASLContinue: all of the body. No zero byte may be in it.
struct SaslResponseView {
  std::string_view data;
};
std::optional<SaslResponseView> read_sasl_response(Bytes body);

}  // namespace pgweir
