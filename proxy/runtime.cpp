#include "proxy/runtime.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "config/loader.h"
#include "config/settings.h"
#include "proxy/core/version.h"
#include "proxy/net/process.h"
#include "proxy/net/service_manager.h"
#include "proxy/runtime_core.h"

namespace pgweir {
namespace {

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  PGWEIR_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) == 1);
  return bytes;
}

unsigned worker_count(const Config& config) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  const unsigned wanted = config.globals.workers <= 0 ? cores : static_cast<unsigned>(config.globals.workers);
  return std::min(wanted, workers_max);
}

void log_mistakes(const Mistakes& mistakes) {
  for (const Mistake& m : mistakes) {
    log::line(m.warning ? log::Level::warning : log::Level::error, "{} ({})", m.text, place_of(m));
  }
}

}  // namespace

Runtime::Runtime(std::shared_ptr<const Config> config, Read read, bool quiet, int verbose)
    : read_(std::move(read)),
      quiet_(quiet),
      verbose_(verbose),
      config_(std::move(config)),
      names_(*this, *config_),
      credentials_(random_bytes(32)),
      tracked_(config_->globals.track_extra_parameters),
      proven_(random_secret()),
      ledger_(std::make_unique<Ledger>(worker_count(*config_))),
      console_(*this),
      web_(*this, *ledger_, PGWEIR_VERSION) {
  if (const std::string error = open_log(config_->globals); !error.empty()) log::line(log::Level::error, "{}", error);
  std::vector<std::unique_ptr<SocketLoop>> loops = make_the_loops();
  const Commons commons{*ledger_, *this, credentials_, tracked_, &console_, static_cast<std::uint32_t>(::getuid()), &proofs_, &proven_};
  for (unsigned i = 0; i < worker_count(*config_); ++i) {
    cores_.push_back(std::make_unique<Core>(i, std::move(loops[i]), names_.resolver(), commons, config_, random_secret()));
  }
}

std::vector<std::unique_ptr<SocketLoop>> Runtime::make_the_loops() {
  const EventLoop wanted = config_->globals.event_loop;
  std::string no_uring;
  loop_kind_ = choose_loop(name_of(wanted), no_uring);
  std::vector<std::unique_ptr<SocketLoop>> loops = make_loops(loop_kind_, worker_count(*config_), socket_options(), no_uring);
  // Containers forbid io_uring by default, and who did not ask for it misses nothing.
  if (!no_uring.empty()) log::line(wanted == EventLoop::io_uring ? log::Level::warning : log::Level::log,
                                   "event_loop = {}: epoll it is, for io_uring does not work here: {}", name_of(wanted), no_uring);
  return loops;
}

Runtime::~Runtime() = default;

std::string Runtime::set_up_tls() {
  TlsMistakes mistakes;
  tls_files_.remember(config_->globals);
  tls_ = build_tls(config_->globals, mistakes);
  for (const TlsMistake& mistake : mistakes) log::line(log::Level::error, "{}: {}", mistake.setting, mistake.text);
  for (auto& core : cores_) core->loop.set_tls(tls_);
  return mistakes.empty() ? std::string{} : "TLS setup failed";
}

ListenResult Runtime::open_sockets(int sockets_given, TakeoverReceiver* old) const {
  const Globals& g = config_->globals;
  if (old) {
    ListenResult result;
    result.listeners = old->take_listeners();
    for (const Listener& listener : result.listeners) result.opened.push_back("listening on " + listener.name() + ", taken over");
    return result;
  }
  if (sockets_given > 0) {
    ListenResult result = take_listeners(service_manager::first_socket, sockets_given);
    if (!g.listen_addr.empty()) {
      result.warnings.push_back("the service manager has opened the sockets, listen_addr and unix_socket_dir are ignored");
    }
    return result;
  }
  ListenSettings settings;
  settings.listen_addr = config_->listen_addresses;
  settings.listen_port = static_cast<std::uint16_t>(g.listen_port);
  settings.backlog = g.listen_backlog;
  settings.unix_socket_dir = config_->unix_socket_dirs.empty() ? std::string{} : config_->unix_socket_dirs.front();
  settings.unix_socket_mode = static_cast<unsigned>(g.unix_socket_mode);
  settings.unix_socket_group = g.unix_socket_group;
  settings.so_reuseport = g.so_reuseport;
  settings.tcp_defer_accept = g.tcp_defer_accept;
  settings.tcp_keepalive = g.tcp_keepalive;
  return open_listeners(settings);
}

std::string Runtime::listen(int sockets_given, TakeoverReceiver* old) {
  if (std::string error = set_up_tls(); !error.empty()) return error;
  if (std::string why = service_manager::cannot_tell(); !why.empty()) log::line(log::Level::warning, "{}", why);
  ListenResult result = open_sockets(sockets_given, old);
  for (const std::string& warning : result.warnings) log::line(log::Level::warning, "{}", warning);
  if (!result.error.empty()) return result.error;
  log_start();
  for (const std::string& opened : result.opened) log::line(log::Level::log, "{}", opened);
  listeners_ = std::move(result.listeners);
  for (const Listener& listener : listeners_) cores_[0]->loop.add_listener(listener.fd(), listener.is_tcp());
  return {};
}

void Runtime::log_start() {
  const DescriptorLimit limit = raise_descriptor_limit();
  const Globals& g = config_->globals;
  log::line(log::Level::log, "kernel file descriptor limit: {} (hard: {}); max_client_conn: {}, max expected fd use: {}",
            limit.soft, limit.hard, g.max_client_conn,
            g.max_client_conn + 10 + g.default_pool_size * static_cast<int>(std::max<std::size_t>(1, config_->databases.size())));
}

void Runtime::run() {
  control_.on_signal([this](int signal) { on_signal(signal); });
  control_.every(seconds(1), [this] { look_at_tls_files(); });
  log::line(log::Level::log, "process up: {}", description());
  for (auto& core : cores_) core->thread = std::thread([&loop = core->loop] { loop.run(); });
  web_.start(config_);
  service_manager::tell_ready();
  receive_from_old();
  control_.run();
  old_.reset();
  web_.stop();
  for (auto& core : cores_) core->loop.stop();
  for (auto& core : cores_) core->thread.join();
  sender_.reset();
  listeners_.clear();
  names_.stop();
  for (auto& core : cores_) core->worker.end_all();
}

// --- Fleet

void Runtime::post(unsigned worker, Task task) {
  Core& core = *cores_[worker];
  core.loop.mailbox()->post([&core, task = std::move(task)] { task(core.worker); });
}

// A pool lives on as many workers as its servers can keep busy, beginning with one that its name chooses. A pooler's
// share of a transaction is a fourth of the server's at most: four servers never need more than one worker, and on
// more of them a server would have to change workers for almost every transaction.
unsigned Runtime::place_for_client(std::string_view database, std::string_view user, int pool_size) {
  constexpr unsigned servers_per_worker = 4;
  const unsigned wanted = (static_cast<unsigned>(std::max(pool_size, 0)) + servers_per_worker - 1) / servers_per_worker;
  const unsigned span = pool_size <= 0 ? size() : std::clamp(wanted, 1u, size());
  const std::size_t first = std::hash<std::string_view>{}(database) * 31 + std::hash<std::string_view>{}(user);
  Core* best = nullptr;
  unsigned chosen = 0;
  for (unsigned i = 0; i < span; ++i) {
    const unsigned number = static_cast<unsigned>((first + i) % size());
    Core& core = *cores_[number];
    if (best && core.clients.load(std::memory_order_relaxed) >= best->clients.load(std::memory_order_relaxed)) continue;
    best = &core;
    chosen = number;
  }
  best->clients.fetch_add(1, std::memory_order_relaxed);
  return chosen;
}

// Drawn many at a time: OpenSSL asks the system for the process's number several times each time it is asked.
std::uint64_t Runtime::random_secret() {
  constexpr std::size_t drawn_at_once = 64;
  thread_local std::array<std::uint64_t, drawn_at_once> drawn;
  thread_local std::size_t left = 0;
  if (left == 0) {
    PGWEIR_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(drawn.data()), sizeof drawn) == 1);
    left = drawn.size();
  }
  return std::exchange(drawn[--left], 0);
}

// --- ProcessPort

bool Runtime::reload(std::string& error) {
  service_manager::tell_reloading();
  const bool good = reload_all(error);
  service_manager::tell_ready();
  return good;
}

bool Runtime::reload_all(std::string& error) {
  std::lock_guard lock(config_mutex_);
  if (config_->path.empty()) return true;               // a URL: nothing to read again
  Loaded loaded = read_ ? read_() : load(config_->globals.conffile.value_or(config_->path));
  log_mistakes(loaded.mistakes);
  if (!loaded.config) {
    error = "RELOAD failed, see logs for additional details";
    log::line(log::Level::error, "cannot load config file, the old configuration stays in force");
    return false;
  }
  Changes changes = compare(*config_, *loaded.config);
  auto fresh = std::make_shared<Config>(apply_reload_rules(*config_, *loaded.config));
  const bool tls_good = reload_tls(fresh->globals, changes);
  put_in_force(std::move(fresh), changes);
  if (!tls_good) error = "RELOAD failed, see logs for additional details";
  return tls_good;
}

bool Runtime::set(const std::string& key, const std::string& value, std::string& error) {
  std::lock_guard lock(config_mutex_);
  auto fresh = std::make_shared<Config>(*config_);
  error = set_while_running(fresh->globals, key, value);
  if (!error.empty()) return false;
  split_lists(*fresh);
  Changes changes = compare(*config_, *fresh);
  if (!reload_tls(fresh->globals, changes)) {
    error = "SET failed, see logs for additional details";
    return false;
  }
  put_in_force(fresh, changes);
  return true;
}

// Holding config_mutex_. False: a side of TLS stays as it is, and so do its settings; the log says why.
bool Runtime::reload_tls(Globals& fresh, Changes& changes) {
  TlsMistakes mistakes;
  tls_files_.remember(fresh);
  tls_ = renew_tls(tls_, config_->globals, fresh, changes, mistakes);
  for (const TlsMistake& mistake : mistakes) {
    log::line(log::Level::error, "TLS configuration could not be reloaded, keeping old configuration: {}: {}",
              mistake.setting, mistake.text);
  }
  return mistakes.empty();
}

// Certificates that were renewed count without a RELOAD.
void Runtime::look_at_tls_files() {
  std::lock_guard lock(config_mutex_);
  if (!tls_files_.changed(config_->globals)) return;
  log::line(log::Level::log, "TLS files have changed, reading them again");
  auto fresh = std::make_shared<Config>(*config_);
  Changes changes;
  (void)reload_tls(fresh->globals, changes);
  put_in_force(std::move(fresh), changes);
}

// Holding config_mutex_.
void Runtime::put_in_force(std::shared_ptr<const Config> fresh, const Changes& changes) {
  config_ = std::move(fresh);
  if (const std::string error = open_log(config_->globals); !error.empty()) log::line(log::Level::error, "{}", error);
  names_.apply(*config_);
  web_.apply(config_);
  for (unsigned i = 0; i < size(); ++i) {
    Core& core = *cores_[i];
    core.loop.mailbox()->post([&core, options = socket_options(), tls = tls_] {
      core.loop.set_options(options);
      core.loop.set_tls(tls);
    });
    post(i, [config = config_, changes](Worker& worker) { worker.apply_config(config, changes); });
  }
}

std::string Runtime::description() const {
  return fmt::format("pgweir {} (PgBouncer {}), event loop: {}, workers: {}, tls: {}", PGWEIR_VERSION,
                     PGWEIR_PARITY, name_of(loop_kind_), cores_.size(), OpenSSL_version(OPENSSL_VERSION));
}

// --- settings of the process

std::string Runtime::open_log(const Globals& globals) {
  log::set_verbosity(std::max(verbose_, globals.verbose));
  log::Targets targets;
  targets.file = globals.logfile;
  targets.to_stderr = !quiet_;
  targets.stderr_is_journal = service_manager::stderr_is_journal();
  targets.to_syslog = globals.syslog;
  targets.syslog_ident = globals.syslog_ident;
  targets.syslog_facility = globals.syslog_facility;
  targets.format = globals.log_format == LogFormat::json       ? log::Format::json
                   : globals.log_format == LogFormat::postgres ? log::Format::postgres
                                                               : log::Format::text;
  return log::open(targets);
}

SocketOptions Runtime::socket_options() const {
  const Globals& g = config_->globals;
  SocketOptions options;
  options.tcp_keepalive = g.tcp_keepalive;
  options.tcp_keepcnt = g.tcp_keepcnt;
  options.tcp_keepidle = g.tcp_keepidle;
  options.tcp_keepintvl = g.tcp_keepintvl;
  options.tcp_socket_buffer = g.tcp_socket_buffer;
  options.tcp_user_timeout = g.tcp_user_timeout;
  options.tcp_defer_accept = g.tcp_defer_accept;
  return options;
}

}  // namespace pgweir
