// The log of statements: which of them, and in whose words.
#include "protocol/sql/comment_tags.h"
#include "protocol/sql/digest.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

double ms_of(Duration value) { return static_cast<double>(count_us(value)) / 1000; }

}  // namespace

std::string Worker::application_of(const ClientSession& client) const {
  const auto* value = policy::value_at(client.parameters, shared_.tracked.place_of("application_name"));
  return value ? value->value_or("") : std::string();
}

std::string Worker::server_place(const ServerConnection& server) {
  return fmt::format("{}:{}", server.facts.address.host, server.facts.address.port);
}

// As PostgreSQL: all that take log_min_duration_statement, and a share of those that take log_min_duration_sample.
bool Worker::wants_log(Duration took) {
  const Globals& globals = config_->globals;
  if (globals.log_min_duration_statement >= 0 && took >= milliseconds(globals.log_min_duration_statement)) return true;
  if (globals.log_min_duration_sample < 0 || took < milliseconds(globals.log_min_duration_sample)) return false;
  return std::uniform_real_distribution<double>{}(random_) < globals.log_statement_sample_rate;
}

void Worker::log_statement(const ServerConnection& server, const ClientSession& client,
                           const policy::StatementClock::Finished& done, std::string_view text) {
  const double took_ms = ms_of(done.took), waited_ms = ms_of(client.last_wait);
  // The text of a FunctionCall says that it is one.
  const std::string kind = done.simple          ? std::string("statement: ")
                           : done.function_call ? std::string()
                           : done.name.empty()  ? std::string("execute <unnamed>: ")
                                                : fmt::format("execute {}: ", done.name);
  if (config_->globals.log_format == LogFormat::text || !client.route) {
    const std::string values = done.values.empty() ? std::string() : fmt::format("  parameters: {}", done.values);
    const std::string state = client.last_state > Duration{} ? fmt::format(", settings {:.3f} ms", ms_of(client.last_state)) : std::string();
    log_client(log::Level::log, client, "duration: {:.3f} ms  {}{}  (waited {:.3f} ms{}{}){}", took_ms, kind, done.text,
               waited_ms, state, done.shared > 1 ? fmt::format(", mean of {} executions", done.shared) : std::string(), values);
    return;
  }
  const std::string application = application_of(client);
  if (config_->globals.log_format == LogFormat::postgres) {
    // PostgreSQL's log_line_prefix '%m [%p]: user=%u,db=%d,app=%a,client=%h ', which pgbadger knows.
    const std::string host = client.place.substr(0, client.place.rfind(':'));
    const std::string session = fmt::format("user={},db={},app={},client={}", client.route->user, client.route->database, application, host);
    log::write(log::Level::log, fmt::format("duration: {:.3f} ms  {}{}", took_ms, kind, done.text), {}, session);
    if (!done.values.empty()) log::detail(fmt::format("parameters: {}", done.values), session);
    return;
  }
  using log::json_string;
  std::string normalized;
  const std::uint64_t id = sql::digest(text, normalized, done.cut);
  std::string members = fmt::format(
      R"(,"database":{},"user":{},"application_name":{},"client":{},"server":{},"server_pid":{},"queryid":"{:016x}","duration_ms":{:.3f},)"
      R"("queue_ms":{:.3f},"state_ms":{:.3f},"server_ms":{:.3f},"stream_ms":{:.3f},"client_ms":{:.3f},"rows":{},"bytes_in":{},)"
      R"("bytes_out":{},"statement":{})",
      json_string(client.route->database), json_string(client.route->user), json_string(application),
      json_string(client.place), json_string(server_place(server)), server.facts.backend_pid, id, took_ms, waited_ms,
      ms_of(client.last_state), ms_of(done.to_first_byte), ms_of(done.took - done.to_first_byte - done.blocked),
      ms_of(done.blocked), done.rows, done.bytes_in, done.bytes_out, json_string(done.text));
  if (!done.values.empty()) members += fmt::format(R"(,"parameters":{})", json_string(done.values));
  if (!done.sqlstate.empty()) members += fmt::format(R"(,"sqlstate":{})", json_string(done.sqlstate));
  if (const auto tags = sql::comment_tags(done.text); !tags.empty()) {
    members += R"(,"tags":{)";
    for (const auto& [key, value] : tags) members += fmt::format("{}:{},", json_string(key), json_string(value));
    members.back() = '}';
  }
  log::write(log::Level::log, fmt::format("duration: {:.3f} ms  {}", took_ms, kind.substr(0, kind.find(':'))), members, {});
}

}  // namespace pgweir
