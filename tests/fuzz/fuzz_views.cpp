// links: pgweir_protocol
// All views over the bodies of messages. The first byte chooses the side.
#include "protocol/backend.h"
#include "protocol/compose.h"
#include "protocol/frontend.h"
#include "tests/fuzz/invariant.h"

using namespace pgweir;
using pgweir::fuzz::claim;

namespace {

bool within(std::string_view part, Bytes whole) {
  const std::string_view text = as_text(whole);
  return part.empty() ||
         (part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size());
}

void try_parse(Bytes body) {
  const auto view = read_parse(body);
  if (!view) return;
  const auto lead = read_parse_lead(body);
  claim(lead && lead->statement == view->statement && lead->sql == view->sql,
        "lead and whole agree");
  Buffer renamed;
  compose::parse_as(renamed, "other", view->identity);
  const auto second = read_parse(Bytes(renamed).subspan(5));
  claim(second && as_text(second->identity) == as_text(view->identity), "renaming keeps the rest");
}

void try_bind(Bytes body) {
  const auto view = read_bind(body);
  if (!view) return;
  claim(view->statement_at + view->statement.size() + 1 == view->statement_end, "offsets");
  claim(view->statement_end <= body.size(), "offsets within the body");
  claim(as_text(body).substr(view->statement_at, view->statement.size()) == view->statement,
        "name");
}

void try_frontend(Bytes body) {
  try_parse(body);
  try_bind(body);
  if (const auto view = read_query(body)) claim(within(view->sql, body), "query");
  read_query_lead(body);
  read_parse_lead(body);
  if (const auto view = read_describe(body)) claim(within(view->name, body), "describe");
  if (const auto view = read_close(body)) claim(within(view->name, body), "close");
  if (const auto view = read_execute(body)) claim(within(view->portal, body), "execute");
  read_function_call(body);
  if (const auto view = read_password(body)) claim(within(view->password, body), "password");
  if (const auto view = read_sasl_initial_response(body)) {
    claim(within(view->mechanism, body) && within(view->data, body), "sasl initial response");
  }
  if (const auto view = read_sasl_response(body)) claim(within(view->data, body), "sasl response");
}

void try_backend(Bytes body) {
  read_ready_for_query(body);
  if (const auto view = read_parameter_status(body)) {
    claim(within(view->name, body) && within(view->value, body), "parameter status");
  }
  const ReportView report(body);
  for (int code = 0; code < 256; ++code) {
    claim(within(report.field(static_cast<char>(code)), body), "report field");
  }
  claim(within(report.severity(), body), "severity");
  read_command_complete(body);
  if (const auto view = read_authentication(body)) {
    claim(within(view->data, body) && view->mechanisms.size() <= body.size(), "authentication");
    view->offers("SCRAM-SHA-256");
  }
  if (const auto view = read_backend_key_data(body)) {
    claim(view->key.size() >= 4 && view->key.size() <= 256, "key bounds");
  }
  if (const auto view = read_negotiate_protocol_version(body)) {
    claim(view->unknown_extensions.size() <= body.size(), "negotiated names");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes body = std::as_bytes(std::span(data, size)).subspan(1);
  if (data[0] % 2 == 0) {
    try_frontend(body);
  } else {
    try_backend(body);
  }
  return 0;
}
