#include "proxy/admin/table.h"

#include <ctime>

#include "proxy/core/check.h"

namespace pgweir {

Cell text_or_null(std::string_view text) {
  return text.empty() ? Cell{} : Cell{std::string(text)};
}

std::string print_time(WallTime time) {
  const std::time_t since_epoch = count_s(time.time_since_epoch());
  std::tm parts{};
  localtime_r(&since_epoch, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &parts)};
}

void append_table(Buffer& out, Columns columns, const std::vector<Row>& rows) {
  compose::row_description(out, columns);
  std::vector<std::optional<std::string_view>> views(columns.size());
  for (const Row& row : rows) {
    PGWEIR_CHECK(row.size() == columns.size());
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i])
        views[i] = *row[i];
      else
        views[i].reset();
    }
    compose::data_row(out, views);
  }
  compose::command_complete(out, "SHOW");
}

}  // namespace pgweir
