// SHOW PREPARED_STATEMENTS: what is kept for clients that share servers, and what it has come to. Numbers of the whole
// process, since it started.
#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

using namespace compose::oid;

constexpr std::array<compose::Column, 2> columns = {{{"name"}, {"value", numeric}}};

std::vector<Row> rows_of(const ShowContext& context) {
  StatementFacts sum;
  policy::StatementCounters& counters = sum.counters;
  for (const WorkerFacts& worker : context.workers) {
    const StatementFacts& one = worker.statements;
    sum.texts += one.texts, sum.text_bytes += one.text_bytes, sum.unused_bytes += one.unused_bytes;
    sum.texts_dropped += one.texts_dropped;
    sum.client_names += one.client_names, sum.on_servers += one.on_servers;
    counters.reparses += one.counters.reparses, counters.closes += one.counters.closes;
    counters.repeats += one.counters.repeats, counters.shared_parses += one.counters.shared_parses;
    counters.sql_rewrites += one.counters.sql_rewrites;
  }
  const std::pair<const char*, std::uint64_t> values[] = {
      {"texts", sum.texts},
      {"text_bytes", sum.text_bytes},
      {"unused_bytes", sum.unused_bytes},
      {"unused_bytes_max", context.workers.size() * policy::StatementStore::unused_bytes_max},
      {"texts_dropped", sum.texts_dropped},
      {"client_names", sum.client_names},
      {"on_servers", sum.on_servers},
      {"reparses", counters.reparses},
      {"closes", counters.closes},
      {"repeated_batches", counters.repeats},
      {"shared_parses", counters.shared_parses},
      {"sql_rewrites", counters.sql_rewrites},
  };
  std::vector<Row> rows;
  for (const auto& [name, value] : values) rows.push_back({name, number(value)});
  return rows;
}

}  // namespace

constinit const Show show_prepared_statements{"prepared_statements", Wants::nothing, columns, rows_of};

}  // namespace pgweir
