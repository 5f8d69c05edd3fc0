// What the client of a server may have done to its session since it was last known.
#pragma once

#include <string>
#include <vector>

#include "proxy/observe/isolation.h"

namespace pgweir {

struct SessionTouch {
  std::vector<std::string> settings;       // these may have another value; in lower case
  std::vector<std::string> functions;      // not PostgreSQL's own, and not trusted yet
  bool everything = false;                 // the whole session must be looked at
  bool code = false;                       // ... and the names of settings that functions know
  PinReason stays = PinReason::none;       // no look would tell: the server stays with the client
};

}  // namespace pgweir
