// What it costs to know who is owed which reply: nanoseconds per query.
#include "protocol/conversation.h"

#include <benchmark/benchmark.h>

#include <string_view>

namespace {

using namespace pgweir;

void talk(benchmark::State& state, std::string_view requests, std::string_view replies) {
  Conversation conversation;
  for (auto _ : state) {
    for (const char tag : requests) conversation.on_request(tag);
    for (const char tag : replies) {
      const ReplyVerdict verdict = conversation.on_reply(tag, tag == 'Z' ? 'I' : 0);
      benchmark::DoNotOptimize(verdict);
    }
  }
  if (!conversation.at_rest() || conversation.out_of_sync())
    state.SkipWithError("the conversation lost count");
  state.SetItemsProcessed(state.iterations());
}

void conversation_simple(benchmark::State& state) {
  talk(state, "Q", "TDCZ");
}
void conversation_extended(benchmark::State& state) {
  talk(state, "PBDES", "12TDCZ");
}
void conversation_prepared(benchmark::State& state) {
  talk(state, "BDES", "2TDCZ");
}
void conversation_pipeline(benchmark::State& state) {
  talk(state, "BESBESBESBESBESBESBESBES", "2DCZ2DCZ2DCZ2DCZ2DCZ2DCZ2DCZ2DCZ");
}

BENCHMARK(conversation_simple);
BENCHMARK(conversation_extended);
BENCHMARK(conversation_prepared);
BENCHMARK(conversation_pipeline);

}  // namespace
