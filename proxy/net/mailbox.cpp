#include "proxy/net/mailbox.h"

#include <sys/eventfd.h>

#include <cstdint>

#include "proxy/core/check.h"

namespace pgweir {

Mailbox::Mailbox() : bell_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  PGWEIR_CHECK(bell_);
}

void Mailbox::post(Letter letter) {
  {
    const std::lock_guard lock(mutex_);
    letters_.push_back(std::move(letter));
  }
  ring();
}

void Mailbox::wake() {
  woken_.store(true);
  ring();
}

void Mailbox::ring() {
  if (rung_.exchange(true)) return;
  const std::uint64_t one = 1;
  (void)!write(bell_.get(), &one, sizeof one);
}

Mailbox::Mail Mailbox::take() {
  std::uint64_t count = 0;
  (void)!read(bell_.get(), &count, sizeof count);
  // The bell is free again before the box is emptied: who comes in between rings in vain, never
  // unheard.
  rung_.store(false);
  Mail mail;
  mail.woken = woken_.exchange(false);
  const std::lock_guard lock(mutex_);
  mail.letters.swap(letters_);
  return mail;
}

}  // namespace pgweir
