#include "proxy/policy/prepared/assumptions.h"

#include <algorithm>

namespace pgweir::policy {
namespace {
using What = Assumption::What;
}

void Assumptions::push(Assumption assumption) {
  names_pushed_ += about_names(assumption);
  unnamed_in_batch_ |= !about_names(assumption);
  log_.push_back(std::move(assumption));
}

void Assumptions::pop(unsigned count) {
  for (; count > 0 && head_ < log_.size(); --count) {
    names_popped_ += about_names(log_[head_]);
    log_[head_++] = {};
  }
  if (head_ == log_.size()) {
    log_.clear();
    head_ = 0;
  }
}

bool Assumptions::settle(unsigned count, std::uint64_t pool) {
  bool possible = true;
  const std::size_t end = std::min<std::size_t>(head_ + count, log_.size());
  for (std::size_t i = head_; i < end; ++i) {
    Assumption& a = log_[i];
    if (a.what == What::duplicate) possible = false;
    if (a.what == What::prepared) a.statement->store->note_proven(*a.statement, pool);
  }
  pop(count);
  return possible;
}

void Assumptions::take_back(unsigned count, bool first_failed, ClientStatements& client, ServerStatements& server) {
  const std::size_t end = std::min<std::size_t>(head_ + count, log_.size());
  const Assumption* failed = first_failed && end > head_ ? &log_[head_] : nullptr;
  // An unnamed Parse that fails leaves no unnamed statement; one that is skipped leaves what was there.
  if (failed && failed->what == What::unnamed) {
    log_[head_].before = {};
    log_[head_].unnamed_was_the_clients = true;
  }
  // So does one that fails as the Parse of ours which was to stand for it; the server's own was not touched.
  if (failed && failed->what == What::prepared && end - head_ > 1) {
    Assumption& next = log_[head_ + 1];
    if (next.what == What::unnamed && next.statement.get() == failed->statement.get()) {
      next.before = {};
      next.unnamed_was_the_clients = false;
    }
  }
  const auto later = std::find_if(log_.begin() + static_cast<std::ptrdiff_t>(end), log_.end(),
                                  [](const Assumption& a) { return a.what == What::unnamed; });
  for (std::size_t i = end; i > head_; --i) {
    Assumption& a = log_[i - 1];
    if (a.what == What::unnamed && later != log_.end()) {
      later->before = a.before;
      later->unnamed_was_the_clients = a.unnamed_was_the_clients;
    } else if (a.what == What::renewed && later != log_.end()) {
      later->unnamed_was_the_clients = false;
    } else {
      take_back_one(a, client, server);
    }
  }
  pop(count);
}

void Assumptions::take_back_one(Assumption& a, ClientStatements& client, ServerStatements& server) {
  switch (a.what) {
    case What::named:
      client.set(a.name, std::move(a.before));
      break;
    case What::prepared:
      (void)server.remove(*a.statement);
      break;
    case What::taken_off:
      server.restore(std::move(*a.removed));
      break;
    case What::unnamed:
      client.unnamed = std::move(a.before);
      server.unnamed_is_the_clients = a.unnamed_was_the_clients;
      break;
    case What::renewed:
      server.unnamed_is_the_clients = false;
      break;
    case What::duplicate:
      break;
  }
}

void Assumptions::forget() {
  log_.clear();
  head_ = 0;
  names_boundary_ = names_popped_ = names_pushed_ = 0;
  unnamed_in_batch_ = false;
}

}  // namespace pgweir::policy
