// Which settings a client's statements are parsed and planned with. Outside a transaction they are known; what an open
// one has set is told apart by the steps that set it.
#include "protocol/frontend.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

std::uint64_t step(std::uint64_t steps, Bytes bytes) {
  const std::uint64_t mixed = policy::StatementStore::hash_of(bytes, steps);
  return mixed != 0 ? mixed : 1;
}

// The parameters of a Bind that are values of such settings; all of them where that cannot be said.
std::uint64_t step_by_values(std::uint64_t steps, std::string_view sql, Bytes behind_names) {
  std::vector<std::uint16_t> numbers;
  if (!policy::planning_values(sql, numbers)) return step(steps, behind_names);
  for (const std::uint16_t number : numbers) {
    const auto value = bind_parameter(behind_names, number);
    if (!value) return step(steps, behind_names);
    steps = step(steps, as_bytes(*value));
  }
  return steps;
}

}  // namespace

const policy::SharedPlanning& Worker::planning(ClientSession& client) {
  const policy::SharedPlanning& known = plannings_.of(shared_.tracked, client.parameters, client.settings);
  if (!client.server || client.server->steps.mark == 0) return known;
  policy::PlanningSteps& steps = client.server->steps;
  if (!steps.since || steps.before != known) {
    steps.before = known;
    steps.since = policy::with_steps(known, steps.mark);
  }
  return steps.since;
}

// A Query or Bind that has gone out.
void Worker::note_planning(ClientSession& client, const Piece& piece) {
  if (!tracks_statements(client)) return;
  policy::PlanningSteps& steps = client.server->steps;
  const Said& what = said(client, piece);
  std::string_view sql = what.sql;
  Bytes values;
  bool sets = false;
  if (piece.tag == 'Q') {
    if (!what.facts.affects_session && steps.mark == 0) return;
    sets = what.facts.affects_session && (policy::sets_planning(sql) || executes_a_setting(client, sql));
  } else {
    if (what.bound != Said::Bound::known || (!what.bound_plans && steps.mark == 0)) return;
    const policy::StatementRef statement = bound_by(client, *what.bind);
    if (!statement) return;
    const policy::StatementText& text = *statement->text;
    sql = text.sql();
    values = piece.body().subspan(what.bind->statement_end);
    sets = text.sets_planning || (text.verb && executes_a_setting(client, sql));
  }
  std::uint64_t mark = steps.mark;
  // What is left of the steps cannot be said: like nobody else's.
  if (mark != 0 && policy::may_undo(sql)) mark = step(mark, as_bytes(std::to_string(statements_.fresh_id())));
  if (sets) mark = step_by_values(step(mark, as_bytes(sql)), sql, values);
  if (mark == steps.mark) return;
  steps.mark = mark;
  steps.since = nullptr;
}

// EXECUTE in SQL of a statement that sets something.
bool Worker::executes_a_setting(const ClientSession& client, std::string_view sql) {
  for (const policy::SqlVerb& verb : policy::verbs_in(sql)) {
    const policy::StatementRef* named = verb.verb == policy::Verb::execute ? client.statements.find(verb.name) : nullptr;
    if (named && *named && (*named)->text->sets_planning) return true;
  }
  return false;
}

}  // namespace pgweir
