// SHOW CONFIG.
#include <array>

#include "config/settings.h"
#include "proxy/admin/shows.h"

namespace pgweir {
namespace {

constexpr std::array<compose::Column, 4> columns = {
    {{"key"}, {"value"}, {"default"}, {"changeable"}}};

std::vector<Row> rows(const ShowContext& context) {
  std::vector<Row> result;
  for (const Setting& setting : settings()) {
    result.push_back({std::string(setting.name), print_value(setting, context.config.globals),
                      setting.fallback ? Cell(std::string(*setting.fallback)) : Cell(),
                      setting.changeable() ? "yes" : "no"});
  }
  return result;
}

}  // namespace

constinit const Show show_config{"config", Wants::nothing, columns, rows};

}  // namespace pgweir
