// How fast a stream of bytes is cut into messages.
#include "protocol/framer.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <optional>

#include "protocol/compose.h"

namespace {

using namespace pgweir;

constexpr std::size_t scratch_bytes = 32 << 10;  // as much as a worker reads at once

// A result of small rows, several scratches long.
Buffer small_rows() {
  Buffer out;
  const std::array<std::optional<std::string_view>, 3> row{"12345", "a name", "2026-01-01"};
  while (out.size() < 8 * scratch_bytes) compose::data_row(out, row);
  compose::command_complete(out, "SELECT 9999");
  compose::ready_for_query(out);
  return out;
}

// Replies to single-row queries, several scratches long.
Buffer short_replies() {
  Buffer out;
  const std::array<compose::Column, 1> columns{{{"?column?", compose::oid::int4}}};
  const std::array<std::optional<std::string_view>, 1> row{"1"};
  while (out.size() < 8 * scratch_bytes) {
    compose::row_description(out, columns);
    compose::data_row(out, row);
    compose::command_complete(out, "SELECT 1");
    compose::ready_for_query(out);
  }
  return out;
}

Buffer big_rows() {
  Buffer out;
  const std::string value(1'000'000, 'x');
  const std::array<std::optional<std::string_view>, 1> row{value};
  compose::data_row(out, row);
  compose::command_complete(out, "SELECT 1");
  compose::ready_for_query(out);
  return out;
}

// The stream is cut as the socket would deliver it: a scratch at a time, messages split anywhere.
void frame(benchmark::State& state, const Buffer& stream) {
  Framer framer(Direction::from_server);
  std::int64_t messages = 0;
  for (auto _ : state) {
    for (std::size_t at = 0; at < stream.size(); at += scratch_bytes) {
      Bytes input = Bytes(stream).subspan(at, std::min(scratch_bytes, stream.size() - at));
      while (const auto piece = framer.next(input)) {
        messages += piece->starts;
        benchmark::DoNotOptimize(piece->bytes.data());
      }
      framer.end_turn();
    }
  }
  if (framer.failed()) state.SkipWithError("the framer failed");
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(stream.size()));
  state.SetItemsProcessed(messages);
}

void framer_small_rows(benchmark::State& state) {
  frame(state, small_rows());
}
void framer_short_replies(benchmark::State& state) {
  frame(state, short_replies());
}
void framer_big_rows(benchmark::State& state) {
  frame(state, big_rows());
}

BENCHMARK(framer_small_rows);
BENCHMARK(framer_short_replies);
BENCHMARK(framer_big_rows);

}  // namespace
