#include "config/environment.h"

#include <doctest/doctest.h>

using namespace pgweir;

namespace {

std::optional<std::string> no_file(const std::string&) { return std::nullopt; }

std::string all_of(const Mistakes& mistakes) {
  std::string text;
  for (const Mistake& m : mistakes) text += place_of(m) + (m.warning ? ": warning: " : ": ") + m.text + "\n";
  return text;
}

std::shared_ptr<const Config> good(const Variables& variables, const FileReader& reader = no_file) {
  Loaded loaded = from_environment(variables, reader);
  INFO(all_of(loaded.mistakes));
  REQUIRE(loaded.config);
  CHECK(loaded.mistakes.empty());
  return loaded.config;
}

// Nothing of it means anything to the configuration.
const std::string odd_password = "p'a\"s;s %w#o\\r,d:/@?=\n$x";

}  // namespace

TEST_CASE("edoburu: the server, its user and the image's own defaults") {
  const auto config = good({{"DB_HOST", "db"}, {"DB_USER", "app"}, {"DB_PASSWORD", odd_password}, {"USER", "root"}});
  CHECK(config->globals.listen_addr == "0.0.0.0");
  CHECK(config->globals.listen_port == 5432);
  CHECK(config->globals.unix_socket_dir.empty());
  CHECK(config->globals.auth_type == AuthType::md5);
  CHECK(config->admin_users == std::vector<std::string>{"postgres"});
  CHECK(config->ignored_startup_parameters == std::vector<std::string>{"extra_float_digits"});
  CHECK_FALSE(config->globals.user);
  REQUIRE(config->fallback);
  CHECK(config->fallback->hosts == std::vector<std::string>{"db"});
  CHECK(config->fallback->auth_user == "app");
  REQUIRE(config->secret("app"));
  CHECK(*config->secret("app") == odd_password);
}

TEST_CASE("edoburu: every setting by its name in capitals, ours too, with any character in it") {
  const std::string auth_query = "SELECT a::text, 'x;y' FROM f($1) -- %s \\n";
  const auto config = good({{"DB_HOST", "::1"}, {"DB_NAME", "shop"}, {"AUTH_QUERY", auth_query}, {"POOL_MODE", "transaction"},
                            {"LISTEN_ADDR", "::,0.0.0.0"}, {"MAX_CLIENT_CONN", "500"}, {"QUERY_WAIT_TIMEOUT", "1.5"},
                            {"SESSION_STATE", "pin"}, {"POOL_SIZE", "7"}, {"TIMEZONE", "Europe/Berlin"}});
  CHECK(config->globals.auth_query == auth_query);
  CHECK(config->globals.pool_mode == PoolMode::transaction);
  CHECK(config->globals.max_client_conn == 500);
  CHECK(config->globals.session_state == SessionState::pin);
  CHECK(config->listen_addresses == std::vector<std::string>{"::", "0.0.0.0"});
  const DatabasePtr shop = config->database("shop");
  REQUIRE(shop);
  CHECK(shop->hosts == std::vector<std::string>{"::1"});
  CHECK(shop->pool_size == 7);
  CHECK(shop->timezone == "Europe/Berlin");
}

TEST_CASE("edoburu: CLIENT_ENCODING belongs to the database and is none itself") {
  const auto config = good({{"DB_HOST", "db"}, {"CLIENT_ENCODING", "UTF8"}});
  CHECK(config->databases.empty());
  CHECK(config->fallback->client_encoding == "UTF8");
}

TEST_CASE("edoburu: DATABASE_URL with a password as it is, or percent-encoded") {
  struct Case { std::string url, password; };
  for (const Case& c : {Case{"postgres://app:s*cr/t,x:y@db:5433/shop", "s*cr/t,x:y"},
                        Case{"postgres://app:a@b@db:5433/shop", "a@b"},
                        Case{"postgresql://app:100%@db:5433/shop", "100%"},
                        Case{"postgres://app:a%40b%2Fc@db:5433/shop", "a@b/c"},
                        Case{"postgres://app:what?#@db:5433/shop", "what?#"}}) {
    CAPTURE(c.url);
    const auto config = good({{"DATABASE_URL", c.url}});
    const DatabasePtr shop = config->database("shop");
    REQUIRE(shop);
    CHECK(shop->hosts == std::vector<std::string>{"db"});
    CHECK(shop->port == 5433);
    CHECK(shop->auth_user == "app");
    REQUIRE(config->secret("app"));
    CHECK(*config->secret("app") == c.password);
  }
}

TEST_CASE("edoburu: DATABASE_URLS, whose passwords may have commas") {
  const auto config = good({{"DATABASE_URLS", "postgres://a:x,y@h1/one, postgresql://b:z@h2:6000/two"}});
  REQUIRE(config->databases.size() == 2);
  CHECK(config->database("one")->hosts.front() == "h1");
  CHECK(config->database("two")->port == 6000);
  CHECK(*config->secret("a") == "x,y");
  CHECK(*config->secret("b") == "z");
}

TEST_CASE("edoburu: what the userlist file says of a user counts more than DB_PASSWORD") {
  const auto reader = [](const std::string& path) -> std::optional<std::string> {
    if (path == "/etc/pgbouncer/userlist.txt") return "\"app\" \"from file\"\n\"other\" \"x\"\n";
    return std::nullopt;
  };
  const auto config = good({{"DB_HOST", "db"}, {"DB_USER", "app"}, {"DB_PASSWORD", "y"}}, reader);
  CHECK(*config->secret("app") == "from file");
  CHECK(*config->secret("other") == "x");
}

TEST_CASE("every mistake names its variable") {
  Loaded loaded = from_environment({{"POOL_MODE", "both"}, {"MAX_CLIENT_CONN", "many"}}, no_file);
  CHECK_FALSE(loaded.config);
  const std::string text = all_of(loaded.mistakes);
  INFO(text);
  CHECK(text.find("environment variable POOL_MODE: invalid value \"both\"") != std::string::npos);
  CHECK(text.find("environment variable MAX_CLIENT_CONN: invalid value \"many\"") != std::string::npos);
  CHECK(text.find("environment variable DB_HOST: is not set") != std::string::npos);
  CHECK(text.find(":0)") == std::string::npos);
}

TEST_CASE("bitnami: the server, its user and the image's own defaults") {
  const auto config = good({{"POSTGRESQL_HOST", "pg"}, {"POSTGRESQL_USERNAME", "app"}, {"POSTGRESQL_PASSWORD", odd_password},
                            {"PGBOUNCER_DATABASE", "shop"}, {"PATH", "/bin"}});
  CHECK(config->globals.listen_port == 6432);
  CHECK(config->globals.auth_type == AuthType::scram_sha_256);
  CHECK(config->admin_users == std::vector<std::string>{"app"});
  const DatabasePtr shop = config->database("shop");
  REQUIRE(shop);
  CHECK(shop->hosts == std::vector<std::string>{"pg"});
  CHECK(shop->user.empty());
  CHECK_FALSE(shop->password);
  CHECK(*config->secret("app") == odd_password);
}

TEST_CASE("bitnami: user and password of the database, connect_query, an auth_query with casts") {
  const auto config =
      good({{"POSTGRESQL_PASSWORD", odd_password}, {"PGBOUNCER_SET_DATABASE_USER", "yes"},
            {"PGBOUNCER_SET_DATABASE_PASSWORD", "yes"}, {"PGBOUNCER_CONNECT_QUERY", "set a = 'b'"},
            {"PGBOUNCER_AUTH_QUERY", "SELECT u::text, p FROM f($1)"}, {"PGBOUNCER_LISTEN_ADDRESS", "::1"},
            {"PGBOUNCER_MAX_CLIENT_CONN", "77"}});
  const DatabasePtr entry = config->database("postgres");
  REQUIRE(entry);
  CHECK(entry->user == "postgres");
  CHECK(entry->password == odd_password);
  CHECK(entry->connect_query == "set a = 'b'");
  CHECK(config->globals.auth_query == "SELECT u::text, p FROM f($1)");
  CHECK(config->listen_addresses == std::vector<std::string>{"::1"});
  CHECK(config->globals.max_client_conn == 77);
}

TEST_CASE("bitnami: NAME_FILE, DSNs, the userlist, and a variable that is not known") {
  const auto reader = [](const std::string& path) -> std::optional<std::string> {
    if (path == "/run/secrets/pw") return "from a file \n";
    if (path == "/run/secrets/dsn") return "one=host=h1 port=5433 dbname=x\n";
    return std::nullopt;
  };
  const Variables variables = {{"POSTGRESQL_PASSWORD_FILE", "/run/secrets/pw"}, {"PGBOUNCER_DSN_0_FILE", "/run/secrets/dsn"},
                               {"PGBOUNCER_DSN_1", "two=host=h2"}, {"PGBOUNCER_USERLIST", "\"u\" \"p\"\"q\""},
                               {"PGBOUNCER_DATABASE", "*"}, {"PGBOUNCER_POOL_MODUS", "x"}, {"PGBOUNCER_INIT_SLEEP_TIME", "1"}};
  Loaded loaded = from_environment(variables, reader);
  REQUIRE(loaded.config);
  CHECK(all_of(loaded.mistakes) == "environment variable PGBOUNCER_POOL_MODUS: warning: is not known\n");
  CHECK(*loaded.config->secret("postgres") == "from a file ");
  CHECK(loaded.config->database("one")->port == 5433);
  CHECK(loaded.config->database("two")->hosts.front() == "h2");
  CHECK(*loaded.config->secret("u") == "p\"q");
  CHECK(loaded.config->fallback->hosts.front() == "postgresql");
  Loaded missing = from_environment({{"POSTGRESQL_PASSWORD_FILE", "/nowhere"}}, reader);
  CHECK_FALSE(missing.config);
  CHECK(all_of(missing.mistakes) == "environment variable POSTGRESQL_PASSWORD_FILE: cannot read /nowhere\n");
}
