#include "config/settings.h"

#include <doctest/doctest.h>

#include <set>

#include "config/config.h"

using namespace pgweir;

namespace {

// In the order of its SHOW CONFIG: the alphabet, but for pool_mode before pool_idle_timeout.
constexpr std::string_view pgbouncer_names =
    "admin_users application_name_add_host auth_dbname auth_file auth_hba_file "
    "auth_ident_file auth_ldap_options auth_query auth_type auth_user autodb_idle_timeout "
    "cancel_wait_timeout client_idle_timeout client_login_timeout client_tls13_ciphers "
    "client_tls_ca_file client_tls_cert_file client_tls_ciphers client_tls_dheparams "
    "client_tls_ecdhcurve client_tls_key_file client_tls_protocols client_tls_sslmode "
    "conffile default_pool_size disable_pqexec dns_max_ttl dns_nxdomain_ttl "
    "dns_zone_check_period idle_transaction_timeout ignore_startup_parameters job_name "
    "listen_addr listen_backlog listen_port log_connections log_disconnections "
    "log_pooler_errors log_stats logfile login_notify_message max_client_conn "
    "max_db_client_connections max_db_connections max_packet_size max_prepared_statements "
    "max_user_client_connections max_user_connections min_pool_size peer_id pidfile pkt_buf "
    "pool_mode pool_idle_timeout query_timeout query_wait_notify query_wait_timeout "
    "reserve_pool_size reserve_pool_timeout resolv_conf sbuf_loopcnt scram_iterations "
    "server_check_delay server_check_query server_connect_timeout server_fast_close "
    "server_idle_timeout server_lifetime server_login_retry server_reset_query "
    "server_reset_query_always server_round_robin server_tls13_ciphers server_tls_ca_file "
    "server_tls_cert_file server_tls_ciphers server_tls_key_file server_tls_protocols "
    "server_tls_sslmode service_name so_reuseport stats_period stats_users suspend_timeout "
    "syslog syslog_facility syslog_ident tcp_defer_accept tcp_keepalive tcp_keepcnt "
    "tcp_keepidle tcp_keepintvl tcp_socket_buffer tcp_user_timeout track_extra_parameters "
    "transaction_timeout unix_socket_dir unix_socket_group unix_socket_mode user verbose ";

std::string printed(const Globals& globals, std::string_view name) {
  const Setting* setting = find_setting(name);
  REQUIRE(setting != nullptr);
  return print_value(*setting, globals).value_or("NULL");
}

}  // namespace

TEST_CASE("the table has PgBouncer's names in its order of SHOW CONFIG, and ours between them") {
  const std::set<std::string_view> ours{"event_loop", "log_min_duration_statement", "metrics_listen", "alert_login_failures",
                                        "alert_pool_use", "alert_pool_use_time", "alert_slow_100ms", "alert_slow_1s", "alert_wait_p99",
                                        "alert_webhook", "log_format", "log_min_duration_sample", "log_statement_sample_rate",
                                        "max_client_statement_bytes", "pinned_idle_timeout",
                                        "query_window", "query_windows",
                                        "metrics_password", "metrics_queries", "metrics_tls_cert_file",
                                        "metrics_tls_key_file", "alert_isolation_leaks", "log_parameter_max_length",
                                        "query_digests_by_application", "query_digests",
                                        "query_digests_max", "server_connect_parallel",
                                        "server_lifetime_jitter", "server_tls_direct", "session_audit_interval", "session_audit_servers", "session_state",
                                        "server_long_cancel_keys",
                                        "share_unnamed_statements", "shutdown_drain_timeout", "show_old_columns", "workers"};
  std::string theirs;
  for (const Setting& row : settings()) {
    if (!ours.contains(row.name)) theirs += std::string(row.name) + " ";
  }
  CHECK(theirs == pgbouncer_names);
  for (std::string_view name : ours) CHECK(find_setting(name) != nullptr);
}

TEST_CASE("every default in the table can be parsed and every row has one line of help") {
  Globals globals;
  for (const Setting& row : settings()) {
    CAPTURE(row.name);
    if (row.fallback) CHECK(set_value(row, globals, *row.fallback) == "");
    CHECK(!row.help.empty());
    CHECK(row.help.back() == '.');
    CHECK(row.help.find('\n') == std::string_view::npos);
  }
  CHECK(globals == default_globals());
}

TEST_CASE("the defaults are PgBouncer's") {
  const Globals g = default_globals();
  CHECK(g.auth_type == AuthType::md5);
  CHECK(g.auth_query.rfind("SELECT rolname, CASE WHEN rolvaliduntil < now()", 0) == 0);
  CHECK(g.default_pool_size == 20);
  CHECK(g.max_client_conn == 100);
  CHECK(g.max_client_statement_bytes == 64 << 20);
  CHECK(g.max_packet_size == 2147483647);
  CHECK(g.max_prepared_statements == 200);
  CHECK(g.pool_mode == PoolMode::session);
  CHECK(g.query_wait_timeout == std::chrono::seconds(120));
  CHECK(g.server_check_query == "<empty>");
  CHECK(g.server_lifetime == std::chrono::seconds(3600));
  CHECK(g.server_login_retry == std::chrono::seconds(15));
  CHECK(g.server_tls_sslmode == SslMode::prefer);
  CHECK(g.unix_socket_mode == 0777);
  CHECK(!g.auth_file);
  CHECK(!g.user);
  CHECK(g.log_min_duration_statement == 1000);
  CHECK(g.workers == 0);
  CHECK(g.server_connect_parallel == 8);
  CHECK(g.server_lifetime_jitter == 10);
}

TEST_CASE("values are printed as SHOW CONFIG does") {
  Globals g = default_globals();
  CHECK(printed(g, "unix_socket_mode") == "511");
  CHECK(*find_setting("unix_socket_mode")->fallback == "0777");
  CHECK(*find_setting("server_check_query")->fallback == "<empty>");
  CHECK(!find_setting("auth_file")->fallback);
  CHECK(printed(g, "auth_file") == "NULL");
  CHECK(printed(g, "listen_addr") == "");
  CHECK(printed(g, "log_stats") == "1");
  CHECK(printed(g, "pool_mode") == "session");
  set_by_name(g, "auth_type", "SCRAM-sha-256");
  CHECK(printed(g, "auth_type") == "scram-sha-256");
  set_by_name(g, "server_tls_sslmode", "Verify-Full");
  CHECK(printed(g, "server_tls_sslmode") == "verify-full");
  set_by_name(g, "query_timeout", "0.5");
  CHECK(printed(g, "query_timeout") == "0.5");
  set_by_name(g, "query_timeout", "3600");
  CHECK(printed(g, "query_timeout") == "3600");
  set_by_name(g, "query_timeout", "1234567");
  CHECK(printed(g, "query_timeout") == "1.23457e+06");
  set_by_name(g, "auth_file", "/x");
  CHECK(printed(g, "auth_file") == "/x");
}

TEST_CASE("integers are C's: octal, hexadecimal, no junk") {
  Globals g = default_globals();
  CHECK(set_by_name(g, "unix_socket_mode", "0700") == "");
  CHECK(g.unix_socket_mode == 0700);
  CHECK(set_by_name(g, "default_pool_size", "0x10") == "");
  CHECK(g.default_pool_size == 16);
  CHECK(set_by_name(g, "default_pool_size", "30x") ==
        "invalid value \"30x\" for parameter default_pool_size");
  CHECK(g.default_pool_size == 16);
  for (const char* bad : {"", "x", "1 2", "99999999999", "1.5"}) {
    CHECK(set_by_name(g, "default_pool_size", bad) != "");
  }
  CHECK(set_by_name(g, "max_packet_size", "4294967295") == "");
  CHECK(set_by_name(g, "listen_port", "65535") == "");
  CHECK(set_by_name(g, "listen_port", "65536") != "");
  CHECK(set_by_name(g, "log_min_duration_statement", "-1") == "");
  CHECK(set_by_name(g, "log_min_duration_statement", "-2") != "");
}

TEST_CASE("switches are numbers, not words, and any number but 0 is on") {
  Globals g = default_globals();
  CHECK(set_by_name(g, "log_stats", "0") == "");
  CHECK(!g.log_stats);
  for (const char* bad : {"on", "true", "yes", "1x", ""}) {
    CHECK(set_by_name(g, "log_stats", bad) != "");
  }
  CHECK(set_by_name(g, "log_stats", "2") == "");
  CHECK(printed(g, "log_stats") == "1");
}

TEST_CASE("times are decimal seconds kept in microseconds, never negative") {
  Globals g = default_globals();
  CHECK(set_by_name(g, "query_timeout", "0.000001") == "");
  CHECK(g.query_timeout == Micros(1));
  CHECK(set_by_name(g, "query_timeout", "1.1") == "");
  CHECK(g.query_timeout == Micros(1100000));
  for (const char* bad : {"-1", "-0.5", "1s", "", "inf", "nan", "1e300"}) {
    CAPTURE(bad);
    CHECK(set_by_name(g, "query_timeout", bad) ==
          std::string("invalid value \"") + bad + "\" for parameter query_timeout");
  }
  CHECK(g.query_timeout == Micros(1100000));
}

TEST_CASE("names of settings are exact, values of enumerations are not") {
  Globals g = default_globals();
  CHECK(set_by_name(g, "POOL_MODE", "session") == "unknown parameter: POOL_MODE");
  CHECK(set_by_name(g, "pool_mode", "Transaction") == "");
  CHECK(g.pool_mode == PoolMode::transaction);
  CHECK(set_by_name(g, "pool_mode", "fast") == "invalid value \"fast\" for parameter pool_mode");
}

TEST_CASE("SET changes what can change and silently leaves what needs a restart") {
  Globals g = default_globals();
  CHECK(set_while_running(g, "listen_port", "7") == "");
  CHECK(g.listen_port == 6432);
  CHECK(set_while_running(g, "query_timeout", "7") == "");
  CHECK(g.query_timeout == std::chrono::seconds(7));
  CHECK(set_while_running(g, "colour", "7") == "unknown parameter: colour");
}

TEST_CASE("exactly the settings that parity names need a restart") {
  const std::set<std::string_view> upstream{"disable_pqexec",
                                            "event_loop",
                                            "job_name",
                                            "listen_addr",
                                            "listen_backlog",
                                            "listen_port",
                                            "pidfile",
                                            "pkt_buf",
                                            "resolv_conf",
                                            "service_name",
                                            "so_reuseport",
                                            "user",
                                            "track_extra_parameters",
                                            "unix_socket_dir",
                                            "unix_socket_group",
                                            "unix_socket_mode",
                                            "workers"};
  std::set<std::string_view> found;
  for (const Setting& row : settings()) {
    if (!row.changeable()) found.insert(row.name);
  }
  CHECK(found == upstream);
}

TEST_CASE("a setting that is not served is told only when it differs from what is served") {
  Globals g = default_globals();
  for (const Setting& row : settings()) CHECK(unserved_reason(row, g) == "");
  auto reason = [&](std::string_view name, std::string_view value) {
    REQUIRE(set_by_name(g, name, value) == "");
    return std::string(unserved_reason(*find_setting(name), g));
  };
  CHECK(reason("pkt_buf", "8192") != "");
  CHECK(reason("pkt_buf", "4096") == "");
  CHECK(reason("auth_type", "cert") == "");
  CHECK(reason("auth_type", "hba") == "");
  CHECK(reason("auth_type", "scram-sha-256") == "");
  CHECK(reason("server_tls_sslmode", "disable") == "");
  CHECK(reason("server_tls_sslmode", "require") == "");
  CHECK(reason("client_tls_sslmode", "require") == "");
  CHECK(reason("auth_user", "a") == "");
  CHECK(reason("query_timeout", "77") == "");
}
