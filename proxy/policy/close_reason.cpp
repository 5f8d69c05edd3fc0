#include "proxy/policy/close_reason.h"

#include <array>

namespace pgweir {
namespace {

using R = CloseReason;
constexpr auto count = static_cast<std::size_t>(R::count_);

// clang-format off
constexpr std::array<CloseReasonInfo, count> table = {{
    // reason                          name                               state    text                                       tell   pooler error
    {R::none,                          "none",                            "00000", "",                                        false, false},
    {R::client_close_request,          "client_close_request",            "00000", "client close request",                    false, false},
    {R::client_unexpected_eof,         "client_unexpected_eof",           "08006", "client unexpected eof",                   false, false},
    {R::client_wrote_nothing,          "client_wrote_nothing",            "00000", "client unexpected eof",                   false, false},
    {R::bad_packet_header,             "bad_packet_header",               "08P01", "bad packet header",                       true,  true},
    {R::unknown_packet,                "unknown_packet",                  "08P01", "unknown pkt",                             true,  true},
    {R::old_protocol,                  "old_protocol",                    "08P01", "old V2 protocol not supported",           true,  true},
    {R::unencrypted_data_after_ssl,    "unencrypted_data_after_ssl",      "08P01", "received unencrypted data after SSL request", true, true},
    {R::unencrypted_data_after_gss,    "unencrypted_data_after_gss",      "08P01", "received unencrypted data after GSSAPI encryption request", true, true},
    {R::bad_startup_packet,            "bad_startup_packet",              "08P01", "invalid startup packet layout: expected terminator as last byte", true, true},
    {R::unsupported_startup_parameter, "unsupported_startup_parameter",   "08P01", "unsupported startup parameter",           true,  true},
    {R::unsupported_option,            "unsupported_option",              "08P01", "unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed", true, true},
    {R::no_username,                   "no_username",                     "08P01", "no username supplied",                    true,  true},
    {R::username_too_long,             "username_too_long",               "08P01", "username too long",                       true,  true},
    {R::pqexec_disallowed,             "pqexec_disallowed",               "08P01", "PQexec disallowed",                       true,  true},
    {R::ssl_required,                  "ssl_required",                    "08P01", "SSL required",                            true,  true},
    {R::ssl_inside_ssl,                "ssl_inside_ssl",                  "08P01", "SSL req inside SSL",                      false, true},
    {R::tls_failed,                    "tls_failed",                      "08P01", "TLS handshake failed",                    false, true},
    {R::trust_failed,                  "trust_failed",                    "08P01", "\"trust\" authentication failed",         true,  true},
    {R::password_failed,               "password_failed",                 "28P01", "password authentication failed",          true,  true},
    {R::sasl_failed,                   "sasl_failed",                     "28P01", "SASL authentication failed",              true,  true},
    {R::empty_password,                "empty_password",                  "28P01", "empty password returned by client",       true,  true},
    {R::tls_needed_for_certificate,    "tls_needed_for_certificate",      "28000", "TLS connection required",                 true,  true},
    {R::certificate_missing,           "certificate_missing",             "28000", "TLS client certificate required",         true,  true},
    {R::certificate_of_another,        "certificate_of_another",          "28000", "TLS certificate name mismatch",           true,  true},
    {R::certificate_failed,            "certificate_failed",              "28000", "certificate authentication failed",       true,  true},
    {R::no_such_user,                  "no_such_user",                    "08P01", "no such user",                            true,  true},
    {R::login_rejected,                "login_rejected",                  "28000", "login rejected",                          true,  true},
    {R::no_auth_method,                "no_auth_method",                  "28000", "no authentication method is found",       true,  true},
    {R::peer_rejected,                 "peer_rejected",                   "28000", "unix socket login rejected",              true,  true},
    {R::cert_failed,                   "cert_failed",                     "28000", "certificate authentication failed",       true,  true},
    {R::ldap_failed,                   "ldap_failed",                     "28P01", "LDAP authentication failed",              true,  true},
    {R::pam_failed,                    "pam_failed",                      "28P01", "PAM authentication failed",               true,  true},
    {R::no_such_database,              "no_such_database",                "08P01", "no such database",                        true,  true},
    {R::database_disabled,             "database_disabled",               "08P01", "database is disabled",                    true,  true},
    {R::console_not_allowed,           "console_not_allowed",             "08P01", "not allowed",                             true,  true},
    {R::bouncer_config_error,          "bouncer_config_error",            "08P01", "bouncer config error",                    true,  true},
    {R::unsupported_auth,              "unsupported_auth",                "08P01", "bouncer config error",                    true,  true},
    {R::max_client_conn,               "max_client_conn",                 "08P01", "no more connections allowed (max_client_conn)", true, true},
    {R::max_db_client_connections,     "max_db_client_connections",       "08P01", "client connections exceeded (max_db_client_connections)", true, true},
    {R::max_user_client_connections,   "max_user_client_connections",     "08P01", "client connections exceeded (max_user_client_connections)", true, true},
    {R::query_wait_timeout,            "query_wait_timeout",              "08P01", "query_wait_timeout",                      true,  true},
    {R::query_timeout_waiting,         "query_timeout_waiting",           "08P01", "query_timeout",                           true,  true},
    {R::query_timeout,                 "query_timeout",                   "08P01", "query timeout",                           true,  true},
    {R::transaction_timeout,           "transaction_timeout",             "08P01", "transaction timeout",                     true,  true},
    {R::idle_transaction_timeout,      "idle_transaction_timeout",        "08P01", "idle transaction timeout",                true,  true},
    {R::client_idle_timeout,           "client_idle_timeout",             "08P01", "client_idle_timeout",                     true,  true},
    {R::client_login_timeout,          "client_login_timeout",            "08P01", "client_login_timeout",                    true,  true},
    {R::client_login_timeout_server_down, "client_login_timeout_server_down", "08P01", "client_login_timeout (server down)",  true,  true},
    {R::cancel_wait_timeout,           "cancel_wait_timeout",             "08P01", "cancel_wait_timeout",                     false, false},
    {R::suspend_timeout,               "suspend_timeout",                 "08P01", "suspend_timeout",                         true,  true},
    {R::statement_mode_transaction,    "statement_mode_transaction",      "08P01", "transaction blocks not allowed in statement pooling mode", true, true},
    {R::invalid_server_parameter,      "invalid_server_parameter",        "08P01", "invalid server parameter",                true,  true},
    {R::max_client_statement_bytes,    "max_client_statement_bytes",      "53400", "prepared statements too large (max_client_statement_bytes)", true, true},
    {R::notifications_unread,          "notifications_unread",            "53400", "too many notifications wait for the client", true,  true},
    {R::session_state_refused,         "session_state_refused",           "0A000", "session_state=refuse",                    true,  true},
    {R::pinned_idle_timeout,           "pinned_idle_timeout",             "57P05", "pinned_idle_timeout",                     true,  true},
    {R::server_login_failed,           "server_login_failed",             "08P01", "server login failed",                     true,  true},
    {R::server_login_failing,          "server_login_failing",            "08P01", "server login has been failing",           true,  true},
    {R::server_conn_crashed,           "server_conn_crashed",             "08P01", "server conn crashed?",                    true,  true},
    {R::server_said_fatal,             "server_said_fatal",               "57P01", "server closed the connection",            false, false},
    {R::protocol_violation,            "protocol_violation",              "08P01", "protocol violation",                      true,  true},
    {R::pooler_shutting_down,          "pooler_shutting_down",            "08P01", "pooler is shutting down",                 true,  true},
    {R::server_shutting_down,          "server_shutting_down",            "08P01", "server shutting down",                    true,  true},
    {R::drained,                       "drained",                         "57P01", "terminating connection due to administrator command", false, false},
    {R::draining,                      "draining",                        "57P01", "terminating connection due to administrator command", true, false},
    {R::admin_forced_disconnect,       "admin_forced_disconnect",         "08P01", "admin forced disconnect",                 true,  true},
    {R::database_removed,              "database_removed",                "08P01", "database removed",                        true,  true},
    {R::database_configuration_changed,"database_configuration_changed",  "08P01", "database configuration changed",          true,  true},
    {R::job_done,                      "job_done",                        "00000", "done",                                    false, false},
    {R::out_of_memory,                 "out_of_memory",                   "53200", "out of memory",                           true,  true},
    {R::server_lifetime_over,          "server_lifetime_over",            "00000", "server lifetime over",                    false, false},
    {R::server_idle_timeout,           "server_idle_timeout",             "00000", "server idle timeout",                     false, false},
    {R::close_needed,                  "close_needed",                    "00000", "close_needed",                            false, false},
    {R::obsolete_connection,           "obsolete_connection",             "00000", "obsolete connection",                     false, false},
    {R::connect_timeout,               "connect_timeout",                 "00000", "connect timeout",                         false, false},
    {R::connect_failed,                "connect_failed",                  "00000", "connect failed",                          false, false},
    {R::dns_failed,                    "dns_failed",                      "00000", "server DNS lookup failed",                false, false},
    {R::pause_mode,                    "pause_mode",                      "00000", "pause mode",                              false, false},
    {R::evicted,                       "evicted",                         "00000", "evicted",                                 false, false},
    {R::too_many_servers,              "too_many_servers",                "00000", "too many servers in the pool",            false, false},
    {R::client_left_not_ready,         "client_left_not_ready",           "00000", "client disconnect while server was not ready", false, false},
    {R::client_left_in_query,          "client_left_in_query",            "00000", "client disconnected with query in progress", false, false},
    {R::idle_server_dirty,             "idle_server_dirty",               "00000", "idle server got dirty",                   false, false},
    {R::server_login_error,            "server_login_error",              "00000", "login failed",                            false, false},
    {R::auth_query_failed,             "auth_query_failed",               "00000", "auth_query failed",                       false, false},
    {R::test_failed,                   "test_failed",                     "00000", "server_check_query failed",               false, false},
    {R::reset_failed,                  "reset_failed",                    "00000", "server_reset_query failed",               false, false},
    {R::session_not_clean,             "session_not_clean",               "00000", "session is not clean",                    false, false},
    {R::replication_client_closed,     "replication_client_closed",       "00000", "replication client was closed",           false, false},
    {R::nobody_listens,                "nobody_listens",                  "00000", "nobody listens any more",                 false, false},
    {R::handed_over,                   "handed_over",                     "00000", "handed over to another worker",           false, false},
    {R::shutdown,                      "shutdown",                        "00000", "shutting down",                           false, false},
}};
// clang-format on

constexpr bool in_order() {
  for (std::size_t i = 0; i < count; ++i)
    if (table[i].reason != static_cast<R>(i)) return false;
  return true;
}
static_assert(in_order(), "the rows stand in the order of the enumerators");

}  // namespace

const CloseReasonInfo& info(CloseReason reason) { return table[static_cast<std::size_t>(reason)]; }

}  // namespace pgweir
