#include "proxy/policy/host_order.h"

#include <doctest/doctest.h>

using namespace pgweir;
using policy::HostOrder;

namespace {

const TimePoint start = TimePoint{} + seconds(1000);

std::vector<std::size_t> picks(HostOrder& order, std::size_t hosts, LoadBalanceHosts way, int times, TimePoint now) {
  std::vector<std::size_t> chosen;
  for (int i = 0; i < times; ++i) chosen.push_back(order.pick(hosts, way, now));
  return chosen;
}

using Picks = std::vector<std::size_t>;

}  // namespace

TEST_CASE("round-robin takes the hosts in turn") {
  HostOrder order;
  CHECK(picks(order, 3, LoadBalanceHosts::round_robin, 5, start) == Picks{0, 1, 2, 0, 1});
}

TEST_CASE("disable stays with the first host until it fails, then with the next") {
  HostOrder order;
  CHECK(picks(order, 3, LoadBalanceHosts::disable, 3, start) == Picks{0, 0, 0});
  order.failed(0, start + seconds(5));
  CHECK(picks(order, 3, LoadBalanceHosts::disable, 2, start) == Picks{1, 1});
  // It does not go back by itself: who works stays.
  CHECK(picks(order, 3, LoadBalanceHosts::disable, 2, start + seconds(6)) == Picks{1, 1});
}

TEST_CASE("a host that has failed is passed over for a while") {
  HostOrder order;
  CHECK(order.pick(2, LoadBalanceHosts::round_robin, start) == 0);
  order.failed(0, start + seconds(5));
  CHECK(picks(order, 2, LoadBalanceHosts::round_robin, 3, start) == Picks{1, 1, 1});
  CHECK(picks(order, 2, LoadBalanceHosts::round_robin, 2, start + seconds(5)) == Picks{0, 1});
}

TEST_CASE("when all have failed they are tried in turn all the same") {
  HostOrder order;
  for (std::size_t host : {0, 1}) {
    CHECK(order.pick(2, LoadBalanceHosts::round_robin, start) == host);
    order.failed(host, start + seconds(5));
  }
  CHECK(picks(order, 2, LoadBalanceHosts::round_robin, 3, start) == Picks{0, 1, 0});
}

TEST_CASE("a list that has changed its length starts as far as it goes") {
  HostOrder order;
  CHECK(picks(order, 3, LoadBalanceHosts::round_robin, 2, start) == Picks{0, 1});
  CHECK(order.pick(1, LoadBalanceHosts::round_robin, start) == 0);
  order.failed(2, start + seconds(5));
  order.forget();
  CHECK(order.pick(3, LoadBalanceHosts::round_robin, start) == 0);
}
