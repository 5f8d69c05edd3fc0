// Everything that can end a connection, in one table: enumerator, SQLSTATE, text, log level, counter.
//
// The texts are PgBouncer's (parity.md e.8, e.9): monitoring matches them.
#pragma once

#include <cstdint>
#include <string_view>

namespace pgweir {

enum class CloseReason : std::uint8_t {
  none,
  // the client's doing
  client_close_request,
  client_unexpected_eof,
  client_wrote_nothing,          // a health check: connected and left; not logged
  bad_packet_header,
  unknown_packet,
  old_protocol,
  unencrypted_data_after_ssl,
  unencrypted_data_after_gss,
  bad_startup_packet,
  unsupported_startup_parameter,
  unsupported_option,
  no_username,
  username_too_long,
  pqexec_disallowed,
  ssl_required,
  ssl_inside_ssl,                // an SSLRequest within TLS
  tls_failed,                    // the handshake, or a record; text says what OpenSSL says
  // authentication
  trust_failed,
  password_failed,
  sasl_failed,
  empty_password,
  tls_needed_for_certificate,
  certificate_missing,
  certificate_of_another,
  certificate_failed,            // its user is unknown
  no_such_user,
  login_rejected,
  no_auth_method,
  peer_rejected,
  cert_failed,
  ldap_failed,
  pam_failed,
  no_such_database,
  database_disabled,
  console_not_allowed,
  bouncer_config_error,
  unsupported_auth,
  // limits
  max_client_conn,
  max_db_client_connections,
  max_user_client_connections,
  // time
  query_wait_timeout,
  query_timeout_waiting,
  query_timeout,
  transaction_timeout,
  idle_transaction_timeout,
  client_idle_timeout,
  client_login_timeout,
  client_login_timeout_server_down,
  cancel_wait_timeout,
  suspend_timeout,
  // the pool's doing
  statement_mode_transaction,
  invalid_server_parameter,
  max_client_statement_bytes,
  notifications_unread,          // it listens, and does not read
  session_state_refused,         // session_state=refuse; text is the reason
  pinned_idle_timeout,
  server_login_failed,           // text is the server's
  server_login_failing,          // cached error
  server_conn_crashed,
  server_said_fatal,             // the client has had the server's own message
  protocol_violation,
  pooler_shutting_down,
  server_shutting_down,
  drained,                       // the same, and it has had the message
  draining,                      // shutdown_drain_timeout; PostgreSQL's own words, which drivers know
  admin_forced_disconnect,
  database_removed,
  database_configuration_changed,
  job_done,                      // a cancel request that has been dealt with; not logged
  out_of_memory,
  // servers only
  server_lifetime_over,
  server_idle_timeout,
  close_needed,
  obsolete_connection,
  connect_timeout,
  connect_failed,
  dns_failed,
  pause_mode,
  evicted,
  too_many_servers,
  client_left_not_ready,
  client_left_in_query,
  idle_server_dirty,
  server_login_error,
  auth_query_failed,
  test_failed,
  reset_failed,
  session_not_clean,             // the residue audit has found something of a client's, or has failed
  replication_client_closed,
  nobody_listens,                // the pool's shared listener
  handed_over,                   // lives on in another worker; not logged
  shutdown,
  count_                         // how many there are
};

struct CloseReasonInfo {
  CloseReason reason;
  const char* name;              // the counter's name
  const char* sqlstate;
  const char* text;              // to the client and after `closing because: `
  bool tell_client;              // FATAL to the client before closing
  bool pooler_error;             // a `pooler error:` line as well (the refusal is ours)
};

const CloseReasonInfo& info(CloseReason reason);
inline std::string_view text(CloseReason reason) { return info(reason).text; }

}  // namespace pgweir
