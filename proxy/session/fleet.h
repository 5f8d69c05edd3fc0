// What surrounds a worker: the other workers, the console, what all of them share.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "config/config.h"
#include "protocol/bytes.h"
#include "proxy/policy/parameters.h"
#include "proxy/session/credentials.h"
#include "proxy/session/ports.h"

namespace pgweir {

class Ledger;
namespace policy {
class ProvenTexts;
}
struct ClientSession;
class Worker;
class ProofPort;
using Task = std::function<void(Worker&)>;

// The other workers, and the process. Thread-safe.
class Fleet {
 public:
  virtual ~Fleet() = default;
  virtual unsigned size() const = 0;
  // Runs the task on that worker's thread, in a later turn. Order between two workers is kept.
  virtual void post(unsigned worker, Task task) = 0;
  // The worker that is to serve a client of that pool, whose size is `pool_size` (0: unlimited).
  virtual unsigned place_for_client(std::string_view database, std::string_view user, int pool_size) = 0;
  virtual std::uint64_t next_id() = 0;         // clients and servers, one counter
  virtual void on_tick(Worker& worker) = 0;    // once per tick of each worker, on its thread
  virtual std::uint64_t random_secret() = 0;   // nobody can guess it: cancel keys, salts, nonces
};

// The admin console, as its clients' worker sees it.
class ConsolePort {
 public:
  virtual ~ConsolePort() = default;
  virtual void on_message(Worker& worker, ClientSession& client, char tag, Bytes body) = 0;
  virtual void on_gone(Worker& worker, ClientSession& client) = 0;
  // A CancelRequest for a console client that waits for its command.
  virtual void on_cancel(Worker& worker, ClientSession& client) = 0;
  virtual void on_tick(Worker& worker) = 0;
};

// How far the process is on its way out.
enum class Shutdown : std::uint8_t { no, wait_for_servers, wait_for_clients };

// What all workers share. Outlives them.
struct Commons {
  Ledger& ledger;
  Fleet& fleet;
  Credentials& credentials;
  const policy::TrackedParameters& tracked;
  ConsolePort* console = nullptr;              // null: there is none (tests)
  std::uint32_t own_uid = ~0u;                 // who may use the console without a password
  ProofPort* proofs = nullptr;                 // null: LDAP, PAM and peer prove nobody (tests)
  policy::ProvenTexts* proven = nullptr;       // null: each worker knows of its own servers' only (tests)
};

}  // namespace pgweir
