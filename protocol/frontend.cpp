#include "protocol/frontend.h"

#include "protocol/wire.h"

namespace pgweir {
namespace {

// A zero-terminated text of which the end may not have come.
struct PartialText {
  std::string_view text;
  bool complete;
};

PartialText partial_cstring(Bytes beginning) {
  const std::string_view here = as_text(beginning);
  const std::size_t end = here.find('\0');
  return {here.substr(0, end), end != std::string_view::npos};
}

std::optional<TargetView> read_target(Bytes body) {
  WireReader reader(body);
  TargetView view;
  view.kind = static_cast<char>(reader.u8());
  view.name = reader.cstring();
  if (!reader.at_end() || (view.kind != 'S' && view.kind != 'P')) return std::nullopt;
  return view;
}

}  // namespace

std::optional<QueryView> read_query(Bytes body) {
  WireReader reader(body);
  const QueryView view{reader.cstring()};
  if (!reader.at_end()) return std::nullopt;
  return view;
}

std::optional<ParseView> read_parse(Bytes body) {
  WireReader reader(body);
  ParseView view;
  view.statement = reader.cstring();
  const std::size_t identity_at = reader.offset();
  view.sql = reader.cstring();
  view.type_count = reader.u16();
  view.type_oids = reader.bytes(std::size_t{view.type_count} * 4);
  if (!reader.at_end()) return std::nullopt;
  view.identity = body.subspan(identity_at);
  return view;
}

std::optional<QueryLead> read_query_lead(Bytes beginning) {
  const auto [sql, complete] = partial_cstring(beginning);
  return QueryLead{sql, complete};
}

std::optional<ParseLead> read_parse_lead(Bytes beginning) {
  WireReader reader(beginning);
  ParseLead lead;
  lead.statement = reader.cstring();
  lead.statement_end = reader.offset();
  if (!reader.ok()) return std::nullopt;
  const auto [sql, complete] = partial_cstring(reader.rest());
  lead.sql = sql;
  lead.sql_complete = complete;
  return lead;
}

std::optional<BindView> read_bind(Bytes beginning) {
  WireReader reader(beginning);
  BindView view;
  view.portal = reader.cstring();
  view.statement_at = reader.offset();
  view.statement = reader.cstring();
  view.statement_end = reader.offset();
  if (!reader.ok()) return std::nullopt;
  return view;
}

std::optional<std::string_view> bind_parameter(Bytes behind_names, unsigned number) {
  WireReader reader(behind_names);
  const std::uint16_t formats = reader.u16();
  (void)reader.bytes(std::size_t{formats} * 2);
  const std::uint16_t count = reader.u16();
  for (unsigned i = 1; i <= count && reader.ok(); ++i) {
    const std::int32_t length = reader.i32();
    if (i == number && length < 0) return std::string_view{};
    const Bytes value = length > 0 ? reader.bytes(static_cast<std::size_t>(length)) : Bytes{};
    if (i == number && reader.ok()) return as_text(value);
  }
  return std::nullopt;
}

std::optional<TargetView> read_describe(Bytes body) {
  return read_target(body);
}
std::optional<TargetView> read_close(Bytes body) {
  return read_target(body);
}

std::optional<ExecuteView> read_execute(Bytes body) {
  WireReader reader(body);
  ExecuteView view;
  view.portal = reader.cstring();
  view.rows_max = reader.i32();
  if (!reader.at_end()) return std::nullopt;
  return view;
}

std::optional<FunctionCallView> read_function_call(Bytes beginning) {
  WireReader reader(beginning);
  const FunctionCallView view{reader.u32()};
  if (!reader.ok()) return std::nullopt;
  return view;
}

std::optional<PasswordView> read_password(Bytes body) {
  WireReader reader(body);
  const PasswordView view{reader.cstring()};
  if (!reader.at_end()) return std::nullopt;
  return view;
}

std::optional<SaslInitialResponseView> read_sasl_initial_response(Bytes body) {
  WireReader reader(body);
  SaslInitialResponseView view;
  view.mechanism = reader.cstring();
  // The length comes from somebody who has proven nothing yet. It is compared, never added to.
  const std::int32_t length = reader.i32();
  if (!reader.ok() || length < -1) return std::nullopt;
  view.has_data = length >= 0;
  if (view.has_data) view.data = as_text(reader.bytes(static_cast<std::size_t>(length)));
  if (!reader.at_end() || view.data.find('\0') != std::string_view::npos) return std::nullopt;
  return view;
}

std::optional<SaslResponseView> read_sasl_response(Bytes body) {
  const SaslResponseView view{as_text(body)};
  if (view.data.find('\0') != std::string_view::npos) return std::nullopt;
  return view;
}

}  // namespace pgweir
