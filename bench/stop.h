// Ctrl-C and SIGTERM: whoever loops asks here, so that everything opened is closed again.
#pragma once

namespace pgweir::bench {

// Turns SIGINT and SIGTERM into a wish that stop_wished() tells; a second one ends the process at
// once. Ignores SIGPIPE. Called once, before threads start.
void catch_stop_signals();
bool stop_wished();

}  // namespace pgweir::bench
