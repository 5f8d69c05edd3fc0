// What a client's StartupMessage asks for, in the pooler's terms: who it is, and what it sets.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/startup.h"
#include "proxy/policy/parameters.h"
#include "proxy/policy/session_settings.h"

namespace pgweir::policy {

struct StartupWishes {
  std::string user, database;      // empty: not given
  SharedParameters parameters;     // settings that PostgreSQL reports, and that every client has
  SharedSettings settings;         // the others, to be given to its servers where sessions are kept apart
  // What it hears where they are not kept: about the first of them. Empty: all is in `parameters`, or ignored.
  std::string unsupported;
  // Of a replication connection: what its own server is asked for as it stands, and judges.
  std::vector<std::pair<std::string, std::string>> passed_on;
  bool impossible = false;         // one of them no server could be given
  bool bad_options = false;        // `options` is not understood
};

// `ignored`: ignore_startup_parameters. Where it names `options`, nothing in these is refused.
// `replicates`: a replication connection, whose server is its own.
StartupWishes read_wishes(const StartupPacket& packet, const TrackedParameters& tracked, const std::vector<std::string>& ignored,
                          bool replicates);

}  // namespace pgweir::policy
