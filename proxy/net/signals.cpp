#include "proxy/net/signals.h"

#include <csignal>
#include <list>

#include "proxy/net/asio.h"

namespace pgweir {

struct ControlLoop::Impl {
  void await_signal() {
    signals.async_wait([this](const boost::system::error_code& error, int number) {
      if (error) return;
      await_signal();
      callback(number);
    });
  }

  struct Repeated {
    boost::asio::steady_timer timer;
    std::chrono::milliseconds period;
    std::function<void()> action;
    void wait() {
      timer.expires_after(period);
      timer.async_wait([this](const boost::system::error_code& error) {
        if (error) return;
        wait();
        action();
      });
    }
  };

  boost::asio::io_context io{1};
  std::list<Repeated> repeated;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  boost::asio::signal_set signals{io};
  std::function<void(int)> callback;
};

ControlLoop::ControlLoop() : impl_(std::make_unique<Impl>()) {}
ControlLoop::~ControlLoop() = default;

void ControlLoop::on_signal(std::function<void(int)> callback) {
  std::signal(SIGPIPE, SIG_IGN);
  impl_->callback = std::move(callback);
  for (const int number : {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2}) {
    impl_->signals.add(number);
  }
  impl_->await_signal();
}

void ControlLoop::post(std::function<void()> action) {
  boost::asio::post(impl_->io, std::move(action));
}

void ControlLoop::every(std::chrono::milliseconds period, std::function<void()> action) {
  impl_->repeated.push_back({boost::asio::steady_timer(impl_->io), period, std::move(action)});
  impl_->repeated.back().wait();
}

void ControlLoop::run() {
  impl_->io.run();
}
void ControlLoop::stop() {
  impl_->io.stop();
}

}  // namespace pgweir
