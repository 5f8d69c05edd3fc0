// Who we are, and whose behaviour we keep.
#pragma once

#define PGWEIR_VERSION "0.1.0"
// The release of PgBouncer that clients, drivers and monitors may take us for.
#define PGWEIR_PARITY "1.25.2"
