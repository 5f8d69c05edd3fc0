// From the TLS settings of a configuration to what the loops speak TLS with.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/change.h"
#include "config/config.h"
#include "config/loader.h"
#include "proxy/net/tls_context.h"

namespace pgweir {

// Reads the files that `globals` name; a side that is switched off is null. The setting of a
// mistake bears its whole name, and its side is null.
TlsContexts build_tls(const Globals& globals, TlsMistakes& mistakes);

// For --check: adds what is wrong with the files, at the lines of the settings; as warnings where the process starts
// nevertheless: those of a side that is switched off, and of /metrics.
void check_tls(Loaded& loaded);

// The contexts of `fresh`, which replaces `old`. A side that cannot be built keeps its context and
// its settings, which are put back in `fresh`; the others are renewed where settings or files have
// changed. Says in `changes` whether servers have to be connected anew.
TlsContexts renew_tls(const TlsContexts& in_force, const Globals& old, Globals& fresh,
                      Changes& changes, TlsMistakes& mistakes);

// Tells when the files that the settings name have changed, by looking at them now and then. Not thread-safe.
class TlsFiles {
 public:
  // They are going to be read.
  void remember(const Globals& globals);
  // They are not what was remembered, and have stayed the same since the last look.
  bool changed(const Globals& globals);

 private:
  using Marks = std::map<std::string, std::string>;   // by path: what tells one version of a file from another
  static Marks marks_of(const Globals& globals);
  Marks known_, seen_;
};

}  // namespace pgweir
