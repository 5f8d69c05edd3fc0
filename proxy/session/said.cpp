#include "proxy/session/said.h"

#include "proxy/session/worker.h"

namespace pgweir {

const Said& Worker::read(const ClientSession& client, const Piece& piece) {
  said_ = {};
  said_.at = piece.bytes.data();
  switch (piece.tag) {
    case 'Q':
      if (const auto lead = read_query_lead(piece.body())) said_.sql = lead->sql;
      break;
    case 'P':
      if (piece.ends) said_.parse = read_parse(piece.body());
      if (said_.parse) said_.sql = said_.parse->sql;
      else if (const auto lead = read_parse_lead(piece.body())) said_.sql = lead->sql;
      break;
    case 'B':
      said_.bind = read_bind(piece.body());
      if (said_.bind && tracks_statements(client)) read_bound(client);
      return said_;
    default:
      return said_;
  }
  said_.facts = known_texts_.of(said_.sql);
  return said_;
}

void Worker::read_bound(const ClientSession& client) {
  const std::string_view name = said_.bind->statement;
  const policy::StatementRef* named = name.empty() ? &client.statements.unnamed : client.statements.find(name);
  if (!named) return;
  said_.bound = *named ? Said::Bound::known : Said::Bound::forgotten;
  if (!*named) return;
  const policy::StatementText& text = *(*named)->text;
  said_.facts = text.facts;
  said_.bound_plans = text.sets_planning || text.verb;
}

policy::StatementRef Worker::bound_by(const ClientSession& client, const BindView& view) {
  if (view.statement.empty()) return client.statements.unnamed;
  const policy::StatementRef* named = client.statements.find(view.statement);
  return named ? *named : policy::StatementRef{};
}

// All of it, also of a Bind.
std::string_view Worker::text_said(const ClientSession& client, const Said& said) {
  if (said.bound != Said::Bound::known) return said.sql;
  const policy::StatementRef statement = bound_by(client, *said.bind);
  return statement ? statement->text->sql() : std::string_view{};
}

}  // namespace pgweir
