// SHOW VERSION and SHOW STATE.
#include <array>

#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

constexpr std::array<compose::Column, 1> version_columns = {{{"version"}}};
constexpr std::array<compose::Column, 2> state_columns = {{{"key"}, {"value"}}};

// Monitors look for PgBouncer's name and number at the beginning.
std::vector<Row> version_rows(const ShowContext& context) {
  return {{fmt::format("PgBouncer " PGWEIR_PARITY " (pgweir {})", context.version)}};
}

std::vector<Row> state_rows(const ShowContext& context) {
  const auto yes_no = [](bool yes) { return Cell(yes ? "yes" : "no"); };
  return {{"active", yes_no(!context.all_paused && !context.suspended)},
          {"paused", yes_no(context.all_paused)},
          {"suspended", yes_no(context.suspended)}};
}

}  // namespace

constinit const Show show_version{"version", Wants::nothing, version_columns, version_rows};
constinit const Show show_state{"state", Wants::nothing, state_columns, state_rows};

}  // namespace pgweir
