// What the console asks of the process as a whole. Implemented by the runtime.
#pragma once

#include <string>

#include "proxy/admin/facts.h"

namespace pgweir {

// Thread-safe: every worker's console calls it on its own thread.
class ProcessPort {
 public:
  virtual ~ProcessPort() = default;
  // Reads all files again and posts the result to every worker; what is posted afterwards finds it
  // in force. False: nothing has changed, and `error` says why (for the log).
  virtual bool reload(std::string& error) = 0;
  // Changes one setting until the next reload, and posts the result as reload() does. A setting
  // that needs a restart is left alone without an error. False: `error` says why.
  virtual bool set(const std::string& key, const std::string& value, std::string& error) = 0;
  // Closes the TCP listeners, posts begin_shutdown(how) and ends the process when it is done; with
  // `at_once` it ends it now, and `how` means nothing.
  virtual void request_exit(Shutdown how, bool at_once) = 0;
  virtual DnsFacts dns() const = 0;
  // Whether those who connect are let in or wait in the kernel's queue.
  virtual void accept_clients(bool yes) = 0;
  // Another process of ours, at the other end of `console`, takes over. The first is to be asked before: false, it cannot now.
  virtual bool may_be_taken_over() = 0;
  virtual void be_taken_over(std::unique_ptr<Detached> console) = 0;
  // A line for whoever watches the process (systemd's STATUS).
  virtual void tell_status(const std::string& line) = 0;
  // Our own version, "0.1.0".
  virtual std::string version() const = 0;
};

}  // namespace pgweir
