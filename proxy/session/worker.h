// One core's world: its clients, its servers, its share of every pool. Everything here runs on the worker's thread;
// other threads reach it by Fleet::post only.
// The class is declared here and defined by theme, in the files that the section comments and README.md name.
#pragma once

#include <functional>
#include <string>

#include "config/change.h"
#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/sql/session_effects.h"
#include "proxy/core/log.h"
#include "proxy/core/version.h"
#include "proxy/session/client_login.h"
#include "proxy/session/proof_port.h"
#include "proxy/session/ports.h"
#include "proxy/session/worker_state.h"

namespace pgweir {

// The mark of a request that names a prepared statement: its id, and above it where its name is, plus 1 (0: unknown).
inline constexpr unsigned mark_id_bits = 40;
inline constexpr std::size_t mark_name_max = std::size_t{1} << 23;

class Worker final : public LoopEvents, private WorkerState {
  // Parts of it, each with a file of its own.
  friend class Takeover; friend class Listeners; friend class DedicatedServers; friend class Vacancy; friend class Refusals;
  friend class ResidueAudit; friend class HiddenCode; friend class SessionNotes; friend class StatementEffects; friend class Restorer; friend class Sequences; friend class HandOver;

 public:
  Worker(unsigned number, const Commons& shared, std::shared_ptr<const Config> config, Loop& loop, Connector& connector,
         std::uint64_t seed);
  ~Worker() override;

  // --- LoopEvents
  void on_bytes(Token token, Bytes bytes) override;
  void on_soon(Token token) override;
  void on_writable(Token token) override;
  void on_secured(Token token) override;
  void on_closed(Token token, int error) override;
  void on_connected(Token token, std::unique_ptr<Stream> stream) override;
  void on_connect_failed(Token token, const std::string& reason) override;
  void on_accepted(std::unique_ptr<Detached> socket) override;
  void on_tick() override;
  void on_alarm() override;
  void on_turn_end() override;

  // A client from now on; `said` is what another worker has read of it, a StartupMessage first.
  void adopt_client(std::unique_ptr<Detached> socket, Bytes said = {});

  // --- for the console and the process, on this thread
  unsigned number() const { return number_; }
  TimePoint now() const { return loop_.now(); }
  WallTime wall_now() const { return loop_.wall_now(); }
  const Config& config() const { return *config_; }
  std::shared_ptr<const Config> shared_config() const { return config_; }
  Ledger& ledger() { return shared_.ledger; }
  Fleet& fleet() { return shared_.fleet; }
  const policy::TrackedParameters& tracked() const { return shared_.tracked; }
  const Slab<ClientSession>& clients() const { return clients_; }
  const Slab<ServerConnection>& servers() const { return servers_; }
  ClientSession* find_client(Token token) { return clients_.find(token); }
  const std::map<PoolKey, std::unique_ptr<PoolDesk>>& desks() const { return desks_; }
  bool paused() const { return paused_all_; }
  bool database_paused(const std::string& name) const { return paused_.count(name) > 0; }
  bool database_disabled(const std::string& name) const { return disabled_.count(name) > 0; }
  Shutdown shutdown() const { return shutdown_; }
  CancelCounts cancel_counts(const PoolDesk& desk) const;
  std::map<int, PeerCounts> peer_counts() const;   // of CancelRequests for peers

  void apply_config(std::shared_ptr<const Config> fresh, const Changes& changes);
  void pause(const std::string& database);     // empty: all
  void resume(const std::string& database);
  void suspend(bool on);
  bool suspended() const { return suspended_since_ != TimePoint{}; }
  bool flushed() const;                        // SUSPEND is complete
  void disable(const std::string& database) { disabled_[database] = true; }
  void enable(const std::string& database) { disabled_.erase(database); }
  void reconnect(const std::string& database);
  void kill(const std::string& database);      // closes clients and servers, leaves it paused
  // The name does not lead to these addresses (without port) any more.
  void host_moved(const std::string& host, const std::vector<std::string>& gone);
  bool kill_client(std::uint64_t id);
  // `drain`: see shutdown_drain_timeout; 0: clients leave when they like.
  void begin_shutdown(Shutdown how, Duration drain);
  void begin_takeover(TakeoverPort& port, Duration drain);   // another process takes over; `port` outlives us
  // No server of the database (empty: of any) is linked, tested or logging in: PAUSE is complete.
  bool quiet(const std::string& database) const;
  // No server of it is left that must be closed.
  bool nothing_to_close(const std::string& database) const;
  const DigestTable* digests() const { return watch_ ? &watch_->digests : nullptr; }   // null: query_digests=0
  const policy::StatementStore& statement_store() const { return statements_; }
  const policy::StatementCounters& statement_counters() const { return statement_counters_; }
  const Tally& tally() const { return tally_; }
  const IsolationLog& isolation_log() const { return isolation_log_; }
  const CloseRing& closes() const { return closes_; }
  std::vector<std::string> paused_databases() const;
  std::vector<std::string> disabled_databases() const;
  const SlowRing* slow_statements() const { return watch_ ? &watch_->slow : nullptr; }
  WaitReason wait_reason(const PoolDesk& desk) const;   // of those who wait in it now
  static std::string server_place(const ServerConnection& server);   // `address:port`
  void reset_queries();                        // forgets what SHOW QUERIES, SLOW_QUERIES and WAITS tell
  std::size_t ordinary_clients() const;        // without console clients
  void end_all();                              // closes everything, tells nobody
  void rotate_stats();                         // a stats_period is over

  // --- ending and telling, for all files of this room and the console
  void end_client(ClientSession& client, CloseReason reason, const std::string& text = {}, const std::string& sqlstate = {});
  void end_server(ServerConnection& server, CloseReason reason, const std::string& text = {});
  void tell(ClientSession& client, Bytes bytes);   // of ours, now or when its socket takes them
  template <typename... Args>
  void log_client(log::Level level, const ClientSession& client, fmt::format_string<Args...> format, Args&&... args) {
    if (log::enabled(level)) log::line(level, "{} {}", name_of(client), fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void log_server(log::Level level, const ServerConnection& server, fmt::format_string<Args...> format, Args&&... args) {
    if (log::enabled(level)) log::line(level, "{} {}", name_of(server), fmt::format(format, std::forward<Args>(args)...));
  }
  static std::string place_of(const Endpoint& end);
  std::string name_of(const ClientSession& client) const;   // `C-0x55d2: db/user@addr:port`
  std::string name_of(const ServerConnection& server) const;

 private:
  // --- clients (client_flow.cpp)
  void on_client_bytes(ClientSession& client, Bytes bytes);
  void on_login_bytes(ClientSession& client, Bytes bytes);
  void from_console_client(ClientSession& client, Bytes bytes);
  ClientLogin::Event on_startup(ClientSession& client, Buffer& answer);
  bool move_home(ClientSession& client, Bytes rest);
  bool read_startup_parameters(ClientSession& client);
  bool keeps_startup_settings(const ClientSession& client) const;
  void add_host_to_application_name(ClientSession& client);
  bool admit(ClientSession& client);
  bool lets_in(const ClientSession& client) const;
  ClientLogin::Event begin_proof(ClientSession& client, Buffer& answer);
  void conclude_login(ClientSession& client, ClientLogin::Event event, const Buffer& answer, Bytes rest);

  // --- proofs (client_proof.cpp, auth_lookup.cpp)
  ClientLogin::Event prove_login(ClientSession& client, const LookedUp* looked_up, Buffer& answer);
  AuthPlan plan_for(ClientSession& client, const LookedUp* looked_up);
  bool wants_lookup(const ClientSession& client) const;
  std::string fresh_nonce();
  ClientLogin::Event choose_method(ClientSession& client, Buffer& answer);
  ClientLogin::Event lookup_or_prove(ClientSession& client, Buffer& answer);
  HbaFacts hba_facts(const ClientSession& client) const;
  bool ask_elsewhere(ClientSession& client, ProofRequest request);
  void judge_password(ClientSession& client);
  void on_proof_answer(Token token, const ProofAnswer& answer);
  ClientLogin::Event take_proof_answer(ClientSession& client, const ProofAnswer& answer, Buffer& out);
  bool start_lookup(ClientSession& client, LookupKind kind);
  void queue_lookup(AuthLookup& lookup);
  void run_lookup(ServerConnection& server, AuthLookup& lookup);
  void on_lookup_done(ServerConnection& server);
  void fail_lookup(AuthLookup& lookup, CloseReason reason, const std::string& text, const std::string& sqlstate);
  void fail_clients(const AuthLookup& lookup, CloseReason reason, const std::string& text, const std::string& sqlstate);
  std::unique_ptr<AuthLookup> take_lookup(AuthLookup& lookup);
  void leave_lookup(ClientSession& client);
  void refuse_waiter(Waiter& waiter, CloseReason reason, const std::string& text = {}, const std::string& sqlstate = {});
  using LoginStep = std::function<ClientLogin::Event(Buffer& answer)>;
  void resume_login(ClientSession& client, const LoginStep& step);
  void fail_login(ClientSession& client);
  void begin_client_tls(ClientSession& client, Bytes received);   // tls.cpp
  void on_proven(ClientSession& client);
  void enter_console(ClientSession& client);
  void welcome(ClientSession& client);
  void finish_welcome(ClientSession& client, Buffer& out, ClientPhase phase);
  void welcome_waiting(PoolDesk& desk);
  bool knows_welcome(PoolDesk& desk);
  Route& route(const std::string& database, const std::string& user, const DatabasePtr& entry);
  PoolDesk& desk_for(const DatabasePtr& entry, const std::string& database, const std::string& user);
  void settle(PoolDesk& desk);                 // works out its settings from the configuration
  void on_client_gone(ClientSession& client, int error);
  void release_for_leaving(ClientSession& client);

  // --- relay (relay.cpp)
  enum class Verdict : std::uint8_t {
    forward,
    replace,       // words of ours are in the run instead of the message's beginning
    swallow,
    wait,
    end,           // the client has left
  };
  void from_client(ClientSession& client, Bytes input);
  Verdict judge(ClientSession& client, const Piece& piece, Run& run);
  bool goes_along(ClientSession& client, const Piece& piece, TimePoint now);
  Verdict judge_without_server(ClientSession& client, const Piece& piece);
  // Valid until the next one is asked about, or the client's input ends.
  const Said& said(const ClientSession& client, const Piece& piece) { return piece.bytes.data() == said_.at ? said_ : read(client, piece); }
  const Said& read(const ClientSession& client, const Piece& piece);   // said.cpp
  void read_bound(const ClientSession& client);
  static policy::StatementRef bound_by(const ClientSession& client, const BindView& view);
  static std::string_view text_said(const ClientSession& client, const Said& said);
  Verdict end_sending(ClientSession& client, CloseReason reason, Run& run, const std::string& text = {});
  void wait_with(ClientSession& client, const Piece& piece, Bytes input, Run& run);
  bool add(ClientSession& client, Run& run, Bytes bytes);   // false: the client has left
  void tell_answers(ClientSession& client);
  void hold(ClientSession& client, Bytes bytes);
  void feed_held(ClientSession& client);
  void feed_granted();
  void end_gone_clients();
  void from_server(ServerConnection& server, Bytes input);
  bool pass_on(ServerConnection& server, const Piece& piece, Run& to_client);
  bool forward(ServerConnection& server, Bytes bytes, Run& to_client);
  bool on_server_piece(ServerConnection& server, const Piece& piece, Run& to_client);
  bool on_server_reply(ServerConnection& server, const Piece& piece);
  void log_while_idle(const ServerConnection& server, const Piece& piece);
  void on_server_error(ServerConnection& server, const Piece& piece, const ReplyVerdict& verdict);
  void replace_read_only(ServerConnection& server);
  void absorb_parameter(ServerConnection& server, const Piece& piece, bool forwarded);
  bool on_ready(ServerConnection& server);
  void flush_to_server(ClientSession& client, Run& run);
  void flush_to_client(ServerConnection& server, Run& run);
  void note_request(ClientSession& client, TimePoint now);
  void update_reading(ClientSession& client);
  void update_reading(ServerConnection& server);

  // --- prepared statements (prepared.cpp, prepared_replies.cpp)
  bool tracks_statements(const ClientSession& client) const {
    return config_->globals.max_prepared_statements > 0 && client.desk()->mode != PoolMode::session && !client.replication;
  }
  bool holds_too_much(const ClientSession& client) const;
  Verdict judge_statement(ClientSession& client, const Piece& piece, Run& run);
  Verdict judge_statement_without_server(ClientSession& client, const Piece& piece);
  Verdict pass(ClientSession& client, const Piece& piece, Note note = {});
  Verdict judge_parse(ClientSession& client, const Piece& piece, Run& run);
  Verdict parse_unnamed(ClientSession& client, const Piece& piece, policy::StatementRef statement, bool touches);
  Bytes identity_of(const ParseView& view);
  bool may_share(policy::Statement& statement) const;
  Verdict share_unnamed(ClientSession& client, const Piece& piece, policy::StatementRef statement, Run& run);
  Verdict parse_duplicate(ClientSession& client, const Piece& piece, const policy::StatementRef& known, Run& run);
  Verdict judge_bind(ClientSession& client, const Piece& piece, Run& run);
  Verdict judge_describe(ClientSession& client, const Piece& piece, Run& run);
  Verdict describe_as(ClientSession& client, const policy::StatementRef& statement, std::string_view name, Run& run);
  Verdict judge_close(ClientSession& client, const Piece& piece, Run& run);
  Verdict judge_query(ClientSession& client, const Piece& piece, Run& run);
  bool bind_to(ClientSession& client, const Piece& piece, const BindView& view, const policy::StatementRef& statement,
               Run& run, std::uint64_t mark = 0);
  bool bind_verb(ClientSession& client, const Piece& piece, const BindView& view, const policy::StatementRef& statement,
                 Run& run, Verdict& verdict);
  bool describe_verb(ClientSession& client, const policy::StatementRef& statement, Run& run, Verdict& verdict);
  bool judge_sql(ClientSession& client, const Piece& piece, std::string_view sql, Run& run, Verdict& verdict);
  bool prepare_for(ClientSession& client, const policy::SqlPlan& plan, std::size_t max, Run& run);
  bool resolve_verb(ClientSession& client, const policy::StatementRef& statement, Run& run,
                    policy::VerbPortal& resolved, Verdict& verdict);
  bool judge_execute_verb(ClientSession& client, const Piece& piece, Run& run, Verdict& verdict);
  bool replay(ClientSession& client, const policy::StatementRef& statement, Run& run);
  bool on_sql_done(ServerConnection& server, Bytes body);
  Note forget_unnamed(ClientSession& client);
  Verdict stall(ClientSession& client, Run& run);
  bool in_doubt(ServerConnection& server);
  static Note note_name(ServerConnection& server, std::uint64_t id, std::string_view name);
  bool renew_unnamed(ClientSession& client, Run& run);
  const policy::ServerStatements::Prepared* prepare(ClientSession& client, const policy::StatementRef& statement, Run& run);
  const policy::ServerStatements::Prepared* prepare_exactly(ClientSession& client, const policy::StatementRef& statement, Run& run);
  const policy::SharedPlanning& planning(ClientSession& client);           // planning.cpp
  void note_planning(ClientSession& client, const Piece& piece);
  static bool executes_a_setting(const ClientSession& client, std::string_view sql);
  bool drop_surplus(ClientSession& client, std::size_t max, Run& run);
  bool close_there(ClientSession& client, policy::ServerStatements::Prepared prepared, Run& run);
  bool say_parse(ClientSession& client, std::string_view name, Bytes identity, Run& run);
  template <typename F>
  bool say(ClientSession& client, Run& run, std::size_t bytes, F&& compose);
  bool add_fakes(ServerConnection& server, Run& to_client);
  bool settle_assumptions(ServerConnection& server);
  void on_batch_failed(ServerConnection& server, const Piece& piece, const ReplyVerdict& verdict);
  bool repeat_batch(ServerConnection& server);
  void on_marked_failed(ServerConnection& server, const ReportView& report, const ReplyVerdict& verdict);
  bool correct_error(ServerConnection& server, const Piece& piece, Run& to_client);
  void statement_is_stale(policy::Statement& statement);
  void resume_stalled(ClientSession& client);
  bool may_be_repeated(ClientSession& client) const;
  static void keep_batch(ServerConnection& server, Bytes batch);
  // --- tally.cpp
  void note_closed(const ClientSession& client, CloseReason reason, std::string_view words, std::string_view sqlstate);
  void note_closed(const ServerConnection& server, CloseReason reason, std::string_view words);
  // --- isolation.cpp
  static bool isolates(const PoolDesk& desk) { return desk.mode != PoolMode::session && desk.limits.session_state != SessionState::off; }
  static SessionTouch& touch(ServerConnection& server);
  bool settle_session(ServerConnection& server);
  void pin(ServerConnection& server, PinReason reason);
  static void hear(ServerConnection& server, const Piece& piece);
  void on_looked(ServerConnection& server);
  policy::SharedSettings settings_told(const ServerConnection& server, const SessionTouch& touched, PinReason& reason) const;
  static void on_discarded(ServerConnection& server);
  bool give_settings(ServerConnection& server, const std::string& reported);
  void clean_session(ServerConnection& server);
  // --- watch.cpp
  void settle_watch();                         // as query_digests says
  bool times_statements() const {              // whether anybody wants to know how long each statement takes
    return watch_ || config_->globals.log_min_duration_statement >= 0 || config_->globals.log_min_duration_sample >= 0;
  }
  void start_clock(ServerConnection& server);
  void note_bind_text(ServerConnection& server, const Piece& piece, const BindView& view, std::string_view name, std::string_view sql);
  void on_statement_over(ServerConnection& server, unsigned count);
  static std::string_view executed_text(ServerConnection& server, const policy::StatementClock::Finished& done);
  void note_statement(ServerConnection& server, ClientSession& client, const policy::StatementClock::Finished& done,
                      std::string_view text);
  DigestTable::Origin digest_origin(ClientSession& client);
  void note_idle(const ClientSession& client, TimePoint now);
  void close_window_if_over();
  void note_slow(const ServerConnection& server, const ClientSession& client, const Execution& run);
  void note_wait(const ClientSession& client, bool served);
  // --- wait_detail.cpp
  struct Holders; struct WaitRound;
  Holders holders_of(const WaitRound& round) const;
  void explain_waits(const PoolDesk& desk, std::vector<Token> to_notify, std::vector<Token> to_end);
  void tell_explained(const WaitRound& round);
  std::string application_of(const ClientSession& client) const;
  // --- slow_log.cpp
  bool wants_log(Duration took);
  void log_statement(const ServerConnection& server, const ClientSession& client,
                     const policy::StatementClock::Finished& done, std::string_view text);

  // --- pooling (borrow.cpp, hand_over.cpp)
  bool borrow(ClientSession& client);          // true: it holds a server that is ready
  PooledServer* fitting_idle(PoolDesk& desk, const ClientSession& client) const;
  void grant(PooledServer& pooled, ClientSession& client);
  static bool is_done_with(const ServerConnection& server);
  bool may_leave_client(const ServerConnection& server) const;
  void release_if_possible(ServerConnection& server);
  void give_back(ServerConnection& server);
  void unlink(ServerConnection& server);
  void after_use(ServerConnection& server);
  void make_available(ServerConnection& server);
  bool close_if_unfit(ServerConnection& server);
  bool is_over_size(PoolDesk& desk);
  bool needs_check(const PoolDesk& desk, const PooledServer& pooled) const;
  bool check_one(PoolDesk& desk);
  bool no_server_works(const PoolDesk& desk) const;
  void enqueue(ClientSession& client);
  void serve_waiters(PoolDesk& desk);
  void open_wanted(PoolDesk& desk);
  bool open_one(PoolDesk& desk);
  bool make_room(PoolDesk& desk, BindingLimit limit);
  bool evict_one_here(const std::vector<PoolKey>& keys);
  void publish(PoolDesk& desk);
  bool hand_over_if_hungrier(ServerConnection& server);
  bool leave_place_to_older(PoolDesk& desk);
  void hand_over(ServerConnection& server, unsigned worker);
  void receive_server(PoolKey key, ServerFacts facts, std::unique_ptr<Detached> socket);
  void spread_pokes(const std::vector<Poke>& pokes);
  // --- servers (server_flow.cpp)
  void connect(ServerConnection& server);
  void on_server_connected(ServerConnection& server);
  void greet_server(ServerConnection& server);            // tls.cpp, up to try_other_encryption
  void start_login(ServerConnection& server);
  void begin_server_tls(ServerConnection& server, bool direct);
  void on_tls_answer(ServerConnection& server, Bytes input);
  bool try_other_encryption(ServerConnection& server, const std::string& sqlstate);
  void say_goodbye(ServerConnection& server);
  void on_server_login_bytes(ServerConnection& server, Bytes input);
  void on_logged_in(ServerConnection& server);
  bool try_next_host(ServerConnection& server, const std::string& text);
  void start_over(ServerConnection& server);
  void keep_parameters(ServerConnection& server, const ServerLogin& login, Buffer* rest);
  void on_open_failed(ServerConnection& server, CloseReason reason, const std::string& text, const std::string& sqlstate);
  void fail_waiters(PoolDesk& desk, const std::string& text, const std::string& sqlstate);
  void begin_job(ServerConnection& server, ServerJob job);
  void start_job(ServerConnection& server, ServerJob job, const std::string& sql);
  void on_job_done(ServerConnection& server);
  void on_server_gone(ServerConnection& server, int error);
  void send_to_server(ServerConnection& server, Bytes bytes);
  // --- commands.cpp
  void remove_database(PoolDesk& desk);
  void stale(PoolDesk& desk);
  void close_unused(PoolDesk& desk, CloseReason reason);
  void close_idle(PoolDesk& desk);
  // --- cancel (cancel.cpp)
  void on_cancel_request(ClientSession& requester, std::uint32_t pid, Bytes key);
  void cancel(const CancelKey& key, unsigned from, Token requester);
  void forward_cancel(ClientSession& requester, PeerKey key);     // peers.cpp
  void send_to_peer(int peer, PeerKey key, unsigned from, Token requester);
  void serve_peer(int peer);
  void on_peer_connected(CancelJob& job);
  void cancel_queued(ClientSession& client);
  void open_cancel(ServerConnection& target, unsigned from, Token requester);
  void on_cancel_connected(CancelJob& job);
  void secure_cancel(CancelJob& job, bool asked);         // tls.cpp
  void on_cancel_bytes(CancelJob& job, Bytes input);
  void finish_cancel(CancelJob& job, const char* why);
  void requester_done(unsigned from, Token requester);
  void sweep_cancels(TimePoint now);
  // --- time (sweep.cpp)
  void sweep_logins(TimePoint now);
  void sweep_idle_clients(TimePoint now);
  void sweep_waiters(PoolDesk& desk, TimePoint now);
  void sweep_login_waiters(PoolDesk& desk, TimePoint now);
  void sweep_servers(PoolDesk& desk, TimePoint now);
  void sweep_active(PoolDesk& desk, TimePoint now);
  void sweep_unused_pools(TimePoint now);
  void sweep_suspended(TimePoint now);         // suspend.cpp
  void find_shortest_client_idle();
  void prepare_forced_pools();
  bool lifetime_over(const PoolDesk& desk, const PooledServer& server, TimePoint now) const;
};

}  // namespace pgweir
