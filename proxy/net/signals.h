// The control thread: where signals arrive and what is not one worker's business happens.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace pgweir {

// Owned by main; run() on the main thread. Everything else is thread-safe.
class ControlLoop {
 public:
  ControlLoop();
  ~ControlLoop();

  // Called with SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1 or SIGUSR2, on the thread of run(). These
  // signals are caught from now on, and SIGPIPE is ignored. Once, before run().
  void on_signal(std::function<void(int signal)> callback);
  // `action` runs on the thread of run(), in the order of the calls.
  void post(std::function<void()> action);
  // The same again and again, from before run() on. `period` is of one action only.
  void every(std::chrono::milliseconds period, std::function<void()> action);
  void run();  // until stop()
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgweir
