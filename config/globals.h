// The settings of [pgbouncer] as members: one per setting, bearing exactly the setting's name.
//
// Defaults, bounds, help and the rules of change stand in the table (config/settings.h), not here;
// default_globals() gives a filled one.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace pgweir {

using Micros = std::chrono::microseconds;  // ini times are kept in microseconds, as PgBouncer does

enum class PoolMode : std::uint8_t { session, transaction, statement };
// What becomes of what a client does to its session where servers are shared.
enum class SessionState : std::uint8_t {
  isolate,  // it follows the client; what cannot keeps the server with the client
  pin,      // the server stays with the client
  refuse,   // it follows the client; what cannot is an error
  off,      // it stays on the server, for whoever comes next
};
enum class AuthType : std::uint8_t {
  any,
  trust,
  plain,
  md5,
  cert,
  hba,
  ldap,
  pam,
  scram_sha_256,
  peer,    // by HBA rules only, as is
  reject,
};
enum class SslMode : std::uint8_t { disable, allow, prefer, require, verify_ca, verify_full };

// How lines are logged: PgBouncer's way, as one JSON object each, or PostgreSQL's way with
// log_line_prefix = '%m [%p]: user=%u,db=%d,app=%a,client=%h '.
enum class LogFormat : std::uint8_t { text, json, postgres };
enum class EventLoop : std::uint8_t { automatic, io_uring, epoll };

// A missing optional means "none", which SHOW CONFIG prints as NULL.
struct Globals {
  std::string admin_users;
  int alert_isolation_leaks = 0;  // per minute
  int alert_login_failures = 0;  // per minute; this and the other alerts: 0 is off
  int alert_pool_use = 0;        // percent of pool_size
  Micros alert_pool_use_time{};
  double alert_slow_100ms = 0;  // queries per second
  double alert_slow_1s = 0;     // queries per second
  Micros alert_wait_p99{};
  std::string alert_webhook;  // http://...; empty: none
  bool application_name_add_host = false;
  std::optional<std::string> auth_dbname;
  std::optional<std::string> auth_file;
  std::string auth_hba_file;
  std::optional<std::string> auth_ident_file;
  std::optional<std::string> auth_ldap_options;
  std::string auth_query;
  AuthType auth_type{};
  std::optional<std::string> auth_user;
  Micros autodb_idle_timeout{};
  Micros cancel_wait_timeout{};
  Micros client_idle_timeout{};
  Micros client_login_timeout{};
  std::optional<std::string> client_tls13_ciphers;
  std::string client_tls_ca_file;
  std::string client_tls_cert_file;
  std::string client_tls_ciphers;
  std::string client_tls_dheparams;
  std::string client_tls_ecdhcurve;
  std::string client_tls_key_file;
  std::string client_tls_protocols;
  SslMode client_tls_sslmode{};
  std::optional<std::string> conffile;  // the file the next reload reads
  int default_pool_size = 0;            // 0: unlimited
  bool disable_pqexec = false;
  Micros dns_max_ttl{};
  Micros dns_nxdomain_ttl{};
  Micros dns_zone_check_period{};
  EventLoop event_loop{};
  Micros idle_transaction_timeout{};
  std::string ignore_startup_parameters;
  std::string job_name;
  std::string listen_addr;  // empty: unix sockets only
  int listen_backlog = 0;
  int listen_port = 0;
  bool log_connections = false;
  bool log_disconnections = false;
  LogFormat log_format{};
  int log_min_duration_sample = 0;     // milliseconds; -1: off
  int log_min_duration_statement = 0;  // milliseconds; -1: off, 0: every statement
  int log_parameter_max_length = 0;    // bytes of each value; 0: none, -1: all
  bool log_pooler_errors = false;
  double log_statement_sample_rate = 0;  // 0 to 1
  bool log_stats = false;
  std::string logfile;
  std::string login_notify_message;
  int max_client_conn = 0;
  int max_db_client_connections = 0;  // this and the other limits: <= 0 means unlimited
  int max_db_connections = 0;
  std::int64_t max_client_statement_bytes = 0;   // 0: no limit
  std::int64_t max_packet_size = 0;  // bytes
  int max_prepared_statements = 0;   // 0: tracking off
  int max_user_client_connections = 0;
  int max_user_connections = 0;
  std::string metrics_listen;    // host:port; empty: off
  std::string metrics_password;  // empty: none is asked for
  int metrics_queries = 0;       // classes of statements in /metrics
  std::string metrics_tls_cert_file, metrics_tls_key_file;  // empty: no TLS
  int min_pool_size = 0;
  int peer_id = 0;  // 0: peering off
  std::string pidfile;
  int pkt_buf = 0;  // bytes
  Micros pinned_idle_timeout{};
  Micros pool_idle_timeout{};
  PoolMode pool_mode{};
  bool query_digests = false;
  bool query_digests_by_application = false;
  int query_digests_max = 0;  // entries
  Micros query_timeout{};
  Micros query_window{};  // of the history of statements; 0: none is kept
  int query_windows = 0;
  int query_wait_notify = 0;  // seconds; 0: off
  Micros query_wait_timeout{};
  int reserve_pool_size = 0;
  Micros reserve_pool_timeout{};
  std::string resolv_conf;
  int sbuf_loopcnt = 0;
  int scram_iterations = 0;
  Micros server_check_delay{};     // 0: always check
  std::string server_check_query;  // "<empty>": an empty query; empty: no check
  int server_connect_parallel = 0;
  Micros server_connect_timeout{};
  bool server_fast_close = false;
  Micros server_idle_timeout{};
  Micros server_lifetime{};        // 0: a connection is used once
  int server_lifetime_jitter = 0;  // percent of server_lifetime
  Micros server_login_retry{};     // upper bound of the growing pause
  bool server_long_cancel_keys = false;
  std::string server_reset_query;
  bool server_reset_query_always = false;
  bool server_round_robin = false;
  std::optional<std::string> server_tls13_ciphers;
  std::string server_tls_ca_file;
  std::string server_tls_cert_file;
  std::string server_tls_ciphers;
  bool server_tls_direct{};
  std::string server_tls_key_file;
  std::string server_tls_protocols;
  SslMode server_tls_sslmode{};
  std::string service_name;
  bool share_unnamed_statements = false;
  Micros session_audit_interval{};  // 0: off
  int session_audit_servers = 0;    // at each audit, of each pool, by each worker
  SessionState session_state{};
  bool show_old_columns = false;
  Micros shutdown_drain_timeout{};  // 0: wait for clients as long as they stay
  bool so_reuseport = false;
  int stats_period = 0;  // seconds
  std::string stats_users;
  Micros suspend_timeout{};
  bool syslog = false;
  std::string syslog_facility;
  std::string syslog_ident;
  int tcp_defer_accept = 0;
  bool tcp_keepalive = false;
  int tcp_keepcnt = 0;
  int tcp_keepidle = 0;       // seconds; 0: the system's
  int tcp_keepintvl = 0;      // seconds; 0: the system's
  int tcp_socket_buffer = 0;  // bytes; 0: the system's
  int tcp_user_timeout = 0;   // milliseconds; 0: the system's
  std::string track_extra_parameters;
  Micros transaction_timeout{};
  std::string unix_socket_dir;
  std::string unix_socket_group;
  int unix_socket_mode = 0;
  std::optional<std::string> user;  // switch to this user at start
  int verbose = 0;
  int workers = 0;  // 0: one per core

  bool operator==(const Globals&) const = default;
};

}  // namespace pgweir
