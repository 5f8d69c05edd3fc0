// What a service manager (systemd) gives us and wants to hear: sockets it has opened, and how far we are. Without one,
// or built without libsystemd, nothing happens. Source: sd_listen_fds(3), sd_notify(3).
#pragma once

#include <string>

namespace pgweir::service_manager {

// The first of the sockets it has opened for us, as take_listeners() wants it.
inline constexpr int first_socket = 3;
// How many there are. Once, before the process forks; what we start ourselves shall not inherit them.
int sockets_given();

// Whether it wants to hear from us (NOTIFY_SOCKET).
bool listens();
// Why it will not although it wants to; empty: it will.
std::string cannot_tell();

// Thread-safe.
void tell_ready();
void tell_reloading();     // tell_ready() follows when the reload is over, whatever came of it
void tell_stopping();
void tell_status(const std::string& line);

// Whether stderr is the journal (JOURNAL_STREAM), which takes a line's priority from its beginning.
bool stderr_is_journal();

// For -V.
const char* built_in();    // "yes" or "no"

}  // namespace pgweir::service_manager
