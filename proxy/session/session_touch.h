// What the client of a server may have done to its session since it was last known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/observe/isolation.h"
#include "proxy/observe/isolation_log.h"

namespace pgweir {

struct SessionTouch {
  // The classes of statements that did it; beyond so many the others are not told of.
  struct Class {
    IsolationLog::Ref ref = 0;
    bool sets = false;                     // a setting, as its text tells
    bool more = false;                     // something else, or what no text tells
  };
  static constexpr std::size_t classes_max = 8;
  std::vector<Class> classes;
  std::vector<std::string> settings;       // these may have another value; in lower case
  std::vector<std::string> functions;      // not PostgreSQL's own, and not trusted yet
  bool everything = false;                 // the whole session must be looked at
  bool code = false;                       // ... and the names of settings that functions know
  bool makes_code = false;                 // CREATE FUNCTION, CREATE TRIGGER, ...
  unsigned temporaries = 0;                // CREATE TEMP TABLEs that have not been answered yet
  PinReason stays = PinReason::none;       // no look would tell: the server stays with the client
  // Whether what its client listens to elsewhere has been LISTENed to here, so that a look tells all of it.
  enum class Given : std::uint8_t { no, if_committed, surely } given = Given::no;
  std::string canary;                      // a setting has this value if that was committed
  bool just_given = false;                 // the next message has waited for it
};

}  // namespace pgweir
