// The process: its workers and reloads (runtime.cpp), signals and its end (runtime_end.cpp), the
// online upgrade (runtime_takeover.cpp).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "config/change.h"
#include "config/config.h"
#include "config/loader.h"
#include "proxy/admin/console.h"
#include "proxy/admin/process_port.h"
#include "proxy/auth/proof_threads.h"
#include "proxy/core/version.h"
#include "proxy/net/connector.h"
#include "proxy/net/listener.h"
#include "proxy/net/loop_choice.h"
#include "proxy/names.h"
#include "proxy/net/signals.h"
#include "proxy/policy/prepared/proven_texts.h"
#include "proxy/session/worker.h"
#include "proxy/takeover_process.h"
#include "proxy/tls_setup.h"
#include "proxy/web/web.h"

namespace pgweir {

// Owned by main. Its public functions are thread-safe unless they say otherwise.
class Runtime final : public Fleet, public ProcessPort {
 public:
  using Read = std::function<Loaded()>;
  // `read`: where a reload finds the configuration; null: in its file. `quiet`: no log on stderr. `verbose` adds to the
  // setting.
  Runtime(std::shared_ptr<const Config> config, Read read, bool quiet, int verbose);
  ~Runtime() override;

  // Opens the sockets, or takes those that the service manager or the process that is taken over (null: none) has opened. Main
  // thread. Returns an error text or nothing.
  std::string listen(int sockets_given, TakeoverReceiver* old);
  // The sockets are ours from here on. Main thread. Returns an error text or nothing.
  std::string take_over(std::unique_ptr<TakeoverReceiver> old);
  // What a process that takes over from us needs beside the sockets: called once, on any thread.
  void when_taken_over(std::function<void()> free_files) { free_files_ = std::move(free_files); }
  // Runs until somebody asks for the end. Main thread.
  void run();

  // --- Fleet
  unsigned size() const override { return static_cast<unsigned>(cores_.size()); }
  void post(unsigned worker, Task task) override;
  unsigned place_for_client(std::string_view database, std::string_view user, int pool_size) override;
  std::uint64_t next_id() override { return next_id_.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t random_secret() override;
  void on_tick(Worker& worker) override;

  // --- ProcessPort
  bool reload(std::string& error) override;
  bool set(const std::string& key, const std::string& value, std::string& error) override;
  void request_exit(Shutdown how, bool at_once) override;
  DnsFacts dns() const override { return names_.facts(); }
  void accept_clients(bool yes) override;
  bool may_be_taken_over() override { return !taken_over_.exchange(true); }
  void be_taken_over(std::unique_ptr<Detached> console) override;
  void tell_status(const std::string& line) override;
  std::string version() const override { return PGWEIR_VERSION; }

 private:
  struct Core;
  void on_signal(int signal);
  std::string set_up_tls();
  bool reload_tls(Globals& fresh, Changes& changes);
  void look_at_tls_files();
  void put_in_force(std::shared_ptr<const Config> fresh, const Changes& changes);
  std::string open_log(const Globals& globals);
  SocketOptions socket_options() const;
  std::vector<std::unique_ptr<SocketLoop>> make_the_loops();  // one a worker; also sets loop_kind_
  ListenResult open_sockets(int sockets_given, TakeoverReceiver* old) const;
  void on_taken_over();
  void receive_from_old();
  bool reload_all(std::string& error);
  void close_tcp_listeners(bool gently);
  void drop_tcp_listeners();
  void log_start();
  std::string description() const;

  const Read read_;
  const bool quiet_;
  const int verbose_;
  std::mutex config_mutex_;
  std::shared_ptr<const Config> config_;          // config_mutex_; as it is in force
  ControlLoop control_;
  TlsContexts tls_;                               // config_mutex_
  TlsFiles tls_files_;                            // config_mutex_
  Names names_;
  Credentials credentials_;
  policy::TrackedParameters tracked_;
  policy::ProvenTexts proven_;
  LoopKind loop_kind_ = LoopKind::epoll;
  std::unique_ptr<Ledger> ledger_;
  Console console_;
  std::vector<std::unique_ptr<Core>> cores_;
  ProofThreads proofs_;                           // stops before the cores that hear its answers go
  std::vector<Listener> listeners_;               // core 0's thread, once it runs
  std::atomic<bool> listens_to_tcp_{true};
  std::unique_ptr<TakeoverReceiver> old_;         // main thread; null: we took over from nobody
  std::unique_ptr<TakeoverSender> sender_;        // core 0's thread, once it runs; null: nobody takes over
  std::atomic<bool> taken_over_{false};           // somebody is at it
  std::function<void()> free_files_;
  Web web_;                                       // metrics_listen; ends before the workers do
  std::atomic<std::uint64_t> next_id_{1};
  std::atomic<Shutdown> shutdown_{Shutdown::no};
};

}  // namespace pgweir
