// Statements as text: the lexer, the digest of a statement, and how the table of digests finds one.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "protocol/sql/digest.h"
#include "protocol/sql/lexer.h"
#include "protocol/sql/session_effects.h"
#include "proxy/observe/digests.h"

namespace {

using namespace pgweir;

constexpr std::string_view statement =
    "SELECT o.id, o.total, c.name AS customer -- who\n"
    "  FROM shop.orders o JOIN customers c ON c.id = o.customer_id\n"
    " WHERE o.state IN ('open', 'paid', 'sent') AND o.total > 99.50 AND c.country = $1\n"
    " ORDER BY o.created_at DESC LIMIT 50 /* page 1 */";

void count_bytes(benchmark::State& state, std::size_t each) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(each));
  state.SetItemsProcessed(state.iterations());
}

void lexer_tokens(benchmark::State& state) {
  for (auto _ : state) {
    sql::Lexer lexer(statement);
    while (true) {
      const sql::Token token = lexer.next();
      benchmark::DoNotOptimize(token.text.data());
      if (token.kind == sql::TokenKind::end) break;
    }
  }
  count_bytes(state, statement.size());
}

void digest_of_a_statement(benchmark::State& state) {
  std::string text;
  for (auto _ : state) benchmark::DoNotOptimize(sql::digest(statement, text));
  count_bytes(state, statement.size());
}

// A text that has been seen: nothing is read but its hash.
void digest_lookup_known_text(benchmark::State& state) {
  DigestTable table(1000, 8 << 20);
  const auto origin = table.origin("db", "user");
  for (auto _ : state)
    benchmark::DoNotOptimize(table.find(statement, false, origin, WallTime{}).slot);
  count_bytes(state, statement.size());
}

// Literals that are new each time, of a class that is known.
void digest_lookup_known_class(benchmark::State& state) {
  DigestTable table(1000, 8 << 20);
  const auto origin = table.origin("db", "user");
  std::vector<std::string> texts;
  for (int i = 0; i < 100'000; ++i)
    texts.push_back("select * from users where id = " + std::to_string(1'000'000 + i));
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.find(texts[next], false, origin, WallTime{}).slot);
    next = next + 1 < texts.size() ? next + 1 : 0;
  }
  count_bytes(state, texts[0].size());
}

// Classes that are seen once, in a table that is full.
void digest_lookup_new_class(benchmark::State& state) {
  DigestTable table(5000, 40 << 20);
  const auto origin = table.origin("db", "user");
  std::vector<std::string> texts;
  for (int i = 0; i < 100'000; ++i)
    texts.push_back("select * from users where c" + std::to_string(1'000'000 + i) + " = 1");
  Execution run;
  run.server = microseconds(120);
  std::size_t next = 0;
  for (auto _ : state) {
    table.add(table.find(texts[next], false, origin, WallTime{}), run);
    next = next + 1 < texts.size() ? next + 1 : 0;
  }
  count_bytes(state, texts[0].size());
}

void digest_add(benchmark::State& state) {
  DigestTable table(1000, 8 << 20);
  const auto ref = table.find(statement, false, table.origin("db", "user"), WallTime{});
  Execution run;
  run.server = microseconds(120), run.stream = microseconds(4), run.rows = 3;
  for (auto _ : state) table.add(ref, run);
  state.SetItemsProcessed(state.iterations());
}

// What a Query costs that does nothing to its session: one look over its text.
void effects_of_a_text_without(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(sql::may_affect_session(statement));
  count_bytes(state, statement.size());
}

void effects_of_a_short_text_without(benchmark::State& state) {
  constexpr std::string_view text = "SELECT abalance FROM pgbench_accounts WHERE aid = 4711";
  for (auto _ : state) benchmark::DoNotOptimize(sql::may_affect_session(text));
  count_bytes(state, text.size());
}

void effects_of_set_config(benchmark::State& state) {
  constexpr std::string_view text = "SELECT set_config('app.tenant', $1, false)";
  for (auto _ : state) benchmark::DoNotOptimize(sql::session_effects(text).settings.data());
  count_bytes(state, text.size());
}

BENCHMARK(effects_of_a_text_without);
BENCHMARK(effects_of_a_short_text_without);
BENCHMARK(effects_of_set_config);
BENCHMARK(lexer_tokens);
BENCHMARK(digest_of_a_statement);
BENCHMARK(digest_lookup_known_text);
BENCHMARK(digest_lookup_known_class);
BENCHMARK(digest_lookup_new_class);
BENCHMARK(digest_add);

}  // namespace
