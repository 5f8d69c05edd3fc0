// The door through which other threads reach a loop. Shared, so that a letter to a loop that has
// ended is harmless.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "proxy/net/fd.h"

namespace pgweir {

class Mailbox {
 public:
  using Letter = std::function<void()>;
  struct Mail {
    bool woken = false;           // somebody called wake()
    std::vector<Letter> letters;  // in the order in which they came
  };

  Mailbox();
  // Any thread. The letter runs on the loop's thread, never from inside this call.
  void post(Letter letter);
  // Any thread. Many calls before the loop looks count as one and cost one system call.
  void wake();
  // Any thread. Makes the loop look up without anything to say.
  void ring();

  // The loop's thread only.
  int fd() const { return bell_.get(); }
  Mail take();

 private:
  Fd bell_;
  std::atomic<bool> rung_{false};
  std::atomic<bool> woken_{false};
  std::mutex mutex_;
  std::vector<Letter> letters_;
};

}  // namespace pgweir
