#include "config/connstr.h"

#include <doctest/doctest.h>

#include "tests/config/memory_files.h"

using namespace pgweir;

namespace {

using Pairs = std::vector<KeyValue>;

DatabaseConfig database(const std::string& value) {
  Mistakes mistakes;
  DatabaseConfig result = parse_database({"db", value, "f", 7}, mistakes);
  CHECK(lines_of(mistakes) == Lines{});
  return result;
}

Lines database_mistakes(const std::string& value, const std::string& name = "db") {
  Mistakes mistakes;
  parse_database({name, value, "f", 7}, mistakes);
  return lines_of(mistakes);
}

UserConfig user(const std::string& value) {
  Mistakes mistakes;
  UserConfig result = parse_user({"u", value, "f", 7}, mistakes);
  CHECK(lines_of(mistakes) == Lines{});
  return result;
}

}  // namespace

TEST_CASE("pairs stand between blanks, and blanks may stand around the equals sign") {
  CHECK(split_connstr("a=1  b = 2\tc= 3") == Pairs{{"a", "1"}, {"b", "2"}, {"c", "3"}});
  CHECK(split_connstr("  ") == Pairs{});
  CHECK(split_connstr("") == Pairs{});
}

TEST_CASE("quotes hold blanks, equals signs and doubled quotes") {
  CHECK(split_connstr("a='x y=z ''q'' ;#' b=1") == Pairs{{"a", "x y=z 'q' ;#"}, {"b", "1"}});
  CHECK(split_connstr("a=x'y") == Pairs{{"a", "x'y"}});
  CHECK(split_connstr("a=p;w#\"\\") == Pairs{{"a", "p;w#\"\\"}});
  CHECK(split_connstr("a='x'b=1") == Pairs{{"a", "x"}, {"b", "1"}});
  CHECK(split_connstr("a=b=c") == Pairs{{"a", "b=c"}});
  const std::string longest(65536, 'p');
  CHECK(split_connstr("password=" + longest) == Pairs{{"password", longest}});
}

TEST_CASE("an empty value, an open quote and a lone word are syntax errors") {
  for (const char* text : {"password=", "password= ", "password=''", "a", "a b=1", "=1", "a='x",
                           "a='x'y", "a='x''", "'a'=1", "a=1 =2"}) {
    CAPTURE(text);
    CHECK(split_connstr(text) == std::nullopt);
  }
  CHECK(database_mistakes("password=") == Lines{"f:7 syntax error in connection string of db"});
}

TEST_CASE("every key of a database is read") {
  DatabaseConfig d = database(
      "dbname=real host=a,b port=6000 user=u password='p w' pool_size=1 min_pool_size=2 "
      "reserve_pool_size=3 max_db_connections=4 max_db_client_connections=5 pool_mode=STATEMENT "
      "query_wait_timeout=6 server_lifetime=7 connect_query='SELECT 1' load_balance_hosts=disable "
      "client_encoding=UTF8 datestyle=ISO timezone=GMT application_name=app");
  CHECK(d.name == "db");
  CHECK(d.server_database() == "real");
  CHECK(d.hosts == std::vector<std::string>{"a", "b"});
  CHECK(d.port == 6000);
  CHECK(d.user == "u");
  CHECK(d.password == "p w");
  CHECK(d.pool_size == 1);
  CHECK(d.min_pool_size == 2);
  CHECK(d.reserve_pool_size == 3);
  CHECK(d.max_db_connections == 4);
  CHECK(d.max_db_client_connections == 5);
  CHECK(d.pool_mode == PoolMode::statement);
  CHECK(d.query_wait_timeout == std::chrono::seconds(6));
  CHECK(d.server_lifetime == std::chrono::seconds(7));
  CHECK(d.connect_query == "SELECT 1");
  CHECK(d.load_balance_hosts == LoadBalanceHosts::disable);
  CHECK(d.client_encoding == "UTF8");
  CHECK(d.datestyle == "ISO");
  CHECK(d.timezone == "GMT");
  CHECK(d.application_name == "app");
}

TEST_CASE("a database without keys is its own name on the unix socket and port 5432") {
  DatabaseConfig d = database("");
  CHECK(d.server_database() == "db");
  CHECK(d.hosts.empty());
  CHECK(d.port == 5432);
  CHECK(d.user.empty());
  CHECK(!d.password);
  CHECK(!d.pool_size);
}

TEST_CASE("hosts may be addresses with colons, socket folders and abstract sockets") {
  CHECK(database("host=::1").hosts == std::vector<std::string>{"::1"});
  CHECK(database("host=fe80::1%eth0,10.0.0.1,db.example").hosts ==
        std::vector<std::string>{"fe80::1%eth0", "10.0.0.1", "db.example"});
  CHECK(database("host=/var/run/x").hosts == std::vector<std::string>{"/var/run/x"});
  CHECK(database("host=@pg").hosts == std::vector<std::string>{"@pg"});
  CHECK(database("host=a,,b,").hosts == std::vector<std::string>{"a", "b"});
  CHECK(database_mistakes("host=,") ==
        Lines{"f:7 invalid value \",\" for parameter host in configuration (f:7)"});
}

TEST_CASE("reserve_pool is another name of reserve_pool_size") {
  CHECK(database("reserve_pool=9").reserve_pool_size == 9);
  CHECK(user("reserve_pool=9").reserve_pool_size == 9);
}

TEST_CASE("negative numbers mean not given; zero does only for limits and server_lifetime") {
  DatabaseConfig negative = database(
      "pool_size=-1 min_pool_size=-1 reserve_pool_size=-1 max_db_connections=-1 "
      "max_db_client_connections=-1 query_wait_timeout=-1 server_lifetime=-1");
  DatabaseConfig empty = database("");
  CHECK(negative == empty);
  DatabaseConfig zero = database(
      "pool_size=0 min_pool_size=0 reserve_pool_size=0 max_db_connections=0 "
      "max_db_client_connections=0 query_wait_timeout=0 server_lifetime=0");
  CHECK(zero.pool_size == 0);
  CHECK(zero.min_pool_size == 0);
  CHECK(zero.reserve_pool_size == 0);
  CHECK(!zero.max_db_connections);
  CHECK(!zero.max_db_client_connections);
  CHECK(zero.query_wait_timeout == Micros(0));
  CHECK(!zero.server_lifetime);
}

TEST_CASE("numbers are decimal, times may be fractions, junk is a mistake with its place") {
  CHECK(database("pool_size=010").pool_size == 10);
  CHECK(database("query_wait_timeout=0.5").query_wait_timeout == Micros(500000));
  for (const char* pair : {"pool_size=20x", "pool_size=0.5", "pool_size=99999999999", "port=0",
                           "port=65536", "port=x", "pool_mode=fast", "load_balance_hosts=on",
                           "query_wait_timeout=soon", "max_db_connections=many"}) {
    CAPTURE(pair);
    const std::string text = pair;
    const auto equals = text.find('=');
    CHECK(database_mistakes(text) ==
          Lines{"f:7 invalid value \"" + text.substr(equals + 1) + "\" for parameter " +
                text.substr(0, equals) + " in configuration (f:7)"});
  }
}

TEST_CASE("all mistakes of an entry are told, not only the first") {
  CHECK(database_mistakes("port=0 colour=red pool_mode=fast") ==
        Lines{"f:7 invalid value \"0\" for parameter port in configuration (f:7)",
              "f:7 unrecognized connection parameter: colour",
              "f:7 invalid value \"fast\" for parameter pool_mode in configuration (f:7)"});
}

TEST_CASE("the console's database name is reserved") {
  CHECK(database_mistakes("host=h", "pgbouncer") ==
        Lines{"f:7 database name \"pgbouncer\" is reserved"});
  CHECK(database_mistakes("host=h", "pgbouncer2") == Lines{});
  CHECK(database_mistakes("host=h", "") == Lines{"f:7 a database name must not be empty"});
}

TEST_CASE("keys of auth_query are read, the console as auth_dbname is not") {
  CHECK(database_mistakes("auth_user=a auth_dbname=b") == Lines{});
  Mistakes mistakes;
  CHECK(parse_database({"db", "auth_query='SELECT ''x'', $1'", "f", 1}, mistakes).auth_query ==
        "SELECT 'x', $1");
  CHECK(database_mistakes("auth_dbname=pgbouncer").back() ==
        "f:7 cannot use the reserved \"pgbouncer\" database as an auth_dbname");
}

TEST_CASE("every key of a user is read") {
  UserConfig u = user(
      "pool_size=1 reserve_pool_size=2 pool_mode=session max_user_connections=3 "
      "max_user_client_connections=4 query_timeout=5 query_wait_timeout=6 "
      "idle_transaction_timeout=7 transaction_timeout=8 client_idle_timeout=9");
  CHECK(u.name == "u");
  CHECK(u.pool_size == 1);
  CHECK(u.reserve_pool_size == 2);
  CHECK(u.pool_mode == PoolMode::session);
  CHECK(u.max_user_connections == 3);
  CHECK(u.max_user_client_connections == 4);
  CHECK(u.query_timeout == std::chrono::seconds(5));
  CHECK(u.query_wait_timeout == std::chrono::seconds(6));
  CHECK(u.idle_transaction_timeout == std::chrono::seconds(7));
  CHECK(u.transaction_timeout == std::chrono::seconds(8));
  CHECK(u.client_idle_timeout == std::chrono::seconds(9));
  CHECK(!user("query_timeout=0").query_timeout);
  CHECK(user("query_wait_timeout=0").query_wait_timeout == Micros(0));
}

TEST_CASE("a database's keys are none of a user's") {
  Mistakes mistakes;
  parse_user({"u", "host=h", "f", 3}, mistakes);
  CHECK(lines_of(mistakes) == Lines{"f:3 unrecognized connection parameter: host"});
}

TEST_CASE("a peer needs a number and a host") {
  Mistakes mistakes;
  PeerConfig peer = parse_peer({"3", "host=h", "f", 1}, mistakes);
  CHECK(peer == PeerConfig{3, "h", 6432, 0});
  peer = parse_peer({"4", "host=h port=7 pool_size=8", "f", 1}, mistakes);
  CHECK(peer == PeerConfig{4, "h", 7, 8});
  CHECK(mistakes.empty());
  parse_peer({"x", "host=h", "f", 1}, mistakes);
  parse_peer({"5", "port=7", "f", 2}, mistakes);
  CHECK(lines_of(mistakes) ==
        Lines{"f:1 invalid peer_id \"x\": 1 to 16383", "f:2 peer 5 has no host"});
}
