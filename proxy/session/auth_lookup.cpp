// auth_query: a user's secret comes from a server, over a connection of auth_user's pool.
//
//   StartupMessage -> looking_up -> [waiter of (auth_dbname, auth_user)] -> Parse Bind Describe
//   Execute Sync
//                         |                                                          |
//                         +---------------- resume_login <--- name, secret <---------+
#include "proxy/session/auth_lookup.h"

#include <algorithm>

#include "protocol/auth/secret.h"
#include "protocol/compose.h"
#include "protocol/wire.h"
#include "proxy/session/worker.h"

namespace pgweir {
namespace {

// Name and secret fit many times; who sends more is no auth_query.
constexpr std::size_t row_bytes_max = 256 * 1024;

// Also for superusers the roles that they were made members of, and no others, as PostgreSQL reads
// its pg_hba.conf.
constexpr char roles_query[] =
    "WITH RECURSIVE r(oid) AS (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1"
    " UNION SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN r ON m.member "
    "OPERATOR(pg_catalog.=) r.oid)"
    " SELECT p.rolname FROM pg_catalog.pg_roles p JOIN r ON p.oid OPERATOR(pg_catalog.=) r.oid";

}  // namespace

// --- the answer

void LookupReply::on_piece(char tag, bool starts, bool ends, Bytes body) {
  if ((tag != 'T' && tag != 'D') || !flaw_.empty()) return;
  if (starts) part_.clear();
  if (part_.size() + body.size() > row_bytes_max) {
    flaw_ = "auth_query response is too long";
    return;
  }
  append(part_, body);
  if (!ends) return;
  if (tag == 'D') return on_row(part_);
  described_ = true;
  const unsigned wanted = kind_ == LookupKind::secret ? 2 : 1;
  if (const std::uint16_t columns = WireReader(part_).u16(); columns != wanted) {
    flaw_ = fmt::format("expected {} columns from login query, not {}", wanted, columns);
  }
}

void LookupReply::on_row(Bytes body) {
  if (found_ && kind_ == LookupKind::secret)
    return;  // one row is expected; PostgreSQL's names are unique
  WireReader reader(body);
  const std::uint16_t columns = reader.u16();
  const std::int32_t name_bytes = reader.i32();
  if (!described_ || columns != (kind_ == LookupKind::secret ? 2 : 1) || !reader.ok()) {
    flaw_ = "broken response from login query";
    return;
  }
  if (name_bytes < 0) {
    flaw_ = "auth_query response contained null user name";
    return;
  }
  name_ = as_text(reader.bytes(static_cast<std::size_t>(name_bytes)));
  if (kind_ == LookupKind::roles) {
    roles_.insert(name_);
    found_ = true;
    return;
  }
  const std::int32_t secret_bytes = reader.i32();
  if (secret_bytes >= 0) secret_ = as_text(reader.bytes(static_cast<std::size_t>(secret_bytes)));
  if (!reader.at_end()) flaw_ = "broken response from login query";
  found_ = true;
}

// --- beginning

// Sets the login aside until a server has told the user's secret. False: no lookup is configured,
// or it cannot be done, which has then been told to the client.
bool Worker::start_lookup(ClientSession& client, LookupKind kind) {
  ClientLogin& login = *client.login;
  // Who asked for a database that does not exist is told so after the proof; there is nobody to ask
  // for the secret.
  if (!login.for_console && !login.entry) return false;
  const Globals& globals = config_->globals;
  const auto choose = [](const std::string* own, const std::optional<std::string>& global) {
    return own && !own->empty() ? *own : global.value_or(std::string{});
  };
  const DatabaseConfig* entry = login.entry.get();
  const std::string auth_user = choose(entry ? &entry->auth_user : nullptr, globals.auth_user);
  if (auth_user.empty()) return false;
  std::string where = choose(entry ? &entry->auth_dbname : nullptr, globals.auth_dbname);
  if (where.empty() && login.for_console) return false;
  if (where.empty()) where = login.database;
  const DatabasePtr place = config_->database(where);
  if (!place) {
    log_client(log::Level::error, client, "authentication database \"{}\" is not configured.",
               where);
    end_client(client, CloseReason::bouncer_config_error);
    return false;
  }
  if (database_disabled(where)) {
    end_client(client, CloseReason::database_disabled,
               "authentication database \"" + where + "\" is disabled");
    return false;
  }
  if (shutdown_ != Shutdown::no) {
    end_client(client, CloseReason::pooler_shutting_down);
    return false;
  }
  client.phase = ClientPhase::looking_up;
  auto& lookup = lookups_[{kind, login.database, login.user}];
  const bool joins = lookup != nullptr;
  if (!joins) {
    lookup = std::make_unique<AuthLookup>(kind, login.database, login.user);
    lookup->waiter.session = lookup.get();
    lookup->waiter.errand = true;
    lookup->query = kind == LookupKind::roles             ? roles_query
                    : entry && !entry->auth_query.empty() ? entry->auth_query
                                                          : globals.auth_query;
    lookup->desk = &desk_for(place, where, auth_user);
    if (entry) lookup->wait_limit = client_limits(*config_, *entry, login.user).query_wait_timeout;
  }
  client.lookup = lookup.get();
  lookup->clients.push_back(client.token);
  if (!joins) queue_lookup(*lookup);
  return true;
}

void Worker::queue_lookup(AuthLookup& lookup) {
  PoolDesk& desk = *lookup.desk;
  while (desk.pool.waiters().empty()) {
    PooledServer* pooled = desk.pool.best_idle();
    if (!pooled || needs_check(desk, *pooled)) break;
    auto& server = *static_cast<ServerConnection*>(pooled->connection);
    if (!close_if_unfit(server)) return run_lookup(server, lookup);
  }
  desk.pool.enqueue(lookup.waiter, loop_.now());
  publish(desk);
  if (!check_one(desk)) open_wanted(desk);
}

void Worker::run_lookup(ServerConnection& server, AuthLookup& lookup) {
  PoolDesk& desk = *lookup.desk;
  const TimePoint now = loop_.now();
  if (lookup.waiter.in_queue.linked()) desk.pool.dequeue(lookup.waiter);
  desk.pool.move(server.pooled, ServerState::active, now);
  publish(desk);
  ++desk.stats.server_assignments;
  ++server.leases;
  server.checked = false;
  server.request_at = now;
  server.job = ServerJob::lookup;
  server.job_failed = false;
  server.job_error.clear();
  server.lookup = &lookup;
  server.statements.unnamed_is_the_clients = false;
  lookup.server = &server;
  const std::optional<std::string_view> user = lookup.user;
  Buffer out;
  compose::parse(out, {}, lookup.query);
  compose::bind(out, {}, {}, std::span(&user, 1));
  compose::describe(out, 'P', {});
  compose::execute(out, {});
  compose::sync(out);
  for (const char tag : {'P', 'B', 'D', 'E', 'S'}) server.talk.on_request(tag, For::pooler);
  send_to_server(server, out);
}

// --- the end of it

void Worker::on_lookup_done(ServerConnection& server) {
  AuthLookup& lookup = *server.lookup;
  const LookupReply& reply = lookup.reply;
  const LookupKind done_kind = lookup.kind;
  std::string flaw = server.job_failed ? "auth_query failed: " + server.job_error : reply.flaw();
  if (flaw.empty() && done_kind == LookupKind::secret && reply.found() &&
      reply.name() != lookup.user) {
    flaw = fmt::format("auth_query was asked about user \"{}\" and told of \"{}\"", lookup.user,
                       reply.name());
  }
  server.lookup = nullptr;
  lookup.server = nullptr;
  const std::unique_ptr<AuthLookup> done = take_lookup(lookup);
  if (!flaw.empty()) {
    log_server(log::Level::warning, server, "{}", flaw);
    end_server(server, CloseReason::auth_query_failed);
    return fail_clients(*done, CloseReason::bouncer_config_error, {}, {});
  }
  if (server.talk.transaction() != TxStatus::idle)
    end_server(server, CloseReason::auth_query_failed);
  else
    after_use(server);
  const LookedUp answer{reply.found(), reply.secret()};
  if (answer.found && done->kind == LookupKind::secret)
    shared_.credentials.keep_looked_up(done->database, done->user, answer.secret);
  for (const Token token : done->clients) {
    ClientSession* client = clients_.find(token);
    if (!client || client->phase != ClientPhase::looking_up) continue;
    if (done->kind == LookupKind::roles) {
      client->login->roles = reply.roles();
      resume_login(*client, [&](Buffer& out) { return choose_method(*client, out); });
    } else {
      resume_login(*client, [&](Buffer& out) { return prove_login(*client, &answer, out); });
    }
  }
}

// Its server or its place in the queue is gone.
void Worker::fail_lookup(AuthLookup& lookup, CloseReason reason, const std::string& text,
                         const std::string& sqlstate) {
  if (lookup.waiter.in_queue.linked()) {
    lookup.desk->pool.dequeue(lookup.waiter);
    publish(*lookup.desk);
  }
  fail_clients(*take_lookup(lookup), reason, text, sqlstate);
}

void Worker::fail_clients(const AuthLookup& lookup, CloseReason reason, const std::string& text,
                          const std::string& sqlstate) {
  for (const Token token : lookup.clients) {
    ClientSession* client = clients_.find(token);
    if (!client || client->phase != ClientPhase::looking_up) continue;
    client->lookup = nullptr;
    end_client(*client, reason, text, sqlstate);
  }
}

std::unique_ptr<AuthLookup> Worker::take_lookup(AuthLookup& lookup) {
  const auto found = lookups_.find({lookup.kind, lookup.database, lookup.user});
  std::unique_ptr<AuthLookup> taken = std::move(found->second);
  lookups_.erase(found);
  return taken;
}

// A client has gone; the last one takes the question with it.
void Worker::leave_lookup(ClientSession& client) {
  AuthLookup* const lookup = std::exchange(client.lookup, nullptr);
  if (!lookup) return;
  std::erase(lookup->clients, client.token);
  if (!lookup->clients.empty()) return;
  if (lookup->server) return end_server(*lookup->server, CloseReason::client_left_in_query);
  fail_lookup(*lookup, CloseReason::none, {}, {});
}

void Worker::refuse_waiter(Waiter& waiter, CloseReason reason, const std::string& text,
                           const std::string& sqlstate) {
  if (waiter.errand)
    return fail_lookup(*static_cast<AuthLookup*>(waiter.session), reason, text, sqlstate);
  end_client(*static_cast<ClientSession*>(waiter.session), reason, text, sqlstate);
}

// The login goes on where the StartupMessage had been understood.
void Worker::resume_login(ClientSession& client, const LoginStep& step) {
  client.lookup = nullptr;
  client.phase = ClientPhase::proving;
  const std::unique_ptr<Buffer> held = std::move(client.held);
  update_reading(client);
  Buffer out;
  const Bytes rest = held ? Bytes(*held) : Bytes{};
  const auto event = step(out);
  if (client.phase != ClientPhase::proving) {
    if (client.phase != ClientPhase::leaving && !rest.empty()) hold(client, rest);
    return;
  }
  conclude_login(client, event, out, rest);
  if (event == ClientLogin::Event::more && client.phase == ClientPhase::proving && !rest.empty()) {
    on_login_bytes(client, rest);
  }
}

}  // namespace pgweir
