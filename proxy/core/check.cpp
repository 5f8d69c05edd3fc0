#include "proxy/core/check.h"

#include <cstdlib>

#include "proxy/core/log.h"

namespace pgweir {

void check_failed(const char* what, const char* file, int line) {
  log::line(log::Level::fatal,
            "check failed: {} at {}:{}. This is a bug in pgweir; it stops here rather than mix up "
            "clients. Please report it with the lines above.",
            what, file, line);
  std::abort();
}

}  // namespace pgweir
