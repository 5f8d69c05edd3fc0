#include "proxy/policy/prepared/text_facts.h"

#include "protocol/sql/database_commands.h"
#include "protocol/sql/digest.h"
#include "protocol/sql/resets.h"
#include "protocol/sql/sequence_use.h"
#include "protocol/sql/session_effects.h"
#include "proxy/policy/prepared/sql_verb.h"

namespace pgweir::policy {

TextFacts facts_of(std::string_view sql) {
  TextFacts facts;
  facts.affects_session = sql::may_affect_session(sql);
  facts.resets = sql::may_reset(sql);
  facts.touches_statements = touches_statements(sql);
  facts.vacates_database = sql::database_to_be_vacant(sql).has_value();
  const sql::SequenceUse use = sql::sequence_use(sql);
  facts.asks_sequences = use.asks;
  facts.advances_sequences = use.advances;
  facts.seeds_random = use.seeds;
  return facts;
}

TextFacts KnownTexts::of(std::string_view sql) {
  if (sql.size() > text_bytes_max) {
    ++misses_;
    return facts_of(sql);
  }
  const std::uint64_t hash = sql::hash(sql);
  Line& line = lines_[hash & (lines - 1)];
  if (line.hash == hash && line.text == sql) return line.facts;
  ++misses_;
  line.text.assign(sql);
  line.hash = hash;
  line.facts = facts_of(sql);
  return line.facts;
}

}  // namespace pgweir::policy
