#include "proxy/session/handed.h"

#include <doctest/doctest.h>

using namespace pgweir;

namespace {

HandedServer some_server() {
  HandedServer s;
  s.database = "shop", s.user = "web", s.server_database = "shop_1", s.host = "10.0.0.7", s.port = 5433;
  s.cancel = {4711, std::string("\0\1\2\3", 4)};
  s.parameters = {{"TimeZone", "UTC"}, {"application_name", ""}};
  s.settings = {{"app.tenant", "7"}};
  s.statements = {{"", 12, false, std::string("select 1\0\0\0", 11)}};
  s.age_ms = 5'000'000'000, s.lifetime_ms = 3'600'000;
  s.welcome = std::string("S\0\0\0\4", 5);
  s.pool_parameters = {{"DateStyle", "ISO, MDY"}};
  return s;
}

HandedClient some_client() {
  HandedClient c;
  c.database = "shop", c.user = "web", c.long_key = true, c.age_ms = 12;
  c.cancel = {0x01000001, std::string(32, 'k')};
  c.settings = {{"work_mem", "8MB"}};
  c.startup = {{"timezone", "Asia/Tokyo"}};
  c.statements = {{"s1", 0, false, "select 1"}, {"s2", 0, true, " AS SELECT 2"}};
  c.unnamed = HandedStatement{"", 0, false, "select 3"};
  return c;
}

Buffer bytes_of(const auto& value) {
  Buffer out;
  encode(value, out);
  return out;
}

}  // namespace

TEST_CASE("a record that has travelled says what it said") {
  HandedClient client = some_client();
  CHECK(bytes_of(*decode_client(bytes_of(client))) == bytes_of(client));
  client.server = some_server();
  client.unnamed.reset();
  const auto back = decode_client(bytes_of(client));
  REQUIRE(back);
  CHECK(bytes_of(*back) == bytes_of(client));
  CHECK(back->server->cancel.key == std::string("\0\1\2\3", 4));
  CHECK(back->server->age_ms == 5'000'000'000);
  CHECK(back->statements[1].sql);
  CHECK(!back->unnamed);
  CHECK(back->startup == client.startup);
  CHECK(bytes_of(*decode_server(bytes_of(some_server()))) == bytes_of(some_server()));
}

TEST_CASE("a record that is cut, longer, or of another version is none") {
  HandedClient client = some_client();
  client.server = some_server();
  Buffer whole = bytes_of(client);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(!decode_client(Bytes(whole).first(size)));
  Buffer longer = whole;
  longer.push_back(std::byte{0});
  CHECK(!decode_client(longer));
  whole[7] = std::byte{99};
  CHECK(!decode_client(whole));
}

TEST_CASE("a record of the version before says nothing of the startup") {
  HandedClient client = some_client();
  client.startup.clear();
  Buffer whole = bytes_of(client);
  whole[7] = std::byte{1};
  whole.erase(whole.end() - 9, whole.end() - 1);       // the count of it stands before whether there is a server
  const auto back = decode_client(whole);
  REQUIRE(back);
  CHECK(back->settings == client.settings);
  CHECK(back->age_ms == client.age_ms);
}

TEST_CASE("a count that no record could hold is refused without making room for it") {
  Buffer whole = bytes_of(some_client());
  for (std::size_t at = 8; at + 8 <= whole.size(); ++at) {
    Buffer wrong = whole;
    for (std::size_t i = 0; i < 8; ++i) wrong[at + i] = std::byte{0xff};
    (void)decode_client(wrong);
  }
}
