#include "config/loader.h"

#include <doctest/doctest.h>

#include "tests/config/memory_files.h"

using namespace pgweir;

namespace {

Lines mistakes_of(const std::string& text, std::map<std::string, std::string> others = {}) {
  return lines_of(load_text(text, std::move(others)).mistakes);
}

}  // namespace

TEST_CASE("a usual pgbouncer.ini is read unchanged and without a word") {
  Loaded loaded = load_text(
      ";; databases first\n[databases]\n"
      "app = host=127.0.0.1 port=5432 dbname=app\n* = host=127.0.0.1\n\n"
      "[pgbouncer]\nlogfile = /var/log/pgbouncer.log\npidfile = /run/pgbouncer.pid\n"
      "listen_addr = 127.0.0.1, ::1\nlisten_port = 6432\nauth_type=md5\n"
      "auth_file = userlist.txt\nadmin_users = postgres, root\nstats_users=stats\n"
      "pool_mode=transaction\nmax_client_conn=1000\ndefault_pool_size=20\nmin_pool_size=5\n"
      "reserve_pool_size=5\nreserve_pool_timeout=3\nserver_lifetime=3600\n"
      "server_idle_timeout=600\nstats_period=60\nignore_startup_parameters = extra_float_digits\n",
      {{"userlist.txt", "\"app\" \"md5d41d8cd98f00b204e9800998ecf8427e\"\n"}});
  CHECK(lines_of(loaded.mistakes) == Lines{});
  REQUIRE(loaded.config);
  const Config& c = *loaded.config;
  CHECK(c.globals.pool_mode == PoolMode::transaction);
  CHECK(c.globals.max_client_conn == 1000);
  CHECK(c.globals.default_pool_size == 20);
  CHECK(c.globals.min_pool_size == 5);
  CHECK(c.globals.reserve_pool_size == 5);
  CHECK(c.globals.reserve_pool_timeout == std::chrono::seconds(3));
  CHECK(c.globals.server_lifetime == std::chrono::seconds(3600));
  CHECK(c.globals.server_idle_timeout == std::chrono::seconds(600));
  CHECK(c.globals.stats_period == 60);
  CHECK(c.globals.auth_type == AuthType::md5);
  CHECK(c.globals.query_wait_timeout == std::chrono::seconds(120));  // a default
  CHECK(c.globals.conffile == "main.ini");
  CHECK(c.path == "main.ini");
  CHECK(c.is_admin("root"));
  CHECK(!c.is_admin("stats"));
  CHECK(c.is_stats_user("stats"));
  CHECK(c.listen_addresses == std::vector<std::string>{"127.0.0.1", "::1"});
  CHECK(c.ignored_startup_parameters == std::vector<std::string>{"extra_float_digits"});
  CHECK(c.extra_parameters == std::vector<std::string>{"IntervalStyle"});
  REQUIRE(c.secret("app"));
  CHECK(*c.secret("app") == "md5d41d8cd98f00b204e9800998ecf8427e");
  CHECK(c.secret("nobody") == nullptr);
}

TEST_CASE("an exact name counts before the fallback, and the fallback bears the name asked for") {
  Loaded loaded = load_text(
      "[databases]\napp = host=one\n* = host=two pool_size=3\n[pgbouncer]\n[users]\nu = "
      "pool_size=2\n");
  REQUIRE(loaded.config);
  const Config& c = *loaded.config;
  CHECK(c.database("app")->hosts == std::vector<std::string>{"one"});
  CHECK(!c.database("app")->automatic);
  DatabasePtr other = c.database("other");
  REQUIRE(other);
  CHECK(other->name == "other");
  CHECK(other->server_database() == "other");
  CHECK(other->automatic);
  CHECK(other->pool_size == 3);
  CHECK(c.fallback->name == "*");
  CHECK(c.database("pgbouncer") == nullptr);
  REQUIRE(c.user("u"));
  CHECK(c.user("u")->pool_size == 2);
  CHECK(c.user("v") == nullptr);
  CHECK(load_text("[pgbouncer]\n[databases]\napp =\n").config->database("other") == nullptr);
}

TEST_CASE("a fallback with dbname leads every name to that database") {
  Loaded loaded = load_text("[pgbouncer]\n[databases]\n\"*\" = dbname=one\n");
  REQUIRE(loaded.config);
  CHECK(loaded.config->database("x")->server_database() == "one");
}

TEST_CASE("a file without the main section, or none at all, is an error") {
  CHECK(mistakes_of("[databases]\na = host=h\n") ==
        Lines{"main.ini:0 main section missing from config file"});
  CHECK(mistakes_of("") == Lines{"main.ini:0 main section missing from config file"});
  CHECK(mistakes_of("[pgbouncer]\n") == Lines{});
  Loaded missing = load("nowhere", reader_of({}));
  CHECK(!missing.config);
  CHECK(lines_of(missing.mistakes) == Lines{"nowhere:0 cannot read configuration file nowhere"});
}

TEST_CASE("all mistakes are told with file and line, and nothing is half applied") {
  Loaded loaded = load_text(
      "[pgbouncer]\npool_mode = transaction\nmax_client_conn = many\ncolour = red\nnonsense\n"
      "[databases]\npgbouncer = host=h\n%include more.ini\n[extras]\na = 1\n",
      {{"more.ini", "a = port=0\nb = password=\n"}});
  CHECK(loaded.config == nullptr);
  CHECK(lines_of(loaded.mistakes) ==
        Lines{"main.ini:3 invalid value \"many\" for parameter max_client_conn in configuration "
              "(main.ini:3)",
              "main.ini:4 unknown parameter: pgbouncer/colour",
              "main.ini:5 syntax error in configuration (main.ini:5), stopping loading",
              "main.ini:7 database name \"pgbouncer\" is reserved",
              "main.ini:9 invalid section \"extras\" in configuration (main.ini:9)",
              "more.ini:1 invalid value \"0\" for parameter port in configuration (more.ini:1)",
              "more.ini:2 syntax error in connection string of b"});
}

TEST_CASE("each setting that is not served gets one warning at its line, defaults get none") {
  Loaded loaded = load_text(
      "[pgbouncer]\npkt_buf = 2048\npkt_buf = 8192\nsbuf_loopcnt = 5\nserver_tls_sslmode = prefer\n"
      "client_tls_sslmode = disable\nauth_type = md5\npeer_id = 1\n"
      "[databases]\na = auth_user=x\nb = auth_user=y\n[peers]\n1 = host=h\n2 = host=i\n");
  CHECK(loaded.config != nullptr);
  CHECK(lines_of(loaded.mistakes) ==
        Lines{"?main.ini:3 pkt_buf = 8192 has no effect: sockets have no buffer of their own; a worker reads into one "
              "of 32 KiB"});
  CHECK(loaded.config->peers.size() == 2);
}

TEST_CASE("the console's database cannot answer auth_query") {
  CHECK(mistakes_of("[pgbouncer]\nauth_dbname = pgbouncer\n").front() ==
        "main.ini:2 cannot use the reserved \"pgbouncer\" database as an auth_dbname");
}

TEST_CASE("an auth_file that cannot be read or has broken lines is a warning") {
  Loaded loaded = load_text("[pgbouncer]\n\nauth_file = u.txt\n");
  REQUIRE(loaded.config);
  CHECK(!loaded.config->userlist_read);
  CHECK(lines_of(loaded.mistakes) == Lines{"?main.ini:3 could not open auth_file u.txt"});
  loaded = load_text("[pgbouncer]\nauth_file = u.txt\n", {{"u.txt", "\"a\" \"b\"\nbroken\n"}});
  REQUIRE(loaded.config);
  CHECK(loaded.config->userlist_read);
  CHECK(lines_of(loaded.mistakes) == Lines{"?u.txt:2 broken auth file"});
  CHECK(*loaded.config->secret("a") == "b");
}

TEST_CASE("the last line for a setting counts, and conffile can name another file") {
  Loaded loaded = load_text("[pgbouncer]\npool_mode=session\npool_mode=statement\nconffile=/b\n");
  REQUIRE(loaded.config);
  CHECK(loaded.config->globals.pool_mode == PoolMode::statement);
  CHECK(loaded.config->globals.conffile == "/b");
}

TEST_CASE("values of 64 KiB and passwords with every sign reach the configuration") {
  const std::string query = "SELECT '" + std::string(65536, 'x') + "' ; # :", password = "a;b#c\"d";
  Loaded loaded =
      load_text("[pgbouncer]\nauth_query = " + query + "  \n[databases]\nv6 = host=::1 " +
                "password=" + password + "\nq = password='it''s ; # x '\n");
  REQUIRE(loaded.config);
  CHECK(loaded.config->globals.auth_query == query);
  CHECK(loaded.config->database("v6")->password == password);
  CHECK(loaded.config->database("v6")->hosts == std::vector<std::string>{"::1"});
  CHECK(loaded.config->database("q")->password == "it's ; # x ");
}

TEST_CASE("the check tells every mistake and the verdict") {
  CHECK(check_report(load_text("[pgbouncer]\npkt_buf = 1\ncolour = red\n")) ==
        Lines{"main.ini:2: warning: pkt_buf = 1 has no effect: sockets have no buffer of their own; a worker reads into "
              "one of 32 KiB",
              "main.ini:3: error: unknown parameter: pgbouncer/colour",
              "configuration is broken: 1 errors, 1 warnings"});
  CHECK(check_report(load_text("[pgbouncer]\n")) ==
        Lines{"configuration is good: 0 errors, 0 warnings"});
  CHECK(check_report(load("x", reader_of({}))).front() ==
        "x: error: cannot read configuration file x");
}
