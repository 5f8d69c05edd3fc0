// The online upgrade: handing over to a new process, and coming as one.
#include <future>

#include "proxy/net/service_manager.h"
#include "proxy/runtime_core.h"

namespace pgweir {
namespace {

// The old process's parts answer in microseconds; when one does not, the new process must not wait for ever.
constexpr std::chrono::seconds patience{5};

}  // namespace

// --- the process that leaves

void Runtime::be_taken_over(std::unique_ptr<Detached> console) {
  // std::function wants what it holds to be copyable.
  auto socket = std::make_shared<std::unique_ptr<Detached>>(std::move(console));
  cores_[0]->loop.mailbox()->post([this, socket] {
    Fd fd = std::move(static_cast<DetachedSocket&>(**socket).fd);
    sender_ = std::make_unique<TakeoverSender>(
        std::move(fd), listeners_, TakeoverSender::Events{[this] { on_taken_over(); }, [this] {
          log::line(log::Level::warning, "the process that wanted to take over is gone, nothing has changed");
          taken_over_ = false;
        }});
  });
}

// On the sender's thread.
void Runtime::on_taken_over() {
  log::line(log::Level::log, "another process takes over: clients change to it between their transactions");
  service_manager::tell_stopping();
  shutdown_ = Shutdown::wait_for_clients;
  auto closed = std::make_shared<std::promise<void>>(), left = std::make_shared<std::promise<void>>();
  cores_[0]->loop.mailbox()->post([this, closed] {
    for (Listener& listener : listeners_) {
      cores_[0]->loop.remove_listener(listener.fd());
      listener.own({});
    }
    listeners_.clear();
    listens_to_tcp_ = false;
    closed->set_value();
  });
  (void)closed->get_future().wait_for(patience);
  web_.leave([left] { left->set_value(); });
  (void)left->get_future().wait_for(patience);
  if (free_files_) free_files_();
  Duration drain{};
  {
    std::lock_guard lock(config_mutex_);
    drain = config_->globals.shutdown_drain_timeout;
  }
  for (unsigned i = 0; i < size(); ++i) post(i, [this, drain](Worker& worker) { worker.begin_takeover(*sender_, drain); });
}

// --- the process that comes

std::string Runtime::take_over(std::unique_ptr<TakeoverReceiver> old) {
  if (std::string error = old->go(); !error.empty()) return error;
  for (std::size_t i = 0; i < listeners_.size(); ++i) listeners_[i].own(old->files()[i]);
  old_ = std::move(old);
  return {};
}

void Runtime::receive_from_old() {
  if (!old_) return;
  using Socket = std::shared_ptr<std::unique_ptr<Detached>>;
  const auto shared = [](std::unique_ptr<Detached> socket) -> Socket {
    return std::make_shared<std::unique_ptr<Detached>>(std::move(socket));
  };
  TakeoverReceiver::Events events;
  // A cancel request finds its worker by the number in the key, which stays the old one.
  events.client = [this, shared](HandedClient record, std::unique_ptr<Detached> client, std::unique_ptr<Detached> server,
                                 std::string unread) {
    const unsigned to = CancelKeys::worker_of(record.cancel.pid) % size();
    post(to, [record = std::move(record), client = shared(std::move(client)), server = shared(std::move(server)),
              unread = std::move(unread)](Worker& worker) {
      Takeover::take(worker, record, std::move(*client), std::move(*server), unread);
    });
  };
  events.server = [this, shared](HandedServer record, std::unique_ptr<Detached> socket) {
    const unsigned to = static_cast<unsigned>(next_id() % size());
    post(to, [record = std::move(record), socket = shared(std::move(socket))](Worker& worker) {
      Takeover::take(worker, record, std::move(*socket));
    });
  };
  events.over = [] { log::line(log::Level::log, "the old process has left"); };
  old_->start(std::move(events));
}

}  // namespace pgweir
