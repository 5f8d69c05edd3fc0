// What OpenSSL has to say about its latest failure on this thread.
#pragma once

#include <string>

namespace pgweir {

// The reason of the oldest error in the thread's queue, which is emptied: "wrong version number".
std::string take_tls_error();

}  // namespace pgweir
