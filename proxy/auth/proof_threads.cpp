#include "proxy/auth/proof_threads.h"

#include <chrono>
#include <thread>

#include "proxy/auth/proofs.h"

namespace pgweir {
namespace {

constexpr unsigned password_threads = 8, name_threads = 2;
constexpr std::size_t queue_max = 1000;
constexpr std::chrono::seconds farewell{1};

ProofAnswer answer_to(const ProofRequest& request) {
  switch (request.kind) {
    case ProofRequest::Kind::ldap:
      return prove_by_ldap(request);
    case ProofRequest::Kind::pam:
      return prove_by_pam(request);
    case ProofRequest::Kind::system_user:
      return find_system_user(request);
    case ProofRequest::Kind::host_name:
      return find_host_name(request);
  }
  return {};
}

}  // namespace

// Shared with its threads, which may outlive the rest.
struct ProofThreads::Crew {
  explicit Crew(unsigned max) : threads_max(max) {}

  using Job = std::pair<ProofRequest, std::function<void(ProofAnswer)>>;
  const unsigned threads_max;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Job> queue;
  unsigned threads = 0, idle = 0;
  bool stopping = false;

  static bool ask(const std::shared_ptr<Crew>& crew, Job job) {
    std::lock_guard lock(crew->mutex);
    if (crew->stopping || crew->queue.size() >= queue_max) return false;
    crew->queue.push_back(std::move(job));
    if (crew->queue.size() > crew->idle && crew->threads < crew->threads_max) {
      ++crew->threads;
      std::thread([crew] { crew->run(); }).detach();
    }
    crew->changed.notify_one();
    return true;
  }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      ++idle;
      changed.wait(lock, [this] { return stopping || !queue.empty(); });
      --idle;
      if (stopping) break;
      const Job job = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      ProofAnswer answer = answer_to(job.first);
      lock.lock();
      // Under the lock: once stop() has been called, whoever would hear the answer may be gone.
      if (!stopping) job.second(std::move(answer));
    }
    --threads;
    changed.notify_all();
  }

  void stop() {
    std::unique_lock lock(mutex);
    stopping = true;
    queue.clear();
    changed.notify_all();
    changed.wait_for(lock, farewell, [this] { return threads == 0; });
  }
};

ProofThreads::ProofThreads()
    : passwords_(std::make_shared<Crew>(password_threads)),
      names_(std::make_shared<Crew>(name_threads)),
      own_networks_(find_own_networks()) {}

ProofThreads::~ProofThreads() {
  passwords_->stop();
  names_->stop();
}

bool ProofThreads::ask(ProofRequest request, std::function<void(ProofAnswer)> callback) {
  const bool password =
      request.kind == ProofRequest::Kind::ldap || request.kind == ProofRequest::Kind::pam;
  return Crew::ask(password ? passwords_ : names_, {std::move(request), std::move(callback)});
}

}  // namespace pgweir
