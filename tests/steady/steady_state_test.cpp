// What a query costs in memory: nothing once everything is warm. And in time: the same, whoever
// else is there.
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <new>

#include "tests/session/session_fixture.h"
#include "tests/support/flat_worker.h"

using namespace pgweir;
using namespace pgweir::sim;

namespace {

bool counting = false;
std::size_t allocations = 0;

std::size_t allocations_of(FlatWorker& flat, const FlatQuery& said) {
  if (!said.setup.empty()) flat.prepare(0, said.setup);
  for (int i = 0; i < 50; ++i) flat.exchange(0, said.request, said.reply);
  allocations = 0;
  counting = true;
  for (int i = 0; i < 1000; ++i) flat.exchange(0, said.request, said.reply);
  counting = false;
  return allocations;
}

// Nanoseconds, the least disturbed of several attempts.
double time_of_a_query(FlatWorker& flat, std::size_t clients, const FlatQuery& said) {
  constexpr int queries = 2000;
  double best = 1e18;
  std::size_t next = 0;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const std::clock_t from = std::clock();
    for (int i = 0; i < queries; ++i) {
      flat.exchange(next, said.request, said.reply);
      next = (next + 1) % clients;
    }
    best = std::min(best, double(std::clock() - from) / CLOCKS_PER_SEC / queries * 1e9);
  }
  return best;
}

}  // namespace

// The compiler sees through one of the pair and not the other, and takes malloc's memory for new's.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t size) {
  if (counting) ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

TEST_CASE("a query allocates nothing in steady state, by whatever protocol") {
  for (const FlatQuery& said :
       {FlatQuery::simple(), FlatQuery::extended(), FlatQuery::prepared()}) {
    FlatWorker flat;
    CHECK(allocations_of(flat, said) == 0);
    CHECK(flat.worker.servers().size() == 1);
  }
}

// A step that looks at all clients, or at all pools, would cost some hundred times as much.
TEST_CASE("a query costs the same however many clients and pools there are") {
  const FlatQuery said = FlatQuery::simple();
  FlatWorker few(10);
  const double base = time_of_a_query(few, 10, said);
  SUBCASE("clients") {
    FlatWorker many(5000);
    CHECK(time_of_a_query(many, 5000, said) < 10 * base);
  }
  SUBCASE("pools") {
    FlatWorker many(1000, 1000);
    CHECK(time_of_a_query(many, 1000, said) < 10 * base);
  }
}

TEST_CASE("an idle client fits in one KiB") {
  CHECK(sizeof(ClientSession) + sizeof(SimStream) <= 1024);
  MESSAGE("sizeof(ClientSession) = ", sizeof(ClientSession),
          ", sizeof(ServerConnection) = ", sizeof(ServerConnection));
}
