#include "config/host_port.h"

#include <doctest/doctest.h>

using namespace pgweir;

TEST_CASE("a place to listen on is a host and a port") {
  CHECK(read_host_port("127.0.0.1:9127") == HostPort{"127.0.0.1", 9127});
  CHECK(read_host_port("[::1]:9127") == HostPort{"::1", 9127});
  CHECK(read_host_port("localhost:1") == HostPort{"localhost", 1});
  CHECK(read_host_port("*:65535") == HostPort{"*", 65535});
  CHECK(read_host_port(":9127") == HostPort{"*", 9127});
}

TEST_CASE("what is no host and port is refused") {
  for (const char* text : {"", "9127", "host", "host:", "host:0", "host:65536", "host:1x", "::1:9127", "a b:1", "[::1:1", "host:-1"}) {
    CAPTURE(text);
    CHECK(!read_host_port(text));
  }
}
